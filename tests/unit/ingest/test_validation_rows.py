"""From a report to the rows of what it rests on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from zdda.catalog.validation_objects import ValidationObject
from zdda.ingest.validation_rows import validation_uses

LEAF, ROOT, CRL, TOKEN, SPARE = (f"{number:064x}" for number in range(1, 6))


def datum(role: str, sha256: str) -> dict[str, Any]:
    return {"role": role, "sha256": sha256, "length": 1, "subject": None, "issuer": None, "serialNumber": None} | {
        "validFrom": "2026-01-01T00:00:00.000Z",
        "validUntil": None,
    }


def test_each_piece_names_the_signatures_and_timestamps_that_rest_on_it() -> None:
    report = {
        "signatures": [
            {"identifier": "s", "certificatePath": [LEAF, ROOT], "revocationData": [CRL], "timestamps": ["t"]},
        ],
        "timestamps": [{"identifier": "t", "certificatePath": [ROOT], "revocationData": [], "token": TOKEN}],
        "validationData": [
            datum("certificate", LEAF),
            datum("certificate", ROOT),
            datum("crl", CRL),
            datum("timestamp", TOKEN),
            datum("certificate", SPARE),
        ],
    }
    uses = validation_uses([{"format": "zdda-not-validated/1"}, report])
    told = [(each.object.sha256.hex(), each.object.role, each.document_number, each.signature) for each in uses]
    assert told == [
        (LEAF, "certificate", 2, "s"),
        (ROOT, "certificate", 2, "s"),
        (ROOT, "certificate", 2, "t"),
        (CRL, "crl", 2, "s"),
        (TOKEN, "timestamp", 2, "s"),
        (SPARE, "certificate", 2, ""),
    ]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert uses[0].object == ValidationObject(bytes.fromhex(LEAF), "certificate", None, None, None, moment, None)


def test_a_report_from_before_the_facts_were_told_still_has_its_rows() -> None:
    report = {"signatures": [], "timestamps": [], "validationData": [{"role": "crl", "sha256": CRL, "length": 1}]}
    (use,) = validation_uses([report])
    assert use.object == ValidationObject(bytes.fromhex(CRL), "crl", None, None, None, None, None)
