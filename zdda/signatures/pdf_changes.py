"""What changed in a PDF after a revision was signed (ISO 32000-2 clauses 7.5.6 and 12.8.2.2).

Only objects that a later revision writes again are looked at, each against what the signed revision holds, by the
part it plays: a page may gain annotations, a form may be filled in and signed, the document security store may grow.
Whatever else differs is content. New objects matter only through an old one that leads to them.

No time is measured, so that the same bytes always get the same answer: work is bounded by the number of objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Number
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures.model import Changes

MAXIMUM_OBJECTS = 50_000
MAXIMUM_DEPTH = 40
MAXIMUM_REVISIONS = 200
_ORDER = (Changes.NOTHING, Changes.FORMS, Changes.CONTENT, Changes.NOT_DETERMINED)
_UNSEEN_CATALOG = frozenset({"/DSS", "/Extensions", "/Metadata", "/Version"})
_FORM_KEYS = frozenset({"/Fields", "/SigFlags", "/DR", "/DA", "/NeedAppearances", "/CO"})
_WIDGET_KEYS = frozenset({"/V", "/AP", "/AS", "/M", "/F", "/MK", "/DA", "/Q", "/I", "/Lock", "/P", "/StructParent"})


class _TooMuch(Exception):
    """More objects than may be looked at."""


def changes_after(reader: PdfFileReader, signed_until: int) -> Changes:
    """What the revisions after the one that ends at ``signed_until`` (bytes) change. Never raises for the document:
    what cannot be followed is NOT_DETERMINED."""
    try:
        revisions = [reader.xrefs.get_xref_container_info(n) for n in range(reader.xrefs.total_revisions)]
        signed = max(number for number, info in enumerate(revisions) if info.start_location < signed_until)
        if len(revisions) > MAXIMUM_REVISIONS or any(
            info.start_location < signed_until for info in revisions[signed + 1 :]
        ):
            return Changes.NOT_DETERMINED
        if any(info.end_location > signed_until for info in revisions[: signed + 1]) or not _ends(reader, signed_until):
            return Changes.NOT_DETERMINED  # the signature does not cover a whole revision
        return _Comparison(reader, signed).result()
    except (_TooMuch, RecursionError):
        return Changes.NOT_DETERMINED
    except Exception:  # noqa: BLE001 - of hostile bytes; no verdict hangs on this answer
        return Changes.NOT_DETERMINED


def _ends(reader: PdfFileReader, until: int) -> bool:
    """Whether a revision ends there (ISO 32000-2 clause 7.5.5)."""
    reader.stream.seek(max(0, until - 64))
    return bool(reader.stream.read(min(64, until)).rstrip(b"\x00\t\n\x0c\r ").endswith(b"%%EOF"))


class _Comparison:
    """One signed revision against the document as it is now."""

    def __init__(self, reader: PdfFileReader, signed: int) -> None:
        self._reader, self._signed = reader, signed
        self._old, self._new = reader.get_historical_resolver(signed), reader
        self._worst = Changes.NOTHING
        self._left = MAXIMUM_OBJECTS
        self._excused: set[int] = set()
        self._unseen: set[int] = set()
        self._alike: set[tuple[int, int]] = set()
        self._rewritten = self._written_again()

    def result(self) -> Changes:
        self._compare_trailers()
        self._compare_catalogs(self._old.root, self._new.root)
        unseen = self._unseen & self._rewritten.keys() - self._excused
        if unseen:
            self._excused |= unseen - self._led_to()
        for number in sorted(self._rewritten.keys() - self._excused):
            self._spend()
            was, now = self._at(self._old, number), self._at(self._new, number)
            if was is not None and not self._same(was, now):
                self._found(Changes.CONTENT)
        return self._worst

    def _written_again(self) -> dict[int, set[int]]:
        """Object numbers that a later revision writes or frees, with the generations it names; but not the
        cross-reference streams that the revision itself brought."""
        found: dict[int, set[int]] = {0: {0}}
        xrefs = self._reader.xrefs
        for revision in range(self._signed + 1, xrefs.total_revisions):
            named = {(reference.idnum, reference.generation) for reference in xrefs.explicit_refs_in_revision(revision)}
            named |= {
                (number, max(0, following - 1)) for number, following in xrefs.get_xref_data(revision).freed.items()
            }
            stream = xrefs.get_xref_container_info(revision).stream_ref
            self._spend(len(named))
            for number, generation in named - ({(stream.idnum, stream.generation)} if stream is not None else set()):
                found.setdefault(number, {0}).add(generation)
        del found[0]
        return found

    def _found(self, change: Changes) -> None:
        self._worst = max(self._worst, change, key=_ORDER.index)

    def _spend(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise _TooMuch

    def _at(self, where: Any, number: int) -> Any:
        """The object of a number as a revision has it; None where it has none."""
        revision = self._signed if where is self._old else self._reader.xrefs.total_revisions - 1
        for generation in sorted(self._rewritten.get(number, {0}), reverse=True):
            reference = generic.Reference(number, generation, pdf=self._reader)
            if self._reader.xrefs.get_historical_ref(reference, revision) is not None:
                value = where.get_object(generic.Reference(number, generation, pdf=where))
                return None if isinstance(value, generic.NullObject) else value
        return None

    # --- parts that may change

    def _compare_trailers(self) -> None:
        """Encryption stays; the information dictionary is shown by no page; the catalogs are compared by themselves."""
        old, new = self._old.trailer_view, self._new.trailer.flatten()
        if not self._same(_raw(old, "/Encrypt"), _raw(new, "/Encrypt")):
            self._found(Changes.CONTENT)
        for trailer in (old, new):
            self._pass_over(_raw(trailer, "/Info"))
            self._excuse(_raw(trailer, "/Root"))

    def _compare_catalogs(self, old: Any, new: Any) -> None:
        for key in _keys(old, new):
            if key in _UNSEEN_CATALOG:
                self._pass_over(_raw(old, key))
            elif key == "/AcroForm":
                self._compare_forms(old, new)
            elif not self._same(_raw(old, key), _raw(new, key)):
                self._found(Changes.CONTENT)
        for was, now in self._pages(old, new):
            self._compare_pages(was, now)

    def _pass_over(self, raw: Any) -> None:
        """What nobody is shown: the document security store, metadata, the information dictionary."""
        self._unseen |= self._reach([raw])

    def _led_to(self) -> set[int]:
        """What the signed catalog leads to by all its other ways: a page's content that someone has hung into the
        document security store as well is seen all the same."""
        catalog = self._old.root
        return self._reach([catalog.raw_get(key) for key in catalog if key not in _UNSEEN_CATALOG])

    def _reach(self, raws: list[Any]) -> set[int]:
        """The numbers of all objects that these lead to."""
        found: set[int] = set()
        stack = list(raws)
        while stack:
            raw = stack.pop()
            number = _number(raw)
            if number is not None:
                if number in found:
                    continue
                found.add(number)
                self._spend()
                raw = _resolved(raw)
            if isinstance(raw, generic.DictionaryObject):
                stack += [raw.raw_get(key) for key in raw]
            elif isinstance(raw, generic.ArrayObject):
                stack += [raw.raw_get(index) for index in range(len(raw))]
        return found

    def _pages(self, old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
        """The pages of the signed revision, each with what it is now: same tree, same order."""
        stack = [(old["/Pages"], new["/Pages"], 0)]
        seen: set[int] = set()
        while stack:
            was, now, depth = stack.pop()
            if depth > MAXIMUM_DEPTH:
                raise _TooMuch
            if _value(was, "/Type") == "/Page" or "/Kids" not in was:
                yield was, now
                continue
            kids, kids_now = _value(was, "/Kids"), _value(now, "/Kids")
            if not self._same(kids, kids_now):
                self._found(Changes.CONTENT)
                continue
            for index in range(len(kids)):
                number = _number(kids.raw_get(index))
                if number is None or number in seen:
                    raise _TooMuch
                seen.add(number)
                self._spend()
                stack.append((kids[index], kids_now[index], depth + 1))

    def _compare_pages(self, was: Any, now: Any) -> None:
        for key in _keys(was, now):
            if key != "/Annots":
                if not self._same(_raw(was, key), _raw(now, key)):
                    self._found(Changes.CONTENT)
                continue
        self._excuse_page(was)
        self._compare_annotations(was, now)

    def _excuse_page(self, page: Any) -> None:
        """The page's own dictionary was compared key by key."""
        reference = getattr(page, "container_ref", None)
        if isinstance(reference, generic.Reference):
            self._excused.add(reference.idnum)

    def _compare_annotations(self, was: Any, now: Any) -> None:
        self._excuse(_raw(was, "/Annots"))
        old, new = _members(was, "/Annots"), _members(now, "/Annots")
        before = {_number(raw) for raw, _ in old} - {None}
        after = {_number(raw) for raw, _ in new} - {None}
        if before - after:
            self._found(Changes.FORMS)
        held = {_number(raw): value for raw, value in new}
        for raw, value in old:
            self._spend()
            number = _number(raw)
            if number is None or number in held:
                self._compare_widgets(raw, value, held.get(number))
        inline = [value for raw, value in old if _number(raw) is None]
        inline_now = [value for raw, value in new if _number(raw) is None]
        if not self._same(generic.ArrayObject(inline), generic.ArrayObject(inline_now)):
            self._found(Changes.FORMS)
        for raw, value in new:
            if _number(raw) not in before and _number(raw) is not None and not _is_invisible_timestamp(value):
                self._found(Changes.FORMS)

    def _compare_forms(self, old: Any, new: Any) -> None:
        was, now = _value(old, "/AcroForm"), _value(new, "/AcroForm")
        self._excuse(_raw(old, "/AcroForm"))
        if was is None:
            was = generic.DictionaryObject()
        if not isinstance(now, generic.DictionaryObject):
            self._found(Changes.CONTENT)
            return
        for key in _keys(was, now) - {"/Fields"}:
            if not self._same(_raw(was, key), _raw(now, key)) and key != "/SigFlags":
                self._found(Changes.FORMS if key in _FORM_KEYS else Changes.CONTENT)
        self._compare_fields(was, now, "/Fields", MAXIMUM_DEPTH)

    def _compare_fields(self, was: Any, now: Any, key: str, depth: int) -> None:
        if depth == 0:
            raise _TooMuch
        self._excuse(_raw(was, key))
        old, new = _members(was, key), _members(now, key)
        held = {_number(raw): value for raw, value in new}
        before = {_number(raw) for raw, _ in old}
        for raw, value in old:
            self._spend()
            number = _number(raw)
            if number not in held:
                self._found(Changes.CONTENT)
                continue
            self._compare_widgets(raw, value, held[number])
            if isinstance(value, generic.DictionaryObject) and "/Kids" in value:
                self._compare_fields(value, held[number], "/Kids", depth - 1)
        for raw, value in new:
            if _number(raw) not in before and not _is_invisible_timestamp(value):
                self._found(Changes.FORMS)

    def _compare_widgets(self, raw: Any, was: Any, now: Any) -> None:
        """A form field or an annotation: value and appearance may change, what it is may not."""
        self._excuse(raw)
        if self._same(was, now):
            self._excuse_appearance(was)
            return
        if not (_is_plain(was) and _is_plain(now)):
            self._found(Changes.CONTENT)
            return
        for key in _keys(was, now) - {"/Kids"}:
            if self._same(_raw(was, key), _raw(now, key)):
                continue
            if key == "/V":
                self._compare_values(was, now)
                continue
            annotation = _value(was, "/Subtype") not in (None, "/Widget")
            self._found(Changes.FORMS if annotation or key in _WIDGET_KEYS else Changes.CONTENT)
        self._excuse_appearance(was)

    def _compare_values(self, was: Any, now: Any) -> None:
        """The values of one field, which differ."""
        if isinstance(_value(was, "/V"), generic.DictionaryObject):
            self._found(Changes.CONTENT)  # a signature that was there is another one now, or none
        elif not _is_timestamp(now):
            self._found(Changes.FORMS)

    def _excuse_appearance(self, widget: Any) -> None:
        """Streams that draw the widget, rewritten in place, are a change of its appearance; what they use is not
        excused: a font is the page's too."""
        if not isinstance(widget, generic.DictionaryObject) or "/AP" not in widget:
            return
        raws = [widget.raw_get("/AP")]
        for _ in range(3):
            following = []
            for raw in raws:
                number = _number(raw)
                if number is not None and number not in self._excused:
                    self._spend()
                    self._excused.add(number)
                    if not self._same(self._at(self._old, number), self._at(self._new, number)):
                        self._found(Changes.FORMS)
                value = raw.get_object() if isinstance(raw, generic.IndirectObject) else raw
                if isinstance(value, generic.DictionaryObject) and not isinstance(value, generic.StreamObject):
                    following += [value.raw_get(key) for key in value]
            raws = following[:1000]

    # --- equality

    def _excuse(self, raw: Any) -> None:
        number = _number(raw)
        if number is not None:
            self._excused.add(number)

    def _same(self, one: Any, other: Any, depth: int = MAXIMUM_DEPTH) -> bool:
        """Equal as written. What the same reference leads to is compared by itself, if it was written again."""
        if depth == 0:
            raise _TooMuch
        first, second = _number(one), _number(other)
        if first is not None or second is not None:
            if first is not None and first == second:
                return bool(one.reference.generation == other.reference.generation)
            return self._same_elsewhere(one, other, depth)
        if isinstance(one, generic.StreamObject) or isinstance(other, generic.StreamObject):
            return self._same_streams(one, other, depth)
        if isinstance(one, generic.DictionaryObject):
            return (
                isinstance(other, generic.DictionaryObject)
                and set(one) == set(other)
                and all(self._same(one.raw_get(key), other.raw_get(key), depth - 1) for key in one)
            )
        if isinstance(one, generic.ArrayObject):
            return (
                isinstance(other, generic.ArrayObject)
                and len(one) == len(other)
                and all(self._same(one.raw_get(i), other.raw_get(i), depth - 1) for i in range(len(one)))
            )
        alike = type(one) is type(other) or (isinstance(one, Number) and isinstance(other, Number))
        return alike and bool(one == other)

    def _same_elsewhere(self, one: Any, other: Any, depth: int) -> bool:
        """The same thing under another number, or written out in its place."""
        pair = (_number(one) or 0, _number(other) or 0)
        if 0 not in pair:
            if pair in self._alike:
                return True
            self._alike.add(pair)
        self._spend()
        here, there = _resolved(one), _resolved(other)
        if here is None or there is None or not self._same(here, there, depth - 1):
            self._alike.discard(pair)
            return False
        return True

    def _same_streams(self, one: Any, other: Any, depth: int) -> bool:
        if not (isinstance(one, generic.StreamObject) and isinstance(other, generic.StreamObject)):
            return False
        keys = _keys(one, other) - {"/Length"}
        return bool(one.encoded_data == other.encoded_data) and all(
            self._same(_raw(one, key), _raw(other, key), depth - 1) for key in keys
        )


