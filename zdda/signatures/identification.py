"""Identifies formats by content after PRONOM's signatures, as packaged with FIDO (version 109 and its extensions).

FIDO tries all of its 2,000 expressions on every file. Here a signature's expression runs only where its leading
bytes, read off the expression itself, are in place; the answers are the same (a test compares).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from itertools import count
from xml.etree import ElementTree

_SOURCES = ("formats-v109.xml", "format_extensions.xml")
_BEGINNING = "(?s)\\A"
_NEAR = 256
_GAP = re.compile(r"\.\{(\d+)(?:,(\d+))?\}")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})|\\([^A-Za-z0-9])|\\([nrt])")
_QUANTIFIERS = "*+?{"
_SPECIAL = ".^$*+?{}[]\\|()"
_CONTROL = {"n": 0x0A, "r": 0x0D, "t": 0x09}


@dataclass(frozen=True, slots=True)
class IdentifiedFormat:
    """``puid``: PRONOM's identifier; ``version`` and ``media_type`` where PRONOM gives them."""

    puid: str
    name: str
    version: str | None
    media_type: str | None


@dataclass(slots=True)
class _Pattern:
    """``literal`` is found, for BOF between the offsets ``start`` and ``window``, wherever the expression matches."""

    position: str
    expression: str
    literal: bytes
    start: int
    window: int
    compiled: re.Pattern[bytes] | None = None

    def possible(self, head: bytes, tail: bytes, known: dict[tuple[str, bytes], bool]) -> bool:
        """``known`` remembers what was looked for in this file: families of formats share their words."""
        if not self.literal:
            return True
        if self.position == "BOF":
            return head.find(self.literal, self.start, self.window) >= 0
        name = (self.position, self.literal)
        if name not in known:
            known[name] = self.literal in (tail if self.position == "EOF" else head)
        return known[name]

    def matches(self, head: bytes, tail: bytes) -> bool:
        if self.compiled is None:
            self.compiled = re.compile(self.expression.encode("latin-1"))
        if self.position == "BOF":
            return self.compiled.match(head) is not None
        return self.compiled.search(tail if self.position == "EOF" else head) is not None


@dataclass(slots=True)
class _Format:
    found: IdentifiedFormat
    superior_to: frozenset[str]
    signatures: list[list[_Pattern]] = field(default_factory=list)


def identify(head: bytes, tail: bytes) -> IdentifiedFormat | None:
    """The best match for a file's first and last bytes (64 KiB each are enough), None where nothing matches.

    Where several formats match and none has priority, the first in PRONOM's order is taken.
    """
    if not head:
        return None
    pairs: set[bytes | None] = {head[index : index + 2] for index in range(min(len(head), _NEAR) - 1)}
    known: dict[tuple[str, bytes], bool] = {}
    matched: list[_Format] = []
    by_pair = _starting_with(head[0])
    # Two bytes that must stand near the beginning, and do not, spare most searches.
    candidates = [entry for pair in (None, *(pairs & by_pair.keys())) for entry in by_pair.get(pair, ())]
    for _, signature, item in sorted(candidates, key=_order):
        if matched and matched[-1] is item:
            continue
        first = signature[0]
        if first.literal and first.position == "BOF" and head.find(first.literal, first.start, first.window) < 0:
            continue
        if _matches(signature, head, tail, known):
            matched.append(item)
    inferior = {puid for item in matched for puid in item.superior_to}
    best = [item for item in matched if item.found.puid not in inferior]
    return best[0].found if best else None


def _matches(signature: list[_Pattern], head: bytes, tail: bytes, known: dict[tuple[str, bytes], bool]) -> bool:
    for pattern in signature:
        if not pattern.possible(head, tail, known):
            return False
    return all(pattern.matches(head, tail) for pattern in signature)


_Entry = tuple[int, list[_Pattern], _Format]


def _order(entry: _Entry) -> int:
    return entry[0]


@lru_cache(maxsize=256)
def _starting_with(first: int) -> dict[bytes | None, list[_Entry]]:
    """By two bytes near the beginning, or None: (place in PRONOM's order, signature, format) of the formats of which
    a signature starts with the byte ``first`` or with no fixed byte."""
    by_first, unfixed = _registry()
    formats = _formats()
    found: dict[bytes | None, list[_Entry]] = {}
    places = count()
    for index in sorted({*by_first.get(first, ()), *unfixed}):
        for signature in formats[index].signatures:
            found.setdefault(_pair(signature), []).append((next(places), signature, formats[index]))
    return found


def _pair(signature: list[_Pattern]) -> bytes | None:
    near = (item for item in signature if item.position == "BOF" and item.window <= _NEAR)
    return next((item.literal[:2] for item in near if len(item.literal) >= 2), None)


