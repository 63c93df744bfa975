"""The simple report: who, when, what it is worth and why, a signature each. Made from the detailed report, pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from zdda.model.canonical_json import canonical_json
from zdda.signatures.certificate_names import names_of
from zdda.validation.report import ValidationReport
from zdda.validation.words import CHANGES, DOCUMENT, TIMESTAMPS, VERDICTS, Words, subindication

FORMAT = "zdda-validation-simple-report/1"
_SUMMARIES = frozenset({"block-conclusive", "basic-validation-acceptable", "archival-validation-cannot-cure"})
"""Constraints that only say that another block did not pass: no reasons."""

_VOUCHING = frozenset({"valid", "expired", "revoked", "not-yet-valid", "revocation-unknown"})
"""Statuses of a path whose certificates were all rightly issued, whatever became of them since."""


def simple_report(report: Mapping[str, Any], data: Mapping[str, bytes]) -> dict[str, Any]:
    """JSON after ``schemas/validation-simple-report-v1.json``.

    ``report``: the detailed one; ``data``: validation data by SHA-256 in hexadecimal, for the names of signers.
    """
    verdict = _document_verdict(report)
    unread = report["refused"] or report["notValidated"]
    return {
        "format": FORMAT,
        "detailedReport": hashlib.sha256(canonical_json(report)).hexdigest(),
        "engine": report["engine"],
        "validationTime": report["validationTime"],
        "policy": report["policy"],
        "algorithmCatalogue": report["algorithmCatalogue"],
        "trustAnchors": report["trustAnchors"],
        "documentFormat": report["document"]["formatName"],
        "verdict": verdict,
        "message": DOCUMENT[verdict].as_json(),
        "notice": _notice(report),
        "reason": None if unread is None else {"code": unread["code"], "message": _unread(unread)},
        "signatures": [_signature(item, number, report, data) for number, item in enumerate(report["signatures"], 1)],
        "timestamps": [_timestamp(item, number, report, data) for number, item in enumerate(report["timestamps"], 1)],
    }


def _document_verdict(report: Mapping[str, Any]) -> str:
    if report["refused"] is not None or report["notValidated"] is not None:
        return "NOT_VALIDATED"
    worst = ValidationReport.from_json(report).worst()
    if worst is None:  # counter-signatures never stand alone
        return "NO_SIGNATURE"
    return worst.value


def _notice(report: Mapping[str, Any]) -> dict[str, str] | None:
    """A valid signature under a document that shows something else today: said beside the verdict, not below it."""
    changes = {item.get("changesAfterSigning") for item in report["signatures"]}
    return DOCUMENT["CHANGED"].as_json() if changes & {"content", "not-determined"} else None


def _unread(reason: Mapping[str, Any]) -> dict[str, str]:
    if "message" in reason:
        return dict(reason["message"])
    return Words("The document could not be read", "Dokument se nepodařilo přečíst").as_json()


def _signature(
    item: Mapping[str, Any], number: int, report: Mapping[str, Any], data: Mapping[str, bytes]
) -> dict[str, Any]:
    changes = item.get("changesAfterSigning")
    return {
        "number": number,
        "identifier": item["identifier"],
        "counter": item["counter"],
        "format": item["format"],
        "who": _who(item, report, data),
        "when": {
            "proven": item["bestSignatureTime"],
            "by": _proof(item, report),
            "claimed": item["claimedSigningTime"],
        },
        **_verdict(item, VERDICTS[item["indication"]]),
        "coversWholeDocument": item["coversWholeDocument"],
        "changesAfterSigning": None if changes is None else {"value": changes, "message": CHANGES[changes].as_json()},
    }


def _timestamp(
    item: Mapping[str, Any], number: int, report: Mapping[str, Any], data: Mapping[str, bytes]
) -> dict[str, Any]:
    words = VERDICTS[item["indication"] if item["indication"] != "INDETERMINATE" else "TIMESTAMP_INDETERMINATE"]
    return {
        "number": number,
        "identifier": item["identifier"],
        "type": item["type"],
        "typeMessage": TIMESTAMPS[item["type"]].as_json(),
        "who": _who(item, report, data),
        "time": item["time"],
        **_verdict(item, words),
    }


def _verdict(item: Mapping[str, Any], words: Words) -> dict[str, Any]:
    meaning = subindication(item["subindication"])
    return {
        "indication": item["indication"],
        "subindication": item["subindication"],
        "message": words.as_json(),
        "meaning": None if meaning is None else meaning.as_json(),
        "why": list(_why(item)),
        "warnings": list(_records(item, frozenset({"warning"}))),
    }


def _who(item: Mapping[str, Any], report: Mapping[str, Any], data: Mapping[str, bytes]) -> dict[str, Any] | None:
    """The names in the certificate. They are worth something only where ``keyVerified`` (its key made the signature)
    and ``pathToAnchor`` (issuers up to an anchor, each of them entitled to issue) both hold."""
    sha256 = item["signingCertificate"]
    if sha256 is None:
        return None
    der = data.get(sha256)
    names = None if der is None else names_of(der)
    path = item["certificatePath"]
    return {
        "certificate": sha256,
        "name": names.name if names is not None else None,
        "organization": names.organization if names is not None else None,
        "subject": names.subject if names is not None else None,
        "issuer": names.issuer if names is not None else None,
        "serialNumber": names.serial if names is not None else None,
        "keyVerified": item["intact"] if "intact" in item else item["signatureValid"],
        "pathToAnchor": bool(path) and path[-1] in report["trustAnchors"] and item["pathStatus"] in _VOUCHING,
    }


def _proof(item: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """What proves the best signature time, as the last process names it."""
    named = [
        record["against"]
        for block in item["processes"]
        for record in block["constraints"]
        if record["id"] == "best-signature-time"
    ]
    if item["bestSignatureTime"] == report["validationTime"] or not named or named[-1] == "validation-time":
        return "validation-time"
    known = {timestamp["identifier"] for timestamp in report["timestamps"]}
    return "timestamp" if named[-1] in known else "evidence-record"


def _why(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The constraints that decided: of the blocks that came to the very sub-indication, else of all."""
    if item["subindication"] is None:
        return
    blocks = [*item["buildingBlocks"], *item["processes"]]
    deciding = [block for block in blocks if block["subindication"] == item["subindication"]]
    found = list(_records({"buildingBlocks": deciding, "processes": []}, frozenset({"not-ok"})))
    yield from found or _records(item, frozenset({"not-ok"}))


def _records(item: Mapping[str, Any], statuses: frozenset[str]) -> Iterator[dict[str, Any]]:
    told = set()
    for block in (*item["buildingBlocks"], *item["processes"]):
        for record in block["constraints"]:
            if record["status"] in statuses and record["id"] not in _SUMMARIES and record["id"] not in told:
                told.add(record["id"])
                yield {"id": record["id"], "clause": record["clause"], "message": record["message"]}