def _keys(*dictionaries: Mapping[Any, Any]) -> set[str]:
    return {str(key) for dictionary in dictionaries for key in dictionary}


def _raw(dictionary: Any, key: str) -> Any:
    try:
        return dictionary.raw_get(key)
    except KeyError:
        return None


def _resolved(raw: Any) -> Any:
    """What a reference leads to, which may be another reference in a careless file."""
    for _ in range(8):
        if not isinstance(raw, generic.IndirectObject):
            return raw
        raw = raw.get_object()
    raise _TooMuch


def _value(dictionary: Any, key: str) -> Any:
    return _resolved(_raw(dictionary, key)) if isinstance(dictionary, generic.DictionaryObject) else None


def _number(raw: Any) -> int | None:
    return raw.reference.idnum if isinstance(raw, generic.IndirectObject) else None


def _members(dictionary: Any, key: str) -> list[tuple[Any, Any]]:
    """(as written, as meant) of an array's members."""
    array = _value(dictionary, key)
    if not isinstance(array, generic.ArrayObject):
        return []
    return [(array.raw_get(index), _resolved(array.raw_get(index))) for index in range(len(array))]


def _is_timestamp(field: Any) -> bool:
    """Whether a signature field holds a document timestamp (EN 319 142-1 clause 5.4.3)."""
    value = _value(field, "/V")
    return bool(_value(value, "/Type") == "/DocTimeStamp")


def _is_plain(value: Any) -> bool:
    """A dictionary that is not the head of a stream."""
    return isinstance(value, generic.DictionaryObject) and not isinstance(value, generic.StreamObject)


def _is_invisible_timestamp(field: Any) -> bool:
    if not _is_timestamp(field) or "/A" in field or "/AA" in field:
        return False
    corners = [_value(field, "/Rect")] if "/Rect" in field else []
    corners += [_value(value, "/Rect") for _, value in _members(field, "/Kids")]
    return all(isinstance(rect, generic.ArrayObject) and not any(float(each) for each in rect) for rect in corners)
