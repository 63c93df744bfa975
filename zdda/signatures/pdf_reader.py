"""pyHanko's PDF reader behind a narrow door: opens, walks signature fields, yields facts with file offsets."""

from __future__ import annotations

import io
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures import (  # noqa: F401 - they replace functions at import
    pdf_object_streams,
    pdf_plain_objects,
    pdf_plain_xref,
    pdf_xref_bound,
)
from zdda.signatures.cades_timestamps import TimestampCount
from zdda.signatures.errors import DocumentRefused, FormatError
from zdda.signatures.model import Changes, Finding, Severity
from zdda.signatures.pdf_changes import changes_after
from zdda.signatures.pdf_keys import has_key_twice
from zdda.signatures.pdf_objects import parse_pdf_date
from zdda.signatures.pdf_pages import PageCounts
from zdda.signatures.pdf_revision import Allowance
from zdda.signatures.pdf_scan import MAXIMUM_PLACES, marked_places, object_start
from zdda.signatures.pdf_source import OF_THE_SOURCE, SourceStream, errors_of_source

# The reader logs what documents hold; nothing of a document belongs in a log.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)

IN_MEMORY = 4 * 1024 * 1024
MAXIMUM_FIELDS = 10_000
MAXIMUM_DEPTH = 40
MAXIMUM_VALUES = 4000
MAXIMUM_VALUE = 32 * 1024 * 1024
MAXIMUM_REVISIONS = 200
_SCANNED_AGAIN = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class SignatureDictionary:
    """A PDF signature dictionary (ISO 32000-2 clause 12.8.1), read but not judged.

    ``contents_span``: offsets of ``<`` and after ``>`` in the file, None where the value did not stand in the
    file itself. ``broken``: why it could not be read whole. ``ambiguous``: a key stands in it twice.
    """

    type: str | None
    filter: str | None
    sub_filter: str | None
    byte_range: tuple[int, ...] | None
    contents: bytes | None
    contents_span: tuple[int, int] | None
    signing_time: datetime | None
    has_reason: bool
    certificates: tuple[bytes, ...]
    broken: str | None = None
    reachable: bool = True
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ValidationStore:
    """The values of the DSS dictionaries of all revisions (EN 319 142-1 clause 5.4.2), their VRI included.

    ``positions``: the offsets in the file at which catalogs name a DSS, else that of the object. ``spans``: for
    each value, where its stream stands in the file (start of the object, end of its data); values whose place is
    not known are not in it.
    """

    positions: tuple[int, ...] = ()
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    spans: Mapping[bytes, tuple[int, int]] = field(default_factory=dict)


