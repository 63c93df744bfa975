"""The forms in which a validation report is handed out, each made from the detailed report."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from zdda.model.canonical_json import canonical_json
from zdda.validation.etsi_objects import embedded
from zdda.validation.etsi_report import etsi_report
from zdda.validation.simple_report import simple_report
from zdda.validation.summary import summary_html, summary_text


class Form(StrEnum):
    SIMPLE = "simple"
    DETAILED = "detailed"
    ETSI = "etsi"
    TEXT = "text"
    HTML = "html"


class Language(StrEnum):
    CZECH = "cs"
    ENGLISH = "en"


def data_needed(report: Mapping[str, Any], form: Form) -> list[tuple[str, str]]:
    """(role, SHA-256) of the validation data that a form of the report shows; without them it names them by digest."""
    if form is Form.DETAILED:
        return []
    wanted = embedded(report) if form is Form.ETSI else frozenset()
    return [
        (datum["role"], datum["sha256"])
        for datum in report["validationData"]
        if datum["role"] == "certificate" or datum["sha256"] in wanted
    ]


def written(
    report: Mapping[str, Any],
    data: Mapping[str, bytes],
    form: Form,
    language: Language = Language.ENGLISH,
    document_sha256: str | None = None,
    name: str | None = None,
) -> bytes:
    """The detailed ``report`` in another form. ``data``: validation data by SHA-256 in hexadecimal.

    ``name``: what summaries call the document; JSON and XML hold no names of documents.
    """
    if form is Form.DETAILED:
        return canonical_json(report)
    if form is Form.ETSI:
        return etsi_report(report, data, document_sha256)
    simple = simple_report(report, data)
    if form is Form.SIMPLE:
        return canonical_json(simple)
    if form is Form.HTML:
        return summary_html(simple, language.value, name)
    return summary_text(simple, language.value, name).encode("utf-8", "replace")