@lru_cache(maxsize=1)
def _registry() -> tuple[dict[int, tuple[int, ...]], tuple[int, ...]]:
    by_first: dict[int, list[int]] = {}
    unfixed: list[int] = []
    for index, item in enumerate(_formats()):
        for signature in item.signatures:
            fixed = next(
                (p.literal[0] for p in signature if p.position == "BOF" and p.literal and p.window == len(p.literal)),
                None,
            )
            if fixed is None:
                unfixed.append(index)
            else:
                by_first.setdefault(fixed, []).append(index)
    return {first: tuple(indexes) for first, indexes in by_first.items()}, tuple(unfixed)


@lru_cache(maxsize=1)
def _formats() -> tuple[_Format, ...]:
    found: list[_Format] = []
    for source in _SOURCES:
        # A file of the installed package, not input.
        text = files("fido").joinpath("conf", source).read_bytes()
        for element in ElementTree.fromstring(text):  # noqa: S314
            item = _read(element)
            if item is not None and item.signatures:
                found.append(item)
    return tuple(found)


def _read(element: ElementTree.Element) -> _Format | None:
    puid = element.findtext("puid")
    if not puid:
        return None
    mime = element.findtext("mime")
    item = _Format(
        IdentifiedFormat(
            puid,
            element.findtext("name") or puid,
            element.findtext("version") or None,
            mime.split(",")[0].strip() if mime else None,
        ),
        frozenset(inferior.text or "" for inferior in element.findall("has_priority_over")),
    )
    for signature in element.findall("signature"):
        patterns = []
        for pattern in signature.findall("pattern"):
            expression = pattern.findtext("regex") or ""
            position = pattern.findtext("position") or "VAR"
            literal, start, window = _leading(expression) if position == "BOF" else (_required(expression), 0, 0)
            patterns.append(_Pattern(position, expression, literal, start, window))
        if patterns:
            # What stands at the beginning is the cheapest to look for.
            item.signatures.append(sorted(patterns, key=lambda pattern: pattern.position != "BOF"))
    return item


def _leading(expression: str) -> tuple[bytes, int, int]:
    """Of an expression for the beginning: (bytes that every match holds, from where on and up to where they stand);
    no bytes where none are certain."""
    if not expression.startswith(_BEGINNING) or _has_alternatives(expression):
        return b"", 0, 0
    rest = expression[len(_BEGINNING) :]
    least = most = 0
    while match := _GAP.match(rest):
        least += int(match[1])
        most += int(match[2] or match[1])
        rest = rest[match.end() :]
    literal = next(_runs(rest), b"") if rest and (rest[0] not in _SPECIAL or rest[0] == "\\") else b""
    return literal, least, most + len(literal)


def _required(expression: str) -> bytes:
    """The longest run of bytes that every match of an expression for any place holds."""
    if _has_alternatives(expression):
        return b""
    return max(_runs(expression.removeprefix("(?s)").removesuffix("\\Z")), key=len, default=b"")


def _runs(expression: str) -> Iterator[bytes]:
    """The runs of fixed bytes outside groups and classes, in order; what a quantifier follows is left out."""
    run = bytearray()
    while expression:
        escape = _ESCAPE.match(expression)
        if escape is not None:
            byte = int(escape[1], 16) if escape[1] else _CONTROL[escape[3]] if escape[3] else ord(escape[2])
            following = expression[escape.end() :]
        elif expression[0] not in _SPECIAL and ord(expression[0]) < 0x80:
            byte, following = ord(expression[0]), expression[1:]
        else:
            if run:
                yield bytes(run)
                run.clear()
            expression = expression[_extent(expression) :]
            continue
        if following and following[0] in _QUANTIFIERS:
            if run:
                yield bytes(run)
                run.clear()
        else:
            run.append(byte)
        expression = following
    if run:
        yield bytes(run)


def _extent(expression: str) -> int:
    """How many characters the group, class, repetition or single special character at the beginning takes."""
    depth, index, in_class = 0, 0, False
    while index < len(expression):
        character = expression[index]
        if character == "\\":
            index += 2
            if depth == 0 and not in_class:
                return index
            continue
        if in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character in "({":
            depth += 1
        elif character in ")}":
            depth -= 1
        index += 1
        if depth == 0 and not in_class:
            return index
    return index


def _has_alternatives(expression: str) -> bool:
    """Whether the whole expression is a choice: a bar stands outside of every group and class."""
    while expression:
        if expression[0] == "|":
            return True
        expression = expression[_extent(expression) :]
    return False
