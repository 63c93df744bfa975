"""Reports on every document of the public corpus: XML against the schema of TS 119 102-2 V1.4.1, JSON against ours."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from lxml import etree

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.trust.anchors import TrustAnchors
from zdda.validation.etsi_report import etsi_report
from zdda.validation.report import ValidationReport
from zdda.validation.simple_report import simple_report
from zdda.validation.summary import LANGUAGES, summary_html, summary_text
from zdda.validation.validate import validate_document

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 11, 22, tzinfo=UTC)
VR = "{http://uri.etsi.org/19102/v1.4.1#}"
FOLDERS = ("pades", "cades")
SIMPLE = Draft202012Validator(json.loads((ROOT / "schemas" / "validation-simple-report-v1.json").read_text()))
pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def schema(shared: Path) -> Iterator[Any]:
    """The schema and all that it imports, from the folder of references: no network."""
    sys.path.insert(0, str(shared / "reference"))
    try:
        from schemas import schema  # type: ignore[import-not-found]

        yield schema("TS119102-2-v141.xsd")
    finally:
        sys.path.remove(str(shared / "reference"))


def documents(shared: Path, folder: str) -> list[Path]:
    base = shared / "corpus" / "documents" / folder
    return sorted(path for path in base.rglob("*") if path.is_file() and path.stat().st_size < 20_000_000)


def anchors(shared: Path) -> dict[str, TrustAnchors]:
    """Of the set-up in which every embedded top is trusted, by the document's name in the corpus."""
    found = {}
    folder = shared / "corpus" / "anchors"
    for line in (shared / "corpus" / "expected" / "documents.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        named = [folder / f"{Path(name).stem}.der" for name in row.get("at", {}).get("tops", {}).get("anchors", ())]
        found[row["document"]] = TrustAnchors(tuple(path.read_bytes() for path in named))
    return found


def validated(path: Path, trusted: TrustAnchors) -> ValidationReport:
    with path.open("rb") as document:
        return validate_document(document, trusted, at=AT)


def written(report: ValidationReport, sha256: str) -> bytes:
    return etsi_report(report.as_json(), {datum.sha256: datum.data for datum in report.validation_data}, sha256)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_report_is_valid_against_the_schema(shared: Path, schema: Any, folder: str) -> None:
    trusted = anchors(shared)
    paths = documents(shared, folder)
    assert len(paths) > 50
    chains = 0
    for path in paths:
        name = path.relative_to(shared / "corpus" / "documents").as_posix()
        report = validated(path, trusted.get(name, TrustAnchors()))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        xml = written(report, sha256)
        tree = etree.fromstring(xml, etree.XMLParser(no_network=True, resolve_entities=False, huge_tree=True))
        assert schema.validate(tree), (path.name, schema.error_log.last_error)
        check_references(tree, path.name)
        check_verdicts(tree, report, path.name)
        sealed = ValidationReport(parse_json(canonical_json(report.as_json())), report.validation_data)
        assert xml == written(sealed, sha256), path.name
        check_simple(report, path.name)
        chains += len(tree.findall(f".//{VR}TrustAnchor"))
    assert chains > 20, "the set-up gives hardly any path: the test tests little"


def check_simple(report: ValidationReport, name: str) -> None:
    data = {datum.sha256: datum.data for datum in report.validation_data}
    simple = simple_report(report.content, data)
    SIMPLE.validate(simple)
    worst = report.worst()
    unread = report.refused or report.not_validated
    assert simple["verdict"] == ("NOT_VALIDATED" if unread else worst.value if worst else "NO_SIGNATURE"), name
    for language in LANGUAGES:
        assert all(line.isprintable() for line in summary_text(simple, language, name).splitlines()), name
        etree.fromstring(summary_html(simple, language, name), etree.HTMLParser(recover=False))


def check_references(tree: Any, name: str) -> None:
    """Every reference leads to an object or a signature of the report (XML Schema leaves that to the parser)."""
    identifiers = [element.get("id") for element in tree.iter() if element.get("id") is not None]
    assert len(identifiers) == len(set(identifiers)), name
    for element in tree.iter():
        for target in (element.get("VOReference") or "").split():
            assert target in identifiers, (name, target)


def check_verdicts(tree: Any, report: ValidationReport, name: str) -> None:
    """Passed in the XML is passed in the detailed report, signature by signature."""
    found = [
        element.findtext(f"{VR}SignatureValidationStatus/{VR}MainIndication").rpartition(":")[2]
        for element in tree.findall(f"{VR}SignatureValidationReport")
    ]
    wanted = [item["indication"].lower().replace("_", "-") for item in report.signatures]
    empty = "indeterminate" if report.refused or report.not_validated else "no-signature"
    assert found == (wanted or [empty]), name
