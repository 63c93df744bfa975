"""The body of an amendment that holds new validation reports on a package's documents, with the rules they pin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zdda.model.canonical_json import canonical_json

VALIDATION = "validation"
"""The kind of such an amendment."""

_MOST_DOCUMENTS = 9999
_PINS = ("policy", "algorithmCatalogue")


@dataclass(frozen=True, slots=True)
class ValidatedDocument:
    """Document ``number`` (from 1); ``verdict`` as in the deposit record; ``report`` in the form of those in a package,
    but the data that it names lie in the package."""

    number: int
    verdict: str
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RenewedValidation:
    """``policy`` and ``catalogue``: what their canonical JSON encodes; every report pins the digests of both.

    Nothing in it is of the day it was made: the same inputs give the same body.
    """

    documents: tuple[ValidatedDocument, ...]
    policy: Mapping[str, Any]
    catalogue: Mapping[str, Any]

    def is_proper(self) -> bool:
        """Whether the documents are in order, each once, and every report pins these rules."""
        numbers = [each.number for each in self.documents]
        if not 1 <= len(numbers) <= _MOST_DOCUMENTS or any(type(number) is not int for number in numbers):
            return False
        if numbers[0] < 1 or numbers[-1] > _MOST_DOCUMENTS or sorted(set(numbers)) != numbers:
            return False
        pins = [_sha256(self.policy), _sha256(self.catalogue)]
        return all([_pin(each.report, name) for name in _PINS] == pins for each in self.documents)

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": [
                {"number": each.number, "verdict": each.verdict, "report": each.report} for each in self.documents
            ],
            "policy": self.policy,
            "algorithmCatalogue": self.catalogue,
        }


def read_renewed_validation(value: Mapping[str, Any]) -> RenewedValidation:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError`` for another form."""
    body = RenewedValidation(
        documents=tuple(
            ValidatedDocument(each["number"], _text(each["verdict"]), _object(each["report"]))
            for each in value["documents"]
        ),
        policy=_object(value["policy"]),
        catalogue=_object(value["algorithmCatalogue"]),
    )
    if not body.is_proper():
        raise ValueError("no reports, or reports by other rules")
    return body


def _sha256(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _pin(report: Mapping[str, Any], name: str) -> object:
    pin = report.get(name)
    return pin.get("sha256") if isinstance(pin, Mapping) else None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise TypeError("a verdict is a word")
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value
