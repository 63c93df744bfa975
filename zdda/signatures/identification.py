"""Identifies formats by content after PRONOM's signatures, as packaged with FIDO (version 109 and its extensions).

FIDO tries all of its 2,000 expressions on every file. Here a signature's expression runs only where its leading
bytes, read off the expression itself, are in place; the answers are the same (a test compares).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from xml.etree import ElementTree

from zdda.signatures.format_expressions import leading, required, widest

_SOURCES = ("formats-v109.xml", "format_extensions.xml")
_NEAR = 256
_SHARED = 24
_WIDE = 4096


@dataclass(frozen=True, slots=True)
class IdentifiedFormat:
    """``puid``: PRONOM's identifier; ``version`` and ``media_type`` where PRONOM gives them."""

    puid: str
    name: str
    version: str | None
    media_type: str | None


_conditions: dict[tuple[object, ...], int] = {}


@dataclass(slots=True)
class _Pattern:
    """``literal`` is found, for BOF between the offsets ``start`` and ``window``, wherever the expression matches, and
    so is ``beyond``. ``reach``: a match lies within so many bytes of the beginning or the end; None: anywhere."""

    position: str
    expression: str
    literal: bytes
    start: int = 0
    window: int = 0
    beyond: bytes = b""
    reach: int | None = None
    compiled: re.Pattern[bytes] | None = None
    condition: int = field(init=False)

    def __post_init__(self) -> None:
        """``condition``: the same number for all whose ``possible`` has the same answer."""
        tested = self.expression if self.position == "EOF" and self.reach is not None else ""
        key = (self.position, tested, self.literal, self.start, self.window, self.beyond, self.reach)
        self.condition = _conditions.setdefault(key, len(_conditions))

    def possible(self, head: bytes, tail: bytes, known: dict[tuple[str, bytes], bool]) -> bool:
        """``known`` remembers what was looked for in this file: families of formats share their words."""
        if self.position == "BOF":
            if self.window > _WIDE and self.beyond and not _known("BOF", self.beyond, head, known):
                return False
            if head.find(self.literal, self.start, self.window) < 0:
                return False
            return not self.beyond or head.find(self.beyond, 0, self.reach) >= 0
        if self.reach is not None:
            return tail.find(self.literal, -self.reach) >= 0 and self.matches(head, tail)
        word, place = self.literal, tail if self.position == "EOF" else head
        return _known(self.position, word[:_SHARED], place, known) and _known(self.position, word, place, known)

    def matches(self, head: bytes, tail: bytes) -> bool:
        if self.compiled is None:
            self.compiled = re.compile(self.expression.encode("latin-1"))
        if self.position == "BOF":
            return self.compiled.match(head) is not None
        if self.position == "EOF":
            return self.compiled.search(tail if self.reach is None else tail[-self.reach :]) is not None
        return self.compiled.search(head) is not None

    @property
    def cost(self) -> int:
        """What stands at the beginning is the cheapest to look for, then what stands at the end."""
        return 0 if self.position == "BOF" else 1 if self.reach is not None else 2


def _known(position: str, word: bytes, place: bytes, known: dict[tuple[str, bytes], bool]) -> bool:
    name = (position, word)
    if name not in known:
        known[name] = word in place
    return known[name]


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
    known: dict[tuple[str, bytes], bool] = {}
    matched: dict[int, _Format] = {}
    failed: set[int] = set()
    for literal, start, window, (place, signature, item, conditions) in _starting_with(head[0]).candidates(head):
        # The first thing to look for, looked for at once: most signatures end here.
        if head.find(literal, start, window) < 0:
            continue
        # Families of formats have conditions in common: one that does not hold is looked at once.
        if place in matched or not failed.isdisjoint(conditions):
            continue
        if _matches(signature, head, tail, known, failed):
            matched[place] = item
    inferior = {puid for item in matched.values() for puid in item.superior_to}
    best = [place for place, item in matched.items() if item.found.puid not in inferior]
    return matched[min(best)].found if best else None


def _matches(
    signature: list[_Pattern], head: bytes, tail: bytes, known: dict[tuple[str, bytes], bool], failed: set[int]
) -> bool:
    for pattern in signature:
        if not pattern.possible(head, tail, known):
            failed.add(pattern.condition)
            return False
    return all(pattern.matches(head, tail) for pattern in signature)


_Entry = tuple[int, list[_Pattern], _Format, tuple[int, ...]]
_Candidate = tuple[bytes, int, int, _Entry]
"""With something that must stand between two offsets, which may be nothing."""


@dataclass(slots=True)
class _Candidates:
    """(Place of the format in PRONOM's order, signature, format) of each signature, by bytes that must stand at one
    place (start and length), by two bytes that must stand near the beginning, and the others."""

    fixed: dict[tuple[int, int], dict[bytes, list[_Candidate]]] = field(default_factory=dict)
    near: dict[tuple[int, int], list[_Candidate]] = field(default_factory=dict)
    others: list[_Candidate] = field(default_factory=list)

    def add(self, entry: _Entry) -> None:
        candidate: _Candidate = (b"", 0, 0, entry)
        for pattern in entry[1]:
            literal, start = pattern.literal, pattern.start
            if pattern.position != "BOF" or not literal:
                continue
            if pattern.window == start + len(literal):
                self.fixed.setdefault((start, start + len(literal)), {}).setdefault(literal, []).append(candidate)
                return
            if pattern.window <= _NEAR and len(literal) >= 2:
                self.near.setdefault((literal[0], literal[1]), []).append((literal, start, pattern.window, entry))
                return
            if pattern.window <= _WIDE:
                candidate = (literal, start, pattern.window, entry)
        self.others.append(candidate)

    def candidates(self, head: bytes) -> list[_Candidate]:
        """Every signature that may match; two bytes that must stand near the beginning, and do not, spare most."""
        found = list(self.others)
        for (start, end), candidates in self.fixed.items():
            held = candidates.get(head[start:end])
            if held is not None:
                found += held
        for pair in self.near.keys() & set(pairwise(head[:_NEAR])):
            found += self.near[pair]
        return found


@lru_cache(maxsize=256)
def _starting_with(first: int) -> _Candidates:
    """The signatures that start with the byte ``first`` or with no fixed byte."""
    by_first, unfixed = _registry()
    formats = _formats()
    found = _Candidates()
    for index in sorted({*by_first.get(first, ()), *unfixed}):
        for signature in formats[index].signatures:
            found.add((index, signature, formats[index], tuple(each.condition for each in signature)))
    return found


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
            patterns.append(_pattern(position, expression))
        if patterns:
            item.signatures.append(sorted(patterns, key=lambda pattern: pattern.cost))
    return item


def _pattern(position: str, expression: str) -> _Pattern:
    if position == "EOF":
        reach = widest(expression)
        return _Pattern(
            position,
            expression,
            required(expression),
            reach=reach if reach is not None and 0 < reach <= _WIDE else None,
        )
    if position != "BOF":
        return _Pattern(position, expression, required(expression))
    literal, start, window = leading(expression)
    beyond = required(expression)
    if not literal or beyond == literal:
        beyond = b""
    return _Pattern(position, expression, literal, start, window, beyond, widest(expression))
