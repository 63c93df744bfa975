"""From sealed validation reports to the catalog's rows of validation data. Pure; the same for the first time and for
every rebuild."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from zdda.catalog.validation_objects import ValidationObject, ValidationUse
from zdda.model.clock import parse_time


def validation_uses(reports: Sequence[Mapping[str, Any]]) -> list[ValidationUse]:
    """The uses told by the reports of documents 1, 2, …; a report that tells of no validation data has none."""
    return [use for number, report in enumerate(reports, 1) for use in _of_document(number, report)]


def _of_document(number: int, report: Mapping[str, Any]) -> list[ValidationUse]:
    served = _served(report)
    uses = []
    for datum in report.get("validationData", ()):
        for signature in sorted(served.get(datum["sha256"], {""})):
            uses.append(ValidationUse(_object(datum), number, signature))
    return uses


def _served(report: Mapping[str, Any]) -> dict[str, set[str]]:
    """SHA-256 → the identifiers of signatures and timestamps that rest on it."""
    tokens = {each["identifier"]: each.get("token") for each in report.get("timestamps", ())}
    served: defaultdict[str, set[str]] = defaultdict(set)
    for each in (*report.get("signatures", ()), *report.get("timestamps", ())):
        wanted = [*each["certificatePath"], *each["revocationData"]]
        wanted += [tokens.get(identifier) or identifier for identifier in each.get("timestamps", ())]
        for sha256 in wanted:
            served[sha256].add(each["identifier"])
    return served


def _object(datum: Mapping[str, Any]) -> ValidationObject:
    moments = (datum.get(name) for name in ("validFrom", "validUntil"))
    since, until = (None if text is None else parse_time(text) for text in moments)
    return ValidationObject(
        bytes.fromhex(datum["sha256"]),
        datum["role"],
        datum.get("subject"),
        datum.get("issuer"),
        datum.get("serialNumber"),
        since,
        until,
    )
