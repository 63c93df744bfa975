"""What a PDF signature's /ByteRange covers (ISO 32000-2 clause 12.8.1, EN 319 142-1 clause 5.3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from zdda.signatures.model import Finding, Severity
from zdda.signatures.pdf_reader import PdfDocument, SignatureDictionary
from zdda.signatures.signature_value import new_digest

_BLOCK = 1 << 20
_LONGEST_GAP = 64 * 1024 * 1024
_HEXADECIMAL = b"0123456789ABCDEFabcdef"


@dataclass(slots=True)
class SignedBytes:
    """What a /ByteRange covers; digests are made once for each algorithm, in blocks."""

    pdf: PdfDocument
    ranges: tuple[tuple[int, int], ...]
    digests: dict[str, bytes]

    def digest(self, name: str) -> bytes:
        if name not in self.digests:
            value = new_digest(name)
            for start, end in self.ranges:
                position = start
                while position < end:
                    block = self.pdf.read(position, min(end, position + _BLOCK))
                    if not block:
                        break
                    value.update(block)
                    position += len(block)
            self.digests[name] = value.digest()
        return self.digests[name]


def signed_bytes(pdf: PdfDocument, dictionary: SignatureDictionary) -> tuple[SignedBytes | None, list[Finding], int]:
    """(what is signed or None, what is wrong with it, where the signed part ends).

    ISO 32000-2 clause 12.8.1 and EN 319 142-1 clause 5.3: the range is the whole revision but the value of
    /Contents, and nothing else.
    """
    numbers = dictionary.byte_range
    if numbers is None or not numbers:
        return None, [Finding("byte-range-missing", Severity.FATAL)], 0
    if len(numbers) != 4 or any(number < 0 for number in numbers):
        return None, [Finding("byte-range-malformed", Severity.FATAL, f"{len(numbers)} numbers")], 0
    first, first_length, second, second_length = numbers
    gap, end = first + first_length, second + second_length
    if end > pdf.length:
        return None, [Finding("byte-range-beyond-file", Severity.FATAL)], 0
    if second <= gap:
        return None, [Finding("byte-range-overlapping", Severity.FATAL)], 0
    if first != 0 or first_length == 0 or second_length == 0:
        return None, [Finding("byte-range-incomplete", Severity.FATAL)], 0
    if not _is_hexadecimal(pdf, gap, second):
        # A reader of hexadecimal strings passes over comments, and a cross-reference table may point into them: a
        # whole object, of which nobody signed a byte, has room there.
        return None, [Finding("byte-range-gap-is-not-hexadecimal", Severity.FATAL)], 0
    findings: list[Finding] = []
    if dictionary.contents_span != (gap, second):
        # The bytes left out must be the value of this dictionary's /Contents, brackets included: anything more
        # could be changed unseen.
        if not _same_contents(pdf, dictionary, gap, second):
            return None, [Finding("byte-range-gap-is-not-contents", Severity.FATAL)], 0
        findings.append(Finding("signature-dictionary-replaced", Severity.FATAL))
    return SignedBytes(pdf, ((first, gap), (second, end)), {}), findings, end


def _is_hexadecimal(pdf: PdfDocument, start: int, end: int) -> bool:
    """Whether the bytes left out are one hexadecimal string and nothing else (ISO 32000-2 clause 7.3.4.3); white space
    in it is not expected of anyone who reserves the place."""
    if end - start > _LONGEST_GAP:
        return False
    data = pdf.read(start, end)
    whole = len(data) >= 2 and data[:1] == b"<" and data[-1:] == b">"
    return whole and not data[1:-1].translate(None, _HEXADECIMAL)


def _same_contents(pdf: PdfDocument, dictionary: SignatureDictionary, start: int, end: int) -> bool:
    """Whether the gap holds the same value: then a dictionary written later stands in the signed one's place."""
    span = dictionary.contents_span
    if span is None or span[1] - span[0] != end - start:
        return False
    return pdf.read(start, end) == pdf.read(*span)


def identifier_of(pdf: PdfDocument, dictionary: SignatureDictionary) -> str:
    value = hashlib.sha256(repr((dictionary.byte_range, dictionary.contents_span)).encode("ascii"))
    value.update(dictionary.contents or b"")
    return value.hexdigest()
