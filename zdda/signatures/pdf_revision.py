"""The signed revision of a PDF (ISO 32000-2 clause 7.5.6), read from the signed bytes alone, and what it leads to.

Nothing that follows the signed bytes can say what they are: the reader ends where the revision ends.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.xref import ObjStreamRef

from zdda.signatures.pdf_entries import TooMuch, meant, number_of, resolved, written
from zdda.signatures.pdf_source import SourceStream

MAXIMUM_OBJECTS = 50_000
MAXIMUM_IN_DOCUMENT = 200_000
MAXIMUM_DEPTH = 40
_ENTRIES_OF_AN_OBJECT = 20
UNSEEN_CATALOG = frozenset({"/DSS", "/Extensions", "/Metadata", "/Version"})
# Entries of a page that show nothing on it and may lead to other pages.
_BESIDE_THE_PAGE = ("/B", "/AA", "/DPart", "/SeparationInfo")


def signed_reader(stream: BinaryIO, until: int) -> PdfFileReader | None:
    """A reader of the revision that ends at ``until`` (bytes) of the document in ``stream``; None where none ends there
    (clause 7.5.5), or a password is needed."""
    stream.seek(max(0, until - 64))
    if not stream.read(min(64, until)).rstrip(b"\x00\t\n\x0c\r ").endswith(b"%%EOF"):
        return None
    if isinstance(stream, io.BytesIO):
        beginning: Any = io.BytesIO(stream.getbuffer()[:until])
    else:
        beginning = SourceStream(stream, until)
    found = PdfFileReader(beginning, strict=False)
    if found.encrypted and found.decrypt("").status.name == "FAILED":
        return None
    return found


class Allowance:
    """How much more may be looked at for all signatures of one document together: each has a revision of its own, which
    may be nearly the whole of a large document."""

    def __init__(self) -> None:
        self._left = MAXIMUM_IN_DOCUMENT

    @property
    def spent(self) -> bool:
        return self._left < 0

    def spend(self, count: int = 1) -> None:
        """Raises ``TooMuch`` when more has been looked at than may be."""
        self._left -= count
        if self._left < 0:
            raise TooMuch

    def spend_on_tables(self, reader: PdfFileReader) -> None:
        """An entry of a cross-reference table is read in a fraction of the time that an object takes."""
        xrefs = reader.xrefs
        for index in range(xrefs.total_revisions):
            self.spend(1 + len(xrefs.get_xref_data(index).explicit_refs_in_revision) // _ENTRIES_OF_AN_OBJECT)


class SignedRevision:
    """What the signed catalog leads to, by two kinds of ways.

    ``catalog``: its number, 0 where it has none. ``tree``: numbers of the nodes of the page tree, pages included.
    ``pages``: the pages' dictionaries. ``found``: every object number that the catalog leads to, but by way of what
    nobody is shown, with the generations that references name and where the revision holds each (None: nowhere).
    ``seen``: those of them to which another way leads than through annotations and the form: whatever they are an
    appearance or an array of annotations of as well, they are content.
    """

    def __init__(self, reader: PdfFileReader, until: int, allowance: Allowance) -> None:
        self._reader, self._until, self._allowance = reader, until, allowance
        allowance.spend_on_tables(reader)
        self._left = MAXIMUM_OBJECTS
        root = reader.trailer.raw_get("/Root")
        self.catalog = number_of(root) or 0
        self.root = reader.root
        self.tree: set[int] = set()
        self.found: dict[int, dict[int, Any]] = {}
        self.pages: list[Any] = []
        nodes = list(self._nodes())
        self._follow_what_is_seen(nodes)
        self.seen = frozenset(self.found)
        form = [written(self.root, "/AcroForm"), *(written(page, "/Annots") for page in self.pages)]
        self._follow(form, frozenset({self.catalog, *self.tree}))
        if self.catalog:
            self._note(root.reference)
        for node in nodes:
            self._note(getattr(node, "container_ref", None))

    def spend(self, count: int = 1) -> None:
        """Raises ``TooMuch`` when more has been looked at than may be."""
        self._allowance.spend(count)
        self._left -= count
        if self._left < 0:
            raise TooMuch

    def _nodes(self) -> list[Any]:
        """The nodes of the page tree, which is no circle and has each node once."""
        nodes: list[Any] = []
        stack = [(written(self.root, "/Pages"), 0)]
        while stack:
            place, depth = stack.pop()
            self.spend()
            own = number_of(place)
            if depth > MAXIMUM_DEPTH or (own is None and depth > 0) or own in self.tree:
                raise TooMuch
            if own is not None:
                self.tree.add(own)
            node = resolved(place)
            if not isinstance(node, generic.DictionaryObject):
                raise TooMuch  # a place in the tree that an object may take later
            nodes.append(node)
            kids = None if written(node, "/Type") == "/Page" else meant(node, "/Kids")
            if kids is None:
                self.pages.append(node)
            elif isinstance(kids, generic.ArrayObject):
                stack += [(kids.raw_get(index), depth + 1) for index in range(len(kids))]
            else:
                raise TooMuch
        return nodes

    def _follow_what_is_seen(self, nodes: list[Any]) -> None:
        shown: list[Any] = []
        beside: list[Any] = []
        pages = {id(page) for page in self.pages}
        for node in nodes:
            for key in node:
                value = node.raw_get(key)
                if key == ("/Annots" if id(node) in pages else "/Kids"):
                    if key == "/Kids" and number_of(value) is not None:
                        self._note(value.reference)
                elif key == "/Parent" and number_of(value) in self.tree:
                    continue
                else:
                    (beside if key in _BESIDE_THE_PAGE else shown).append(value)
        for key in self.root:
            if key not in UNSEEN_CATALOG and key not in ("/AcroForm", "/Pages"):
                beside.append(self.root.raw_get(key))
        self._follow(shown, frozenset())
        # Outlines, the structure tree and the like lead to pages and fields as such; these are compared by entries.
        self._follow(beside, frozenset({self.catalog, *self.tree}), passing=True)

    def _follow(self, raws: list[Any], not_into: frozenset[int], passing: bool = False) -> None:
        """Adds all that these lead to. ``passing``: the annotations of which a structure tree speaks are passed by
        (object references, clause 14.7.5.3)."""
        stack = [each for each in raws if each is not None]
        while stack:
            value = stack.pop()
            if isinstance(value, generic.IndirectObject):
                if value.reference.idnum in not_into or not self._note(value.reference):
                    continue
                place = self.found[value.reference.idnum][value.reference.generation]
                if isinstance(place, ObjStreamRef):
                    stack.append(generic.IndirectObject(place.obj_stream_id, 0, self._reader))
                value = value.get_object()
                if isinstance(value, generic.StreamObject) and isinstance(place, int):
                    self._whole(value, place)
            if isinstance(value, generic.DictionaryObject):
                skipped = "/Obj" if passing and written(value, "/Type") == "/OBJR" else None
                stack += [value.raw_get(key) for key in value if key != skipped]
            elif isinstance(value, generic.ArrayObject):
                stack += [value.raw_get(index) for index in range(len(value))]
            elif isinstance(value, generic.IndirectObject):
                stack.append(value)

    def _note(self, reference: Any) -> bool:
        """Whether the reference is new."""
        if not isinstance(reference, generic.Reference):
            return False
        generations = self.found.setdefault(reference.idnum, {})
        if reference.generation in generations:
            return False
        self.spend()
        generations[reference.generation] = self._reader.xrefs[reference]
        return True

    def _whole(self, stream: Any, start: int) -> None:
        """A stream whose data the end of the revision cuts short would have other data in a longer file."""
        length = meant(stream, "/Length")
        if not isinstance(length, int) or start + length > self._until:
            raise TooMuch
