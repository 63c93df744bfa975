"""The summary for people, as text and as a page: one content, two forms, Czech or English. Pure.

Names and technical values come from hostile documents: the page escapes everything, holds no script, no form and
no reference to anything outside, and its one style sheet is named by digest in ``CONTENT_SECURITY_POLICY``.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zdda.model.clock import parse_time
from zdda.signatures.certificate_names import shown
from zdda.validation.summary_labels import LABELS
from zdda.validation.words import PROOFS

LANGUAGES = ("en", "cs")
_STYLE = (
    "body{font:1rem/1.5 sans-serif;color:#111;background:#fff;max-width:50rem;margin:1rem auto;padding:0 1rem}"
    "section{border:1px solid #666;border-left-width:.5rem;padding:0 1rem 1rem;margin:1rem 0}"
    "section.good{border-left-color:#0b6b2e}section.bad{border-left-color:#a30d0d}"
    "section.open{border-left-color:#8a5a00}dt{font-weight:bold}dd{margin:0 0 .5rem;overflow-wrap:anywhere}"
    ".verdict{font-weight:bold;font-size:1.15rem}footer{border-top:1px solid #666;font-size:.85rem}"
    "@media print{body{max-width:none}section{break-inside:avoid}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode("ascii")).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
_TONES = {"TOTAL_PASSED": "good", "PASSED": "good", "TOTAL_FAILED": "bad", "FAILED": "bad"}

Fact = tuple[str, tuple[str, ...]]
Facts = tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    verdict: str
    tone: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Summary:
    title: str
    verdict: str
    notice: str | None
    tone: str
    facts: Facts
    sections: tuple[_Section, ...]
    pins: Facts
    note: str


def summary_text(simple: Mapping[str, Any], language: str, name: str | None = None) -> str:
    """Plain text of the simple report. ``name``: what to call the document; ``language``: ``cs`` or ``en``."""
    summary = _summary(simple, language, name)
    lines = [
        summary.title,
        "=" * len(summary.title),
        "",
        summary.verdict,
        *([summary.notice] if summary.notice else []),
        "",
    ]
    lines += _lines(summary.facts)
    for section in summary.sections:
        lines += ["", section.title, "-" * len(section.title), section.verdict, *_lines(section.facts)]
    return "\n".join([*lines, "", *_lines(summary.pins), "", summary.note, ""])


def _lines(facts: Facts) -> list[str]:
    lines = []
    for label, values in facts:
        lines += [f"{label}: {values[0]}"] if len(values) == 1 else [f"{label}:", *(f"  - {each}" for each in values)]
    return lines


def summary_html(simple: Mapping[str, Any], language: str, name: str | None = None) -> bytes:
    """A whole page in UTF-8, the same content as ``summary_text``."""
    summary = _summary(simple, language, name)
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="{language}">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(CONTENT_SECURITY_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{html.escape(summary.title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{html.escape(summary.title)}</h1>",
        f'<section class="{summary.tone}" aria-labelledby="s0">',
        f'<p class="verdict" id="s0">{html.escape(summary.verdict)}</p>',
        *([f'<p class="verdict">{html.escape(summary.notice)}</p>'] if summary.notice else []),
        *_definitions(summary.facts),
        "</section>",
    ]
    for number, section in enumerate(summary.sections, 1):
        parts += [
            f'<section class="{section.tone}" aria-labelledby="s{number}">',
            f'<h2 id="s{number}">{html.escape(section.title)}</h2>',
            f'<p class="verdict">{html.escape(section.verdict)}</p>',
            *_definitions(section.facts),
            "</section>",
        ]
    parts += ["</main>", "<footer>", *_definitions(summary.pins), f"<p>{html.escape(summary.note)}</p>", "</footer>"]
    return "\n".join([*parts, "</body>", "</html>", ""]).encode("utf-8", "replace")


def _definitions(facts: Facts) -> Iterator[str]:
    if not facts:
        return
    yield "<dl>"
    for label, values in facts:
        yield f"<dt>{html.escape(label)}</dt>"
        yield from (f"<dd>{html.escape(value)}</dd>" for value in values)
    yield "</dl>"


def _summary(simple: Mapping[str, Any], language: str, name: str | None) -> _Summary:
    if language not in LANGUAGES:
        raise ValueError("summaries are in Czech and in English")
    teller = _Teller(language)
    return teller.summary(simple, name)


class _Teller:
    def __init__(self, language: str) -> None:
        self._language = language
        self._labels = LABELS[language]

    def summary(self, simple: Mapping[str, Any], name: str | None) -> _Summary:
        label = self._labels
        facts: list[Fact] = [(label["document"], (shown(name),))] if name else []
        if simple["documentFormat"]:
            facts.append((label["document-format"], (shown(simple["documentFormat"]),)))
        facts.append((label["validation-time"], (self._time(simple["validationTime"]),)))
        if simple["reason"] is not None:
            facts.append((label["why"], (self._message(simple["reason"]["message"]),)))
        notice = simple["notice"]
        sections = [self._signature(item) for item in simple["signatures"]]
        sections += [self._timestamp(item) for item in simple["timestamps"]]
        pins = (
            (label["engine"], (simple["engine"],)),
            (label["policy"], (f"{shown(simple['policy']['name'])} ({simple['policy']['sha256']})",)),
            (
                label["catalogue"],
                (f"{shown(simple['algorithmCatalogue']['version'])} ({simple['algorithmCatalogue']['sha256']})",),
            ),
            (label["anchors"], tuple(simple["trustAnchors"]) or (label["none"],)),
            (label["detailed-report"], (simple["detailedReport"],)),
        )
        return _Summary(
            title=label["title"],
            verdict=self._message(simple["message"]),
            notice=None if notice is None else self._message(notice),
            tone=_TONES.get(simple["verdict"], "open") if notice is None else "bad",
            facts=tuple(facts),
            sections=tuple(sections),
            pins=pins,
            note=label["note"],
        )

    def _signature(self, item: Mapping[str, Any]) -> _Section:
        label = self._labels
        when = item["when"]
        proof = PROOFS[when["by"]].of(self._language)
        facts: list[Fact] = [(label["who"], self._who(item["who"]))]
        facts.append((label["proven"], (f"{self._time(when['proven'])} ({proof})",)))
        if when["claimed"] is not None:
            facts.append((label["claimed"], (f"{self._time(when['claimed'])} ({label['claimed-note']})",)))
        facts.append((label["format"], (shown(item["format"]),)))
        facts += self._reasons(item)
        changes = item["changesAfterSigning"]
        if changes is not None:
            facts.append((label["changes"], (self._message(changes["message"]),)))
        kind = label["counter-signature"] if item["counter"] else label["signature"]
        return self._section(f"{kind} {item['number']}", item, facts)

    def _timestamp(self, item: Mapping[str, Any]) -> _Section:
        label = self._labels
        facts: list[Fact] = [(label["kind"], (self._message(item["typeMessage"]),))]
        facts.append((label["authority"], self._who(item["who"])))
        if item["time"] is not None:
            facts.append((label["time"], (self._time(item["time"]),)))
        return self._section(f"{label['timestamp']} {item['number']}", item, [*facts, *self._reasons(item)])

    def _section(self, title: str, item: Mapping[str, Any], facts: list[Fact]) -> _Section:
        return _Section(title, self._message(item["message"]), _TONES.get(item["indication"], "open"), tuple(facts))

    def _who(self, who: Mapping[str, Any] | None) -> tuple[str, ...]:
        label = self._labels
        if who is None:
            return (label["unknown"],)
        name = who["name"] or label["unnamed"]
        if who["organization"] and who["organization"] != name:
            name = f"{name}, {who['organization']}"
        told = [name]
        if who["issuer"]:
            told.append(f"{label['issuer']}: {who['issuer']}")
        if not who["keyVerified"]:
            told.append(label["not-verified"])
        if not who["pathToAnchor"]:
            told.append(label["not-vouched"])
        return tuple(told)

    def _reasons(self, item: Mapping[str, Any]) -> list[Fact]:
        label = self._labels
        found: list[Fact] = []
        if item["meaning"] is not None:
            found.append((label["meaning"], (self._message(item["meaning"]),)))
        why = tuple(f"{self._message(each['message'])} ({each['clause']})" for each in item["why"])
        if why:
            found.append((label["why"], why))
        warnings = tuple(self._message(each["message"]) for each in item["warnings"])
        if warnings:
            found.append((label["warnings"], warnings))
        if item["subindication"] is not None:
            found.append((label["code"], (f"{item['indication']} / {shown(item['subindication'])}",)))
        return found

    def _message(self, message: Mapping[str, str]) -> str:
        return message[self._language]

    def _time(self, text: str) -> str:
        """Always UTC, said so: a summary must read alike wherever it is made."""
        moment: datetime = parse_time(text)
        if self._language == "cs":
            return f"{moment.day}. {moment.month}. {moment.year} {moment:%H:%M:%S} UTC"
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
