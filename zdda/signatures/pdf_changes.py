"""What changed in a PDF after a revision was signed (ISO 32000-2 clauses 7.5.6 and 12.8.2.2).

The signed revision is read from the signed bytes alone; everything that its catalog leads to is held against the
document as it is now, by the part it plays: a page may gain annotations, a form may be filled in and signed, the
document security store may grow. Whatever else differs is content, and so is what plays another part as well. That
something was not there when a reference to it was signed counts like any other value.

No time is measured, so that the same bytes always get the same answer: work is bounded by the number of objects.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures.model import Changes
from zdda.signatures.pdf_entries import TooMuch, is_plain, keys_of, meant, members_of, number_of, resolved, written
from zdda.signatures.pdf_revision import MAXIMUM_DEPTH, UNSEEN_CATALOG, Allowance, SignedRevision, signed_reader
from zdda.signatures.pdf_source import OF_THE_SOURCE

MAXIMUM_REVISIONS = 200
_ORDER = (Changes.NOTHING, Changes.FORMS, Changes.CONTENT, Changes.NOT_DETERMINED)
_FORM_KEYS = frozenset({"/Fields", "/SigFlags", "/DR", "/DA", "/NeedAppearances", "/CO"})
_WIDGET_KEYS = frozenset({"/V", "/AP", "/AS", "/M", "/F", "/MK", "/DA", "/Q", "/I", "/Lock", "/P", "/StructParent"})


def changes_after(reader: PdfFileReader, signed_until: int, allowance: Allowance | None = None) -> Changes:
    """What the revisions after the one that ends at ``signed_until`` (bytes) change. Raises errors of the source only:
    what cannot be followed is NOT_DETERMINED. ``allowance``: of the document, all of whose signatures spend it."""
    allowance = allowance or Allowance()
    try:
        allowance.spend()
        if reader.xrefs.total_revisions > MAXIMUM_REVISIONS:
            return Changes.NOT_DETERMINED
        signed = signed_reader(reader.stream, signed_until)
        if signed is None:  # the signature does not cover a whole revision
            return Changes.NOT_DETERMINED
        return _Comparison(signed, reader, signed_until, allowance).result()
    except OF_THE_SOURCE:
        raise
    except (TooMuch, RecursionError):
        return Changes.NOT_DETERMINED
    except Exception:  # noqa: BLE001 - of hostile bytes; no verdict hangs on this answer
        return Changes.NOT_DETERMINED


class _Comparison:
    """One signed revision against the document as it is now."""

    def __init__(self, signed: PdfFileReader, now: PdfFileReader, until: int, allowance: Allowance) -> None:
        self._old, self._new = signed, now
        self._revision = SignedRevision(signed, until, allowance)
        self._spend = self._revision.spend
        self._worst = Changes.NOTHING
        self._excused: set[int] = set()
        self._drawn: set[int] = set()
        self._alike: set[tuple[int, int]] = set()
        self._named: dict[int, set[int]] = {}
        self._freed: set[int] = set()
        self._read_later_tables()

    def result(self) -> Changes:
        self._compare_trailers()
        self._compare_catalogs(self._revision.root, self._new.root)
        seen = self._revision.seen
        for each in self._revision.found:
            if (each in seen or each not in self._excused) and not self._stayed(each):
                self._found(Changes.CONTENT)
        return self._worst

    def _read_later_tables(self) -> None:
        """The generations under which tables that are not the signed revision's name or free an object."""
        own = self._old.xrefs
        known = {own.get_xref_container_info(index).start_location for index in range(own.total_revisions)}
        xrefs = self._new.xrefs
        for index in range(xrefs.total_revisions):
            if xrefs.get_xref_container_info(index).start_location in known:
                continue
            data = xrefs.get_xref_data(index)
            for part in (data, data.hybrid.xref_data) if data.hybrid is not None else (data,):
                self._spend(len(part.explicit_refs_in_revision))
                for each, generation in part.explicit_refs_in_revision:
                    self._named.setdefault(each, set()).add(max(0, generation))
                self._freed |= part.freed.keys()

    def _stayed(self, each: int) -> bool:
        """Whether the document has under a number what the signed revision has, which may be nothing, in every
        generation that one of them knows of."""
        places = self._revision.found[each]
        return all(self._stayed_in(each, generation) for generation in self._named.get(each, set()) | places.keys())

    def _stayed_in(self, each: int, generation: int) -> bool:
        reference = generic.Reference(each, generation, pdf=self._old)
        before, now = self._old.xrefs[reference], self._new.xrefs[reference]
        if before == now and each not in self._freed:
            return True  # the same bytes; an object stream that holds them is compared by itself
        self._spend()
        was = self._old.get_object(reference)
        after = self._new.get_object(generic.Reference(each, generation, pdf=self._new))
        if before == now:
            after = generic.NullObject()  # freed, whatever the generation says
        return self._same(was, after)

    def _found(self, change: Changes) -> None:
        self._worst = max(self._worst, change, key=_ORDER.index)

    # --- parts that may change

    def _compare_trailers(self) -> None:
        """Encryption stays; the information dictionary is shown by no page; the catalogs are compared by themselves."""
        if not self._same(self._old.encrypt_dict, self._new.encrypt_dict):
            self._found(Changes.CONTENT)
        self._excused.add(self._revision.catalog)

    def _compare_catalogs(self, old: Any, new: Any) -> None:
        for key in keys_of(old, new):
            if key == "/AcroForm":
                self._compare_forms(old, new)
            elif key not in UNSEEN_CATALOG and not self._same(written(old, key), written(new, key)):
                self._found(Changes.CONTENT)
        for was, now in self._pages(old, new):
            self._compare_pages(was, now)

    def _pages(self, old: Any, new: Any) -> list[tuple[Any, Any]]:
        """The pages of the signed revision, each with what it is now: same tree, same order. The tree of the signed
        revision is known to be no circle."""
        pairs: list[tuple[Any, Any]] = []
        stack = [(meant(old, "/Pages"), meant(new, "/Pages"))]
        while stack:
            was, now = stack.pop()
            kids = None if written(was, "/Type") == "/Page" else meant(was, "/Kids")
            if kids is None:
                pairs.append((was, now))
                continue
            kids_now = meant(now, "/Kids")
            if not self._same(kids, kids_now):
                self._found(Changes.CONTENT)
                continue
            stack += [(resolved(kids.raw_get(i)), resolved(kids_now.raw_get(i))) for i in range(len(kids))]
        return pairs

    def _compare_pages(self, was: Any, now: Any) -> None:
        for key in keys_of(was, now):
            if key != "/Annots" and not self._same(written(was, key), written(now, key)):
                self._found(Changes.CONTENT)
        self._excuse_page(was)
        self._compare_annotations(was, now)

    def _excuse_page(self, page: Any) -> None:
        """The page's own dictionary was compared key by key."""
        reference = getattr(page, "container_ref", None)
        if isinstance(reference, generic.Reference):
            self._excused.add(reference.idnum)

    def _compare_annotations(self, was: Any, now: Any) -> None:
        self._excuse(written(was, "/Annots"))
        old, new = members_of(was, "/Annots"), members_of(now, "/Annots")
        before = {number_of(raw) for raw, _ in old} - {None}
        after = {number_of(raw) for raw, _ in new} - {None}
        if before - after:
            self._found(Changes.FORMS)
        held = {number_of(raw): value for raw, value in new}
        for raw, value in old:
            self._spend()
            number = number_of(raw)
            if number is None or number in held:
                self._compare_widgets(raw, value, held.get(number))
        inline = [value for raw, value in old if number_of(raw) is None]
        inline_now = [value for raw, value in new if number_of(raw) is None]
        if not self._same(generic.ArrayObject(inline), generic.ArrayObject(inline_now)):
            self._found(Changes.FORMS)
        for raw, value in new:
            if number_of(raw) not in before and number_of(raw) is not None and not _is_invisible_timestamp(value):
                self._found(Changes.FORMS)

    def _compare_forms(self, old: Any, new: Any) -> None:
        was, now = meant(old, "/AcroForm"), meant(new, "/AcroForm")
        self._excuse(written(old, "/AcroForm"))
        if was is None:
            was = generic.DictionaryObject()
        if not (is_plain(was) and is_plain(now)):
            self._found(Changes.CONTENT)
            return
        for key in keys_of(was, now) - {"/Fields"}:
            if not self._same(written(was, key), written(now, key)) and key != "/SigFlags":
                self._found(Changes.FORMS if key in _FORM_KEYS else Changes.CONTENT)
        self._compare_fields(was, now, "/Fields", MAXIMUM_DEPTH)

    def _compare_fields(self, was: Any, now: Any, key: str, depth: int) -> None:
        if depth == 0:
            raise TooMuch
        self._excuse(written(was, key))
        old, new = members_of(was, key), members_of(now, key)
        held = {number_of(raw): value for raw, value in new}
        before = {number_of(raw) for raw, _ in old}
        for raw, value in old:
            self._spend()
            number = number_of(raw)
            if number not in held:
                self._found(Changes.CONTENT)
                continue
            self._compare_widgets(raw, value, held[number])
            if isinstance(value, generic.DictionaryObject) and "/Kids" in value:
                self._compare_fields(value, held[number], "/Kids", depth - 1)
        for raw, value in new:
            if number_of(raw) not in before and not _is_invisible_timestamp(value):
                self._found(Changes.FORMS)

    def _compare_widgets(self, raw: Any, was: Any, now: Any) -> None:
        """A form field or an annotation: value and appearance may change, what it is may not."""
        self._excuse(raw)
        if self._same(was, now):
            self._excuse_appearance(was)
            return
        if not (is_plain(was) and is_plain(now)):
            self._found(Changes.CONTENT)
            return
        for key in keys_of(was, now) - {"/Kids"}:
            if self._same(written(was, key), written(now, key)):
                continue
            if key == "/V":
                self._compare_values(was, now)
                continue
            annotation = meant(was, "/Subtype") not in (None, "/Widget")
            self._found(Changes.FORMS if annotation or key in _WIDGET_KEYS else Changes.CONTENT)
        self._excuse_appearance(was)

    def _compare_values(self, was: Any, now: Any) -> None:
        """The values of one field, which differ."""
        if isinstance(meant(was, "/V"), generic.DictionaryObject):
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
                number = number_of(raw)
                if number is not None and number not in self._drawn:
                    self._spend()
                    self._drawn.add(number)
                    self._excused.add(number)
                    if number in self._revision.found and not self._stayed(number):
                        self._found(Changes.FORMS)
                value = raw.get_object() if isinstance(raw, generic.IndirectObject) else raw
                if isinstance(value, generic.DictionaryObject) and not isinstance(value, generic.StreamObject):
                    following += [value.raw_get(key) for key in value]
            raws = following[:1000]

    # --- equality

    def _excuse(self, raw: Any) -> None:
        number = number_of(raw)
        if number is not None:
            self._excused.add(number)

    def _same(self, one: Any, other: Any, depth: int = MAXIMUM_DEPTH) -> bool:
        """Equal as written. What the same reference leads to is compared by itself, if it was written again."""
        if depth == 0:
            raise TooMuch
        first, second = number_of(one), number_of(other)
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
        pair = (number_of(one) or 0, number_of(other) or 0)
        if 0 not in pair:
            if pair in self._alike:
                return True
            self._alike.add(pair)
        self._spend()
        here, there = resolved(one), resolved(other)
        if here is None or there is None or not self._same(here, there, depth - 1):
            self._alike.discard(pair)
            return False
        return True

    def _same_streams(self, one: Any, other: Any, depth: int) -> bool:
        if not (isinstance(one, generic.StreamObject) and isinstance(other, generic.StreamObject)):
            return False
        keys = keys_of(one, other) - {"/Length"}
        return bool(one.encoded_data == other.encoded_data) and all(
            self._same(written(one, key), written(other, key), depth - 1) for key in keys
        )


def _is_timestamp(field: Any) -> bool:
    """Whether a signature field holds a document timestamp (EN 319 142-1 clause 5.4.3)."""
    value = meant(field, "/V")
    return bool(meant(value, "/Type") == "/DocTimeStamp")


def _is_invisible_timestamp(field: Any) -> bool:
    if not is_plain(field) or not _is_timestamp(field) or "/A" in field or "/AA" in field:
        return False
    corners = [meant(field, "/Rect")] if "/Rect" in field else []
    corners += [meant(value, "/Rect") for _, value in members_of(field, "/Kids")]
    return all(isinstance(rect, generic.ArrayObject) and not any(float(each) for each in rect) for rect in corners)
