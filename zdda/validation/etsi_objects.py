"""The validation objects of a report (TS 119 102-2 clause 4.4): each once, named, with the moment it is known from."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zdda.model.canonical_xml import element
from zdda.signatures.certificate_names import CertificateNames, names_of
from zdda.validation import etsi_vocabulary as etsi

EMBEDDED_UP_TO = 64 * 1024
"""Bytes: what is longer (nearly always a CRL) stands in the report by its digest alone."""

EMBEDDED_IN_ALL = 8 * 1024 * 1024
"""Bytes of one report: once so many stand in it, the rest of the list stands by digest."""

_LETTERS = {"certificate": "C", "crl": "R", "ocsp": "O", "timestamp": "T", "document": "D"}


def embedded(report: Mapping[str, Any]) -> frozenset[str]:
    """The validation data that stand in the XML whole, by SHA-256: decided by the report's own list."""
    found, total = set(), 0
    for datum in report["validationData"]:
        if datum["length"] <= EMBEDDED_UP_TO and total + datum["length"] <= EMBEDDED_IN_ALL:
            found.add(datum["sha256"])
            total += datum["length"]
    return frozenset(found)


class ValidationObjects:
    """Names for all that a report refers to. ``data``: bytes by SHA-256 (hexadecimal), as far as they are at hand;
    an object whose bytes are not stands by its digest."""

    def __init__(self, report: Mapping[str, Any], data: Mapping[str, bytes], document: str | None) -> None:
        self._data = data
        self._embedded = embedded(report)
        self._known_since = str(report["validationTime"])
        self._timestamps: dict[str, Mapping[str, Any]] = {}
        self._by_identifier: dict[str, str] = {}
        self._objects: dict[str, tuple[str, str]] = {}
        self.document = None if document is None else self._add("document", document)
        for timestamp in report["timestamps"]:
            if timestamp["identifier"] not in self._by_identifier:
                name = f"T-{len(self._by_identifier) + 1}"
                self._by_identifier[timestamp["identifier"]] = name
                self._timestamps[name] = timestamp
        tokens = {timestamp.get("token") for timestamp in self._timestamps.values()}
        for datum in report["validationData"]:
            if datum["role"] != "timestamp" or datum["sha256"] not in tokens:
                self._add(datum["role"], datum["sha256"])

    def _add(self, role: str, sha256: str) -> str:
        name = f"{_LETTERS.get(role, 'X')}-{sha256}"
        self._objects.setdefault(name, (role, sha256))
        return name

    def certificate(self, sha256: str) -> str:
        return self._add("certificate", sha256)

    def revocation(self, sha256: str) -> str:
        """Of a CRL or an OCSP response; one that the report does not list is of unknown kind."""
        for role in ("crl", "ocsp"):
            if f"{_LETTERS[role]}-{sha256}" in self._objects:
                return f"{_LETTERS[role]}-{sha256}"
        return self._add("other", sha256)

    def timestamp(self, identifier: str) -> str | None:
        return self._by_identifier.get(identifier)

    def timestamp_facts(self, identifier: str) -> Mapping[str, Any] | None:
        return self._timestamps.get(self._by_identifier.get(identifier, ""))

    def names(self, sha256: str | None) -> CertificateNames | None:
        """Who a certificate names; None where its bytes are not at hand or cannot be read."""
        der = self._data.get(sha256 or "")
        return None if der is None else names_of(der)

    def written(self, report_on: Callable[[Mapping[str, Any]], str]) -> str | None:
        """The SignatureValidationObjects element, written last: ``report_on`` gives a timestamp's own report and
        may name further objects."""
        timestamps = [self._timestamp(name, facts, report_on(facts)) for name, facts in self._timestamps.items()]
        others = list(self._written())
        return etsi.parent("SignatureValidationObjects", [*others, *timestamps]) if others or timestamps else None

    def _written(self) -> Iterator[str]:
        for name, (role, sha256) in self._objects.items():
            kind = etsi.OBJECT_TYPE.get(role, etsi.OBJECT_TYPE["other"])
            poe = None if role == "document" else self._proof()
            yield etsi.parent(
                "ValidationObject",
                [etsi.text("ObjectType", kind), self._representation(sha256), poe],
                {"id": name},
            )

    def _timestamp(self, name: str, facts: Mapping[str, Any], report: str) -> str:
        sha256 = facts.get("token")
        # A report older than the member "token" tells the place of the timestamp, not its bytes.
        representation = (
            self._representation(sha256)
            if sha256
            else etsi.parent(
                "ValidationObjectRepresentation", [etsi.text("URI", f"urn:zdda:timestamp:{facts['identifier']}")]
            )
        )
        passed = facts["indication"] == "PASSED" and facts["time"] is not None
        provided = etsi.parent("POEProvisioning", [etsi.text("POETime", facts["time"])]) if passed else None
        return etsi.parent(
            "ValidationObject",
            [
                etsi.text("ObjectType", etsi.OBJECT_TYPE["timestamp"]),
                representation,
                self._proof(),
                provided,
                report,
            ],
            {"id": name},
        )

    def _representation(self, sha256: str) -> str:
        der = self._data.get(sha256)
        whole = None
        if der is not None and sha256 in self._embedded:
            whole = element("base64", None, base64.b64encode(der).decode("ascii"))
        return etsi.parent("ValidationObjectRepresentation", [etsi.digest(sha256), whole])

    def _proof(self) -> str:
        return etsi.parent(
            "POE", [etsi.text("POETime", self._known_since), etsi.text("TypeOfProof", etsi.POE_VALIDATION)]
        )
