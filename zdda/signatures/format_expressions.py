"""What an expression of PRONOM's, as FIDO writes it, tells before it is tried: bytes that every match holds, where they
stand, how long a match can be."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BEGINNING = "(?s)\\A"
_ANYWHERE = "(?s)"
_END = "\\Z"
_GAP = re.compile(r"\.\{(\d+)(?:,(\d+))?\}")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})|\\([^A-Za-z0-9])|\\([nrt])")
_REPETITION = re.compile(r"(?:\{(\d+)(?:,(\d+))?\}|(\?))\??")
_QUANTIFIERS = "*+?{"
_SPECIAL = ".^$*+?{}[]\\|()"
_CONTROL = {"n": 0x0A, "r": 0x0D, "t": 0x09}


def leading(expression: str) -> tuple[bytes, int, int]:
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


def required(expression: str) -> bytes:
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
            expression = expression[extent(expression) :]
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


def extent(expression: str) -> int:
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
        expression = expression[extent(expression) :]
    return False


def widest(expression: str) -> int | None:
    """Within how many bytes of the beginning or before the end a match of an expression for one of them lies; None
    where there is no bound, or none that is seen here."""
    if expression.startswith(_BEGINNING) and not _has_alternatives(expression):
        return _width(expression[len(_BEGINNING) :])
    if expression.startswith(_ANYWHERE) and expression.endswith(_END) and not _has_alternatives(expression):
        return _width(expression[len(_ANYWHERE) : -len(_END)])
    return None


def _width(expression: str) -> int | None:
    most = width = 0
    while expression:
        if expression[0] == "|":
            most, width, expression = max(most, width), 0, expression[1:]
            continue
        escape = _ESCAPE.match(expression)
        if escape is None and expression[0] in "\\^$*+?{":
            return None
        end = escape.end() if escape is not None else extent(expression)
        item, expression = expression[:end], expression[end:]
        each: int | None = 1
        if item[0] == "(":
            each = _width(item[3:-1]) if item.startswith("(?:") else None
        if each is None:
            return None
        if expression and expression[0] in _QUANTIFIERS:
            repetition = _REPETITION.match(expression)
            if repetition is None:
                return None
            each *= 1 if repetition[3] else int(repetition[2] or repetition[1])
            expression = expression[repetition.end() :]
        width += each
    return max(most, width)
