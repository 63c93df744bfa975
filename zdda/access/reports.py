"""The sealed reports of a package in the forms that people and programs ask for, made anew from what is sealed."""

from __future__ import annotations

from typing import Any

from zdda.jobs.report_writing import ReportWriter
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.errors import InvalidInput, NotFound
from zdda.packaging.aip_reader import Aip, ArchivedDocument
from zdda.packaging.layout import validation_data_path
from zdda.validation.forms import Form, Language, data_needed
from zdda.validation.report import ReportError, ValidationReport

_DATUM_LIMIT = 64 * 1024 * 1024


class DocumentNotNamed(InvalidInput):
    """A form that is about one document was asked of a package with several: none is silently left out."""

    code = "document-not-named"


def report_in_form(package: Aip, number: int | None, form: Form, language: Language, write: ReportWriter) -> bytes:
    """Of document ``number`` (from 1), or of all: JSON as a list, the other forms where there is one document alone.

    Raises ``NotFound`` where there is no such document or no report on it, ``DocumentNotNamed``.
    """
    if number is not None and not 1 <= number <= len(package.documents):
        raise NotFound("the package has no document of that number")
    if number is None and form in (Form.DETAILED, Form.SIMPLE):
        return canonical_json([_listed(package, each, form, write) for each in package.documents])
    if number is None and len(package.documents) > 1:
        raise DocumentNotNamed("the package has several documents: say which by ?document=")
    report = _one(package, package.documents[(number or 1) - 1], form, language, write)
    if report is None:
        raise NotFound("the document was not validated: there is no report in that form")
    return report


def _listed(package: Aip, document: ArchivedDocument, form: Form, write: ReportWriter) -> dict[str, Any]:
    made = _one(package, document, form, Language.ENGLISH, write)
    return {
        "number": document.facts.number,
        "verdict": document.facts.verdict,
        "report": None if made is None else parse_json(made),
    }


def _one(package: Aip, document: ArchivedDocument, form: Form, language: Language, write: ReportWriter) -> bytes | None:
    """None where the validation ended without a report (the worker was killed, say)."""
    sealed = package.report(document.facts.number)
    if form is Form.DETAILED:
        return canonical_json(sealed)
    try:
        report = ValidationReport.from_json(sealed).content
    except ReportError:
        return None
    data = {
        sha256: package.read(validation_data_path(role, bytes.fromhex(sha256)), _DATUM_LIMIT)
        for role, sha256 in data_needed(report, form)
    }
    return write(report, data, form, language, document.facts.sha256.hex(), document.original_name)
