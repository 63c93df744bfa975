"""The simple report and the summaries: nothing better than the detailed report, nothing executable, both languages."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.validation.test_report_golden import DOCUMENTS, report
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.validation.forms import Form, Language, written
from zdda.validation.indications import Indication, SubIndication
from zdda.validation.simple_report import simple_report
from zdda.validation.summary import CONTENT_SECURITY_POLICY, summary_html, summary_text
from zdda.validation.summary_labels import LABELS
from zdda.validation.words import SUBINDICATIONS, subindication

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "validation"
SCHEMA = Draft202012Validator(json.loads((ROOT / "schemas" / "validation-simple-report-v1.json").read_text()))


def parts(name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    made = report(name)
    content: dict[str, Any] = parse_json(canonical_json(made.as_json()))
    return content, {datum.sha256: datum.data for datum in made.validation_data}


def simple(name: str) -> dict[str, Any]:
    return simple_report(*parts(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_simple_report_keeps_its_schema_and_agrees(name: str) -> None:
    content, data = parts(name)
    made = simple_report(content, data)
    SCHEMA.validate(made)
    assert [item["indication"] for item in made["signatures"]] == [item["indication"] for item in content["signatures"]]
    assert made["detailedReport"] == hashlib.sha256(canonical_json(content)).hexdigest()


def test_the_verdict_of_the_document() -> None:
    assert {name: simple(name)["verdict"] for name in DOCUMENTS} == {
        "signed-with-timestamp": "TOTAL_PASSED",
        "damaged": "TOTAL_FAILED",
        "unsigned": "NO_SIGNATURE",
        "unreadable": "NOT_VALIDATED",
        "not-supported": "NOT_VALIDATED",
        "plain-text": "NO_SIGNATURE",
        "cms-countersigned": "TOTAL_PASSED",
        "cms-archived": "TOTAL_PASSED",
        "timestamp-token": "NO_SIGNATURE",
    }


def test_who_when_and_why() -> None:
    good, bad = simple("signed-with-timestamp")["signatures"][0], simple("damaged")["signatures"][0]
    assert good["who"]["keyVerified"] is True
    assert good["who"]["pathToAnchor"] is True
    assert good["when"]["by"] == "timestamp"
    assert good["why"] == []
    assert bad["subindication"] == "HASH_FAILURE"
    assert [each["id"] for each in bad["why"]] == ["signed-data-intact"]
    assert bad["meaning"] == SUBINDICATIONS["HASH_FAILURE"].as_json()
    assert bad["when"]["by"] == "validation-time"


@pytest.mark.parametrize(
    "change",
    [
        {"pathStatus": "constraints"},
        {"pathStatus": "no-path"},
        {"certificatePath": []},
        {"certificatePath": ["ab" * 32]},
    ],
)
def test_a_name_nobody_vouches_for_is_only_claimed(change: dict[str, Any]) -> None:
    content, data = parts("signed-with-timestamp")
    content["signatures"][0].update(change)
    made = simple_report(content, data)
    assert made["signatures"][0]["who"]["pathToAnchor"] is False
    for language in ("en", "cs"):
        assert LABELS[language]["not-vouched"] in summary_text(made, language)


def test_a_key_that_did_not_sign_is_said() -> None:
    content, data = parts("signed-with-timestamp")
    content["signatures"][0]["intact"] = False
    text = summary_text(simple_report(content, data), "en")
    assert LABELS["en"]["not-verified"] in text


def test_a_document_that_was_not_validated_says_nothing_of_its_signatures() -> None:
    content, data = parts("signed-with-timestamp")
    content["notValidated"] = {"code": "internal-error", "detail": "", "message": {"cs": "c", "en": "e"}}
    made = simple_report(content, data)
    assert made["verdict"] == "NOT_VALIDATED"
    assert "NOT validated" in summary_text(made, "en")


@pytest.mark.parametrize("changes", ["content", "not-determined"])
def test_a_document_that_shows_something_else_is_told_beside_the_verdict(changes: str) -> None:
    content, data = parts("signed-with-timestamp")
    assert simple_report(content, data)["notice"] is None
    content["signatures"][0]["changesAfterSigning"] = changes
    made = simple_report(content, data)
    assert made["verdict"] == "TOTAL_PASSED"
    assert made["notice"] is not None
    assert summary_text(made, "cs").splitlines()[4] == made["notice"]["cs"]
    assert '<section class="bad" aria-labelledby="s0">' in summary_html(made, "en").decode()


@pytest.mark.parametrize("language", ["en", "cs"])
def test_the_summaries_are_what_they_were(language: str) -> None:
    made = simple("signed-with-timestamp")
    assert summary_text(made, language, "report.pdf").encode() == (GOLDEN / f"summary-{language}.txt").read_bytes()
    assert summary_html(made, language, "report.pdf") == (GOLDEN / f"summary-{language}.html").read_bytes()


class Page(HTMLParser):
    """Notes the tags, and that each is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


HOSTILE = '<script src="//x"></script><img onerror=a>&amp;"\'\u202e\x1b[31m'


@pytest.mark.parametrize("language", ["en", "cs"])
def test_a_page_holds_nothing_active_whatever_the_names_are(language: str) -> None:
    made = simple("signed-with-timestamp")
    made["signatures"][0]["who"]["name"] = HOSTILE.replace("\u202e\x1b", "")
    made["signatures"][0]["format"] = made["policy"]["name"] = made["documentFormat"] = HOSTILE
    page = summary_html(made, language, HOSTILE).decode()
    read = Page(page)
    assert read.open == []
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "section",
        "h1",
        "h2",
        "p",
        "dl",
        "dt",
        "dd",
        "footer",
    }
    assert set(read.seen) == allowed
    assert {name for name, _ in read.attributes} <= {
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "id",
        "aria-labelledby",
    }
    assert "\u202e" not in page
    assert "\x1b" not in page + summary_text(made, language, HOSTILE)
    assert f'<html lang="{language}">' in page


def test_the_style_is_the_one_that_the_policy_allows() -> None:
    page = summary_html(simple("unsigned"), "en").decode()
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


def test_everything_has_words_in_both_languages() -> None:
    assert {each.value for each in SubIndication} <= set(SUBINDICATIONS)
    assert LABELS["en"].keys() == LABELS["cs"].keys()
    unknown = subindication("SOMETHING_NEW")
    assert unknown is not None
    assert "SOMETHING_NEW" in unknown.cs
    with pytest.raises(ValueError, match="Czech"):
        summary_text(simple("unsigned"), "de")


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("form", list(Form))
def test_every_form_of_every_report_is_written_and_never_better(name: str, form: Form) -> None:
    content, data = parts(name)
    for language in Language:
        made = written(content, data, form, language).decode()
        assert made
        if report(name).worst() is not Indication.TOTAL_PASSED:
            assert "signature is valid" not in made.replace("whether the signature is valid", "")
            assert "mainindication:total-passed" not in made