class PdfDocument:
    """An opened PDF. Raises ``DocumentRefused`` where a reader can make nothing of the bytes; what reading the bytes
    raises (``OSError``, ``IntegrityError``, ``Unavailable``) is passed on, and so is ``MemoryError``."""

    def __init__(self, document: BinaryIO) -> None:
        document.seek(0, io.SEEK_END)
        self.length = document.tell()
        document.seek(0)
        if self.length <= IN_MEMORY:
            self.stream: BinaryIO = io.BytesIO(document.read())
        else:
            self.stream = SourceStream(document, self.length)
        self.findings: list[Finding] = []
        self._reader: Any = None
        self.damage: str | None = None
        self.timestamps = TimestampCount()
        self._allowance = Allowance()
        self._changes: dict[int, Changes] = {}
        self._pages: PageCounts | None = None
        self._spans: dict[bytes, tuple[int, int]] = {}
        self._read: set[tuple[str, Any]] = set()
        with errors_of_source(self.stream):
            self._open()

    def _open(self) -> None:
        try:
            self._reader = PdfFileReader(self.stream, strict=False)
            self._unlock()
            self._root = self._reader.root
        except DocumentRefused:
            raise
        except RecursionError as error:
            raise DocumentRefused("the PDF is nested too deeply") from error
        except OF_THE_SOURCE:
            raise
        except Exception as error:
            self._reader = None
            self.damage = type(error).__name__
            if not self._looks_like_pdf():
                raise DocumentRefused("a PDF reader cannot open the document") from error

    @property
    def opened(self) -> bool:
        """Whether the reader could follow the file's structure to its catalog."""
        return self._reader is not None

    def _looks_like_pdf(self) -> bool:
        self.stream.seek(0)
        return b"%PDF-" in self.stream.read(1024)

    def _unlock(self) -> None:
        """Documents under an empty user password are open to everyone (ISO 32000-2 clause 7.6.4.3)."""
        if not self._reader.encrypted:
            return
        try:
            status = self._reader.decrypt("").status.name
        except OF_THE_SOURCE:
            raise
        except Exception as error:
            raise DocumentRefused("the PDF is encrypted in a way that is not known") from error
        if status == "FAILED":
            raise DocumentRefused("the PDF is encrypted under a password")
        self.findings.append(Finding("document-encrypted", Severity.WARNING, "empty user password"))

    @cached_property
    def _marked(self) -> tuple[list[int], list[int]]:
        """See ``marked_places``."""
        return marked_places(self.stream)

    def read(self, start: int, end: int) -> bytes:
        self.stream.seek(start)
        return self.stream.read(end - start)

    def ends_at(self, end: int) -> bool:
        """Whether nothing follows; line ends, blanks and NULs after the last %%EOF change nothing."""
        return self.length - end <= 4096 and not self.read(end, self.length).strip(b"\x00\t\n\x0c\r ")

    def changes_after(self, end: int) -> Changes:
        """What changed in the document after the revision that ends at ``end`` (bytes) was signed."""
        if end and self.ends_at(end):
            return Changes.NOTHING
        if not end or self._reader is None or self.damage is not None:
            return Changes.NOT_DETERMINED
        if end not in self._changes:
            self._changes[end] = changes_after(self._reader, end, self._allowance)
        return self._changes[end]

    def page_counts(self, end: int) -> tuple[int, int | None] | None:
        """(pages of the revision that ends at ``end``, pages now or None); None where the former cannot be counted."""
        if not end:
            return None
        if self._pages is None:
            self._pages = PageCounts(self.stream, self._reader)
        return self._pages.of(end)

    # --- signature fields

    def signature_dictionaries(self) -> list[SignatureDictionary]:
        """Every signature dictionary: those of fields first, then those that only a scan of the file finds."""
        found: list[SignatureDictionary] = []
        seen: set[tuple[Any, ...]] = set()
        if self._reader is not None:
            for value in self._field_values():
                dictionary = self._dictionary(value)
                key = (dictionary.byte_range, dictionary.contents, dictionary.contents_span)
                if key not in seen:
                    seen.add(key)
                    found.append(dictionary)
        spans = {item.contents_span for item in found}
        if self.damage is not None or any(item.broken for item in found):
            found = [item for item in found if not item.broken or item.contents is not None]
            for item in self._scan():
                if item.contents_span not in spans:
                    spans.add(item.contents_span)
                    found.append(item)
        elif len(self._marked[0]) > len(found):
            # Earlier forms of a dictionary, or a signature that a later revision has taken out of sight.
            self.findings.append(Finding("signature-not-reachable", Severity.WARNING))
        return found

    def _field_values(self) -> Iterator[Any]:
        try:
            form = self._root["/AcroForm"]
            fields = form["/Fields"]
        except KeyError:
            return
        except OF_THE_SOURCE:
            raise
        except Exception as error:  # noqa: BLE001 - of hostile bytes; told as damage, and the file is scanned
            self.damage = type(error).__name__
            return
        stack: list[tuple[Any, int]] = []
        visited: set[Any] = set()
        count = self._push(fields, 0, stack)
        while stack:
            field, depth = stack.pop(0)
            if count > MAXIMUM_FIELDS or depth > MAXIMUM_DEPTH:
                raise FormatError(f"the PDF's form has more than {MAXIMUM_FIELDS} fields, or is too deep")
            try:
                if isinstance(field, generic.IndirectObject):
                    if field.reference in visited:
                        continue
                    visited.add(field.reference)
                    field = field.get_object()
                if not isinstance(field, generic.DictionaryObject):
                    continue
                if "/Kids" in field:
                    count += self._push(field["/Kids"], depth + 1, stack)
                if "/V" in field and self._is_signature(field):
                    yield field
            except RecursionError:
                self.damage = "RecursionError"
            except OF_THE_SOURCE:
                raise
            except Exception as error:  # noqa: BLE001 - one broken field must not hide the others
                self.damage = type(error).__name__

    @staticmethod
    def _push(fields: Any, depth: int, stack: list[tuple[Any, int]]) -> int:
        """How many there are; of more than may be looked at, no more are taken."""
        if not isinstance(fields, generic.ArrayObject):
            return 0
        stack.extend((fields.raw_get(i), depth) for i in range(min(len(fields), MAXIMUM_FIELDS)))
        return len(fields)

    @staticmethod
    def _is_signature(field: Any) -> bool:
        """The field type is inherited (ISO 32000-2 clause 12.7.4); a value with /ByteRange speaks for itself."""
        kind = field.get("/FT")
        if kind is not None:
            return bool(kind == "/Sig")
        value = field["/V"]
        return isinstance(value, generic.DictionaryObject) and "/ByteRange" in value

    def _dictionary(self, field: Any) -> SignatureDictionary:
        try:
            value = field["/V"]
            if not isinstance(value, generic.DictionaryObject):
                return _broken("the value of a signature field is no dictionary")
            return self._parse(value, ambiguous=has_key_twice(self._reader, value))
        except RecursionError:
            return _broken("RecursionError")
        except OF_THE_SOURCE:
            raise
        except Exception as error:  # noqa: BLE001 - one broken dictionary must not hide the others
            return _broken(type(error).__name__)

    def _parse(self, value: Any, ambiguous: bool = False) -> SignatureDictionary:
        contents = _entry(value, "/Contents", raw=True)
        if isinstance(contents, generic.IndirectObject):
            contents = contents.get_object()
        span = getattr(contents, "zdda_span", None)
        data = getattr(contents, "original_bytes", None)
        numbers = _entry(value, "/ByteRange")
        byte_range = None
        if isinstance(numbers, generic.ArrayObject) and len(numbers) <= 64:
            items = list(numbers)
            if all(isinstance(item, int) for item in items):
                byte_range = tuple(int(item) for item in items)
        moment = _entry(value, "/M")
        return SignatureDictionary(
            _name(_entry(value, "/Type")),
            _name(_entry(value, "/Filter")),
            _name(_entry(value, "/SubFilter")),
            byte_range,
            data,
            (span[1], span[2]) if span is not None and span[0] is self.stream else None,
            parse_pdf_date(moment) if isinstance(moment, str) else None,
            bool(_entry(value, "/Reason")),
            _certificates(_entry(value, "/Cert")),
            ambiguous=ambiguous,
        )

    def _scan(self) -> Iterator[SignatureDictionary]:
        """Signature dictionaries by looking for them in the bytes: for files whose structure is broken."""
        starts: set[int] = set()
        # Objects lie beside one another; those that do not end are read to the end of the file, each of them.
        left = self.length + _SCANNED_AGAIN
        places, _ = self._marked
        if len(places) > MAXIMUM_PLACES:
            raise FormatError(f"a damaged PDF has more than {MAXIMUM_PLACES} signature dictionaries")
        for hit in places:
            start = object_start(self.read, hit)
            if start is None or start in starts:
                continue
            if left < 0:
                raise FormatError("a damaged PDF has too many signature dictionaries that do not end")
            starts.add(start)
            try:
                self.stream.seek(start)
                value = generic.read_object(self.stream, generic.TrailerReference(None))
                if isinstance(value, generic.DictionaryObject):
                    item = self._parse(value)
                    yield replace(item, broken="found by a scan only", reachable=False)
            except OF_THE_SOURCE:
                raise
            except Exception:  # noqa: BLE001, S110 - a hit that is no dictionary is no signature
                pass
            left -= max(0, self.stream.tell() - start)

    # --- DSS dictionary

    def validation_store(self) -> ValidationStore:
        if self._reader is None or "/DSS" not in self._root:
            return ValidationStore()
        values: dict[str, dict[bytes, None]] = {"/Certs": {}, "/CRLs": {}, "/OCSPs": {}}
        positions = self._store_positions()
        for root in self._catalogs(len(positions)):
            try:
                store = root["/DSS"]
            except KeyError:
                continue
            except OF_THE_SOURCE:
                raise
            except Exception as error:  # noqa: BLE001 - an unreadable store is told, signatures are still judged
                self.findings.append(Finding("dss-unreadable", Severity.WARNING, type(error).__name__))
                continue
            self._collect(store, {"/Certs": "/Certs", "/CRLs": "/CRLs", "/OCSPs": "/OCSPs"}, values)
            entries = _entry(store, "/VRI") if isinstance(store, generic.DictionaryObject) else None
            if isinstance(entries, generic.DictionaryObject):
                for _, key in zip(range(1000), list(entries), strict=False):
                    entry = _entry(entries, key)
                    self._collect(entry, {"/Cert": "/Certs", "/CRL": "/CRLs", "/OCSP": "/OCSPs"}, values)
        certificates, crls, ocsps = (tuple(values[name]) for name in ("/Certs", "/CRLs", "/OCSPs"))
        return ValidationStore(positions, certificates, crls, ocsps, self._spans)

    def _catalogs(self, stores: int) -> Iterator[Any]:
        """The present catalog; and, where several stores were written, those of earlier revisions too."""
        yield self._root
        if stores < 2:
            return
        for revision in range(min(self._reader.total_revisions - 1, MAXIMUM_REVISIONS)):
            try:
                if self._catalog_names_store(revision):
                    yield self._reader.get_historical_root(revision)
            except OF_THE_SOURCE:
                raise
            except Exception as error:  # noqa: BLE001 - an earlier revision may be beyond reading
                self.findings.append(Finding("dss-unreadable", Severity.WARNING, type(error).__name__))

    def _catalog_names_store(self, revision: int) -> bool:
        """Whether a revision's catalog has a DSS at all: a look at it costs less than the revision with all its
        references. Of what is no plain dictionary the reader has to tell."""
        place = self._reader.trailer.raw_get("/Root", revision=revision)
        if not isinstance(place, generic.IndirectObject):
            return True
        changed = self._reader.xrefs.get_last_change(place.reference)
        catalog = self._reader.get_object(place.reference, None if changed <= revision else revision)
        return not isinstance(catalog, generic.DictionaryObject) or "/DSS" in catalog

    def _store_positions(self) -> tuple[int, ...]:
        """Where catalogs name a DSS; in a compressed catalog, where the DSS object lies."""
        _, found = self._marked
        if found:
            return tuple(found)[:MAXIMUM_VALUES]
        try:
            place = self._reader.xrefs[self._root.raw_get("/DSS").reference]
            if not isinstance(place, int):
                place = self._reader.xrefs[generic.Reference(place.obj_stream_id, 0, self._reader)]
            return (int(place),)
        except OF_THE_SOURCE:
            raise
        except Exception:  # noqa: BLE001 - unknown: taken for the end, so that no timestamp is said to cover it
            return (self.length,)

    def _collect(self, store: Any, names: dict[str, str], values: dict[str, dict[bytes, None]]) -> None:
        if not isinstance(store, generic.DictionaryObject):
            return
        for name, target in names.items():
            items = _entry(store, name)
            if not isinstance(items, generic.ArrayObject):
                continue
            for index in range(len(items)):
                if len(values[target]) >= MAXIMUM_VALUES:
                    self.findings.append(Finding("dss-too-large", Severity.WARNING, name))
                    return
                try:
                    place = (target, self._place_of(items.raw_get(index)))
                    if place in self._read:  # a store grows: most of it was read in another revision
                        continue
                    item = items[index]
                    if place[1] is not None:
                        self._read.add(place)
                    if isinstance(item, generic.StreamObject):
                        value = _stream_data(item)
                        values[target][value] = None
                        if value not in self._spans:
                            self._remember_place(value, items.raw_get(index), item)
                except OF_THE_SOURCE:
                    raise
                except Exception as error:  # noqa: BLE001 - one broken value must not hide the others
                    self.findings.append(Finding("dss-value-unreadable", Severity.WARNING, type(error).__name__))

    def _place_of(self, reference: Any) -> Any:
        """Where the file holds what a reference means in its revision; None where that is not known."""
        if not isinstance(reference, generic.IndirectObject):
            return None
        xrefs = self._reader.xrefs
        revision = getattr(reference.reference.pdf, "revision", xrefs.total_revisions - 1)
        return xrefs.get_historical_ref(reference.reference, revision)

    def _remember_place(self, value: bytes, reference: Any, stream: Any) -> None:
        """Where a stream's data stand in the file, if they do where the cross-reference table says."""
        if not isinstance(reference, generic.IndirectObject):
            return
        start = self._reader.xrefs[reference.reference]
        if not isinstance(start, int):
            return
        encoded = stream.encoded_data
        head = self.read(start, start + 4096)
        keyword = re.search(rb">>\s*stream(?:\r\n|\n)", head)
        if keyword is not None:
            begin = start + keyword.end()
            if self.read(begin, begin + len(encoded)) == encoded:
                self._spans[value] = (start, begin + len(encoded))


