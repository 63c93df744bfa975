"""The validation report: what was found, why, by which rules and from which data. JSON form: version 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from zdda.model.canonical_json import canonical_json
from zdda.model.errors import InvalidInput
from zdda.validation.indications import Indication
from zdda.validation.report_text import plain_report, report_text

FORMAT = "zdda-validation-report/1"
ENGINE = "zdda-en319102/2"
_WORST = (Indication.TOTAL_FAILED, Indication.INDETERMINATE, Indication.TOTAL_PASSED)


class ReportError(InvalidInput):
    """The JSON is no validation report of a known version."""

    code = "validation-report"


@dataclass(frozen=True, slots=True)
class ValidationDatum:
    """One piece of evidence to be kept (requirement B7). ``role``: certificate, crl, ocsp or timestamp."""

    role: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class ValidationReport:
    """The methods read what programs ask most.

    ``made``: JSON; where ``encoded`` is given, its canonical bytes, the blocks in it are still ``Block`` objects.
    ``validation_data`` holds the bytes that the report names by digest; it is empty in a report read from JSON.
    """

    made: Mapping[str, Any]
    validation_data: tuple[ValidationDatum, ...] = ()
    encoded: bytes | None = field(default=None, compare=False, repr=False)

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """Everything in it is JSON."""
        return self.made if self.encoded is None else plain_report(self.made)

    @classmethod
    def of_blocks(cls, made: Mapping[str, Any], validation_data: tuple[ValidationDatum, ...]) -> ValidationReport:
        """The report on signatures and timestamps whose blocks are ``Block`` objects. Raises ``ValueError`` where they
        hold what JSON cannot."""
        return cls(made, validation_data, report_text(made).encode("utf-8"))

    def __bool__(self) -> bool:
        raise TypeError("a validation report is not a truth value: ask worst()")

    def as_json(self) -> dict[str, Any]:
        return dict(self.content)

    def as_canonical_json(self) -> bytes:
        """The bytes of ``canonical_json(as_json())``, without making all the values."""
        return canonical_json(self.content) if self.encoded is None else self.encoded

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ValidationReport:
        """Raises ``ReportError`` where the members that verdicts hang on are missing or of another version."""
        if content.get("format") != FORMAT:
            raise ReportError("not a validation report of version 1")
        signatures = content.get("signatures")
        if not isinstance(signatures, list) or "notValidated" not in content or "refused" not in content:
            raise ReportError("a validation report lacks members")
        for signature in signatures:
            try:
                Indication(signature["indication"])
            except (KeyError, TypeError, ValueError) as error:
                raise ReportError("a signature in a validation report has no indication") from error
        return cls(content)

    @property
    def refused(self) -> str | None:
        """Why the document could not be read at all; None where it could."""
        reason = self.made["refused"]
        return None if reason is None else str(reason["code"])

    @property
    def not_validated(self) -> str | None:
        """Why nothing is said although there may be signatures; None where all was validated."""
        reason = self.made["notValidated"]
        return None if reason is None else str(reason["code"])

    @property
    def signatures(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.content["signatures"])

    @property
    def timestamps(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.content["timestamps"])

    def worst(self) -> Indication | None:
        """The worst indication of the top-level signatures; None says NO_SIGNATURE.

        A document that was refused or not validated is never better than INDETERMINATE.
        """
        found = {
            Indication(signature["indication"]) for signature in self.made["signatures"] if not signature["counter"]
        }
        if self.made["refused"] is not None or self.made["notValidated"] is not None:
            found.add(Indication.INDETERMINATE)
        return next((indication for indication in _WORST if indication in found), None)
