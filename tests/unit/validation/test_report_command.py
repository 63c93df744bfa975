"""``zdda validate --report``: the forms of one document's report on standard output."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from lxml import etree
from test_validate_command import files, here, run  # noqa: F401 - fixtures

from tests.unit.validation.laboratory import NOW
from zdda.model.canonical_json import canonical_json
from zdda.model.clock import format_time

AT = ["--at", format_time(NOW)]
VR = "{http://uri.etsi.org/19102/v1.4.1#}"


@pytest.fixture
def signed(here: None, files: dict[str, str]) -> list[str]:  # noqa: F811
    return [files["signed.pdf"], *AT, "--trust-anchor", files["signer.der"]]


def test_json_forms_are_canonical(signed: list[str]) -> None:
    for form, name in (("detailed", "zdda-validation-report/1"), ("simple", "zdda-validation-simple-report/1")):
        status, output = run(*signed, "--report", form)
        assert status == 0
        assert json.loads(output)["format"] == name
        assert output.encode() == canonical_json(json.loads(output)) + b"\n"


def test_the_xml_names_the_document_by_its_digest(signed: list[str]) -> None:
    _, output = run(*signed, "--report", "etsi")
    tree = etree.fromstring(output.encode())
    name = f"D-{hashlib.sha256(Path(signed[0]).read_bytes()).hexdigest()}"
    document = tree.find(f".//{VR}SignersDocument/{VR}SignersDocumentRepresentation")
    assert document.get("VOReference") == name
    assert tree.find(f".//{VR}ValidationObject[@id='{name}']") is not None


def test_summaries_in_both_languages(signed: list[str]) -> None:
    assert "Every signature of the document is valid" in run(*signed, "--report", "text")[1]
    assert "Všechny podpisy dokumentu jsou platné" in run(*signed, "--report", "text", "--language", "cs")[1]
    page = run(*signed, "--report", "html", "--language", "cs")[1]
    assert page.startswith('<!DOCTYPE html>\n<html lang="cs">')
    assert "signed.pdf" in page


def test_the_status_is_that_of_the_verdict(here: None, files: dict[str, str]) -> None:  # noqa: F811
    assert run(files["signed.pdf"], *AT, "--report", "text")[0] == 2
    assert run(files["damaged.pdf"], *AT, "--report", "simple", "--trust-anchor", files["signer.der"])[0] == 1
    assert run("no-such-file", *AT, "--report", "etsi")[0] == 3
    assert run(files["signed.pdf"], files["damaged.pdf"], *AT, "--report", "etsi")[0] == 2
    assert run(files["signed.pdf"], *AT, "--report", "etsi", "--json")[0] == 2
    assert run(files["signed.pdf"], *AT, "--report", "rubbish")[0] == 2