def _stream_data(stream: Any) -> bytes:
    """A stream's data; a Flate stream cut short before its checksum gives what it holds, as other readers do.
    What it holds is a signed structure, which its own signature vouches for."""
    try:
        return bytes(stream.data)
    except zlib.error:
        if stream.get("/Filter") != "/FlateDecode" or "/DecodeParms" in stream:
            raise
        return zlib.decompressobj().decompress(stream.encoded_data, MAXIMUM_VALUE)


def _entry(value: Any, key: str, raw: bool = False) -> Any:
    """An entry or None; an entry that cannot be read counts as absent."""
    try:
        return value.raw_get(key, decrypt=generic.EncryptedObjAccess.RAW) if raw else value[key]
    except OF_THE_SOURCE:
        raise
    except Exception:  # noqa: BLE001 - absent and unreadable are judged alike: the format check misses it
        return None


def _name(value: Any) -> str | None:
    return str(value)[1:] if isinstance(value, generic.NameObject) else None


def _certificates(value: Any) -> tuple[bytes, ...]:
    items = list(value)[:100] if isinstance(value, generic.ArrayObject) else [value]
    return tuple(item.original_bytes for item in items if hasattr(item, "original_bytes"))


def _broken(why: str) -> SignatureDictionary:
    return SignatureDictionary(None, None, None, None, None, None, None, False, (), broken=why)
