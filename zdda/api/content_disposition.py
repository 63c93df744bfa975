"""Content-Disposition, both ways: of a part that comes in (RFC 7578), of a document that goes out (RFC 6266)."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from zdda.model.errors import InvalidInput

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"{_WORD}(?:/{_WORD})?")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))[ \t]*', re.DOTALL)
_EXTENDED = re.compile(r"utf-8'[A-Za-z0-9-]*'((?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*)", re.IGNORECASE)
_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0d", "\r"), ("%0A", "\n"), ("%0a", "\n"))


class DispositionMalformed(InvalidInput):
    """A Content-Disposition, or another header with parameters, cannot be read in one way only."""

    code = "multipart-malformed"


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """The type, in lower case, and the parameters of ``type; name=value; name="value"``; names in lower case.

    Strict: what does not match to the last character, or names a parameter twice, raises
    ``DispositionMalformed``. A backslash escapes ``"`` and ``\\`` only: some browsers send it bare.
    """
    text = value.strip(" \t")
    kind = _TYPE.match(text)
    if kind is None:
        raise DispositionMalformed("a header of a part is malformed")
    parameters: dict[str, str] = {}
    at = kind.end()
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None or match[1].lower() in parameters:
            raise DispositionMalformed("a header of a part is malformed")
        quoted = match[2]
        parameters[match[1].lower()] = match[3] if quoted is None else re.sub(r'\\(["\\])', r"\1", quoted)
        at = match.end()
    return text[: kind.end()].lower(), parameters


def part_names(value: str) -> tuple[str, str | None]:
    """The field's name and the file's name of a part of multipart/form-data.

    ``filename*`` (UTF-8, percent-encoded) goes before ``filename``, whose ``%22``, ``%0D`` and ``%0A`` are what
    browsers write for a quotation mark and line ends. Raises ``DispositionMalformed``.
    """
    kind, parameters = parse_header(value)
    if kind != "form-data" or not parameters.get("name"):
        raise DispositionMalformed("a part has no Content-Disposition: form-data with a name")
    file_name = parameters.get("filename")
    for written, meant in _ESCAPES:
        file_name = file_name.replace(written, meant) if file_name is not None else None
    extended = parameters.get("filename*")
    if extended is not None:
        match = _EXTENDED.fullmatch(extended)
        try:
            file_name = unquote_to_bytes(match[1]).decode("utf-8") if match else None
        except UnicodeDecodeError:
            file_name = None
        if file_name is None:
            raise DispositionMalformed("filename* of a part is not UTF-8 after RFC 8187")
    return parameters["name"], file_name


def attachment(file_name: str) -> str:
    """The header of a download: a plain fallback for old clients, and the exact name (RFC 6266, RFC 8187)."""
    plain = unicodedata.normalize("NFKD", file_name)
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "._- ") else "_" for each in plain)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
