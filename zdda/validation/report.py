"""The validation report: what was found, why, by which rules and from which data. JSON form: version 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zdda.model.errors import InvalidInput
from zdda.validation.indications import Indication

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
    """Everything in ``content`` is JSON; the methods read what programs ask most.

    ``validation_data`` holds the bytes that the report names by digest; it is empty in a report read from JSON.
    """

    content: Mapping[str, Any]
    validation_data: tuple[ValidationDatum, ...] = ()

    def __bool__(self) -> bool:
        raise TypeError("a validation report is not a truth value: ask worst()")

    def as_json(self) -> dict[str, Any]:
        return dict(self.content)

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
        reason = self.content["refused"]
        return None if reason is None else str(reason["code"])

    @property
    def not_validated(self) -> str | None:
        """Why nothing is said although there may be signatures; None where all was validated."""
        reason = self.content["notValidated"]
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
            Indication(signature["indication"]) for signature in self.content["signatures"] if not signature["counter"]
        }
        if self.content["refused"] is not None or self.content["notValidated"] is not None:
            found.add(Indication.INDETERMINATE)
        return next((indication for indication in _WORST if indication in found), None)
