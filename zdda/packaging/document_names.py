"""Which original names of documents are accepted.

A name is data and never a path inside the archive; it is judged all the same, because Consumers save
documents under it: what one of their file systems cannot hold, or what shows otherwise than it is, is refused.
"""

from __future__ import annotations

import re
import unicodedata

from zdda.model.errors import InvalidInput

LONGEST = 255
"""Bytes of UTF-8."""

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\..*)?", re.IGNORECASE | re.DOTALL)
_SEPARATORS = frozenset("/\\")
_FORBIDDEN = frozenset('<>:"|?*')


class DocumentNameInvalid(InvalidInput):
    """A document has a name the archive does not take; ``reasons`` are stable words, all that apply."""

    code = "document-name-invalid"

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("the name of a document is not accepted: " + ", ".join(reasons), reasons=list(reasons))
        self.reasons = reasons


def check_document_name(name: str) -> str:
    """Gives ``name`` back unchanged, or raises :class:`DocumentNameInvalid` with all of these that apply:

    ``empty``, ``too-long`` (over 255 bytes), ``control-characters`` (Cc, Zl, Zp, surrogates, noncharacters),
    ``invisible-characters`` (Cf: direction marks and overrides, zero-width joiners), ``path`` (a slash or
    backslash, ``.``, ``..``), ``forbidden-characters`` (``< > : " | ? *``), ``reserved`` (device names of
    Windows, with any extension), ``ends-badly`` (space before or after, dot after).
    """
    reasons = []
    categories = {unicodedata.category(character) for character in name}
    if not name.strip():
        reasons.append("empty")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        reasons.append("too-long")
    if categories & {"Cc", "Zl", "Zp", "Cs"} or any(ord(each) & 0xFFFE == 0xFFFE for each in name):
        reasons.append("control-characters")
    if "Cf" in categories:
        reasons.append("invisible-characters")
    if _SEPARATORS & set(name) or name in (".", ".."):
        reasons.append("path")
    if _FORBIDDEN & set(name):
        reasons.append("forbidden-characters")
    if _RESERVED.fullmatch(name):
        reasons.append("reserved")
    if name.strip() and (name != name.strip() or (name.endswith(".") and name not in (".", ".."))):
        reasons.append("ends-badly")
    if reasons:
        raise DocumentNameInvalid(tuple(reasons))
    return name


def same_name_key(name: str) -> str:
    """Two names with the same key are the same file on some file system (case and Unicode form aside)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
