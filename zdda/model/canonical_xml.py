"""A small XML writer whose bytes depend on no library: XML that is kept or sealed is written for ever the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN = re.compile("[ !#-%'-;=?-~]*")
_TEXT = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_ATTRIBUTE = {**_TEXT, ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;"}


class NotXmlText(ValueError):
    """A text holds characters that XML cannot carry."""


def is_xml_text(text: str) -> bool:
    """Whether XML 1.0 (clause 2.2) can carry every character of ``text``."""
    return not _NOT_XML.search(text)


def as_xml_text(text: str) -> str:
    """``text`` with U+FFFD in the place of what XML cannot carry."""
    return _NOT_XML.sub("\ufffd", text)


def _escaped(text: str, table: Mapping[int, str]) -> str:
    if _PLAIN.fullmatch(text):  # nearly always: identifiers, digests, times
        return text
    if _NOT_XML.search(text):
        raise NotXmlText("a text holds characters that XML cannot carry")
    return text.translate(table)


def attribute(text: str) -> str:
    """``text`` as it stands between an attribute's quotation marks; raises ``NotXmlText``."""
    return _escaped(text, _ATTRIBUTE)


def element(
    name: str,
    attributes: Mapping[str, str | None] | None = None,
    content: str | Iterable[str] | None = None,
) -> str:
    """An element. ``content`` is a text (escaped here) or finished elements, each put on a line of its own.

    Attributes of value ``None`` are left out; the others keep their order. Raises ``NotXmlText``.
    """
    start = name
    for key, value in (attributes or {}).items():
        if value is not None:
            start += f' {key}="{_escaped(value, _ATTRIBUTE)}"'
    if content is None:
        return f"<{start}/>"
    if isinstance(content, str):
        return f"<{start}>{_escaped(content, _TEXT)}</{name}>"
    return f"<{start}>\n" + "".join(f"{child}\n" for child in content) + f"</{name}>"


def document(root: str) -> bytes:
    """The whole document in UTF-8."""
    return (DECLARATION + root + "\n").encode("utf-8")
