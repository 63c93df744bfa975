"""The one door to Archival Storage: records first, in every place, then the bytes; out again verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

from zdda.crypto.generations import GenerationKeys
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.model.errors import Conflict, IntegrityError, NotFound, Unavailable, ZddaError
from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import EVERYWHERE, Placed, Placement
from zdda.storage.blob_store import OpenStream
from zdda.storage.key_area import KeyArea, newest_of, sort_key
from zdda.storage.object_record import ObjectRecord, RecordMalformed, seal_record
from zdda.storage.read_cache import ReadCache
from zdda.storage.site import Site

Alarm = Callable[[str, ObjectName], None]
"""Called with what is damaged (``record``, ``object``) and whose it is."""


class ObjectVanished(IntegrityError):
    """The archive has a record of the object, and its store does not hold the bytes."""

    code = "object-vanished"


class ObjectStore:
    """Encrypted objects and their records, at one site or several, with two places of records at least.

    ``key_areas`` are the archive's own places; those of sites that have one are counted. ``cache``: asked before any
    site when an object is opened."""

    def __init__(
        self,
        sites: Sequence[Site],
        key_areas: Sequence[KeyArea],
        generations: GenerationKeys,
        alarm: Alarm = lambda _what, _name: None,
        cache: ReadCache | None = None,
    ) -> None:
        self._cache = cache
        self._sites = tuple(sites)
        places = [*key_areas, *(site.records for site in sites if site.records is not None)]
        if len(places) < 2:
            raise ValueError("object records lie in two places at least")
        if not sites:
            raise ValueError("objects lie at one site at least")
        self._blobs, self._key_areas = sites[0].blobs, tuple(places)
        self._generations, self._alarm = generations, alarm

    @property
    def site_names(self) -> tuple[str, ...]:
        """The sites, in the order of the settings."""
        return tuple(site.name for site in self._sites)

    def seal_record(
        self,
        name: ObjectName,
        address: ContentAddress,
        length: int,
        sha512: bytes,
        data_key: bytes,
        retain_until: datetime,
    ) -> ObjectRecord:
        """The record of an object that is about to be stored; nothing is written yet."""
        return seal_record(self._generations, name, address, length, sha512, data_key, retain_until)

    def put(self, record: ObjectRecord, open_stream: OpenStream, placement: Placement = EVERYWHERE) -> Placed:
        """Stores an object; safe to repeat. When it returns, the record lies in every place and the bytes under
        their lock. If everything stops in between, records without bytes may be left: they lock nothing, and the
        repeated ``put`` completes them.

        A name means one object for ever: raises ``Conflict``, having written nothing, where an authentic record gives
        it other bytes. A later retention that a place holds already stays."""
        for each in [self._to_keep(key_area, record) for key_area in self._key_areas]:
            record = max(record, each, key=lambda one: one.retain_until)
        for key_area in self._key_areas:
            key_area.write(record)
        placed = placement.among(self.site_names)
        for site in self._sites:
            if site.name in placed:
                site.blobs.put(record.address, record.length, open_stream, record.retain_until)
        return Placed(placed)

    def where(self, record: ObjectRecord, placement: Placement) -> Placed:
        """At which of the placement's sites the object lies; its bytes are not looked at. A site that does not answer
        counts as one that has to get it."""
        placed = placement.among(self.site_names)
        present = tuple(site.name for site in self._sites if site.name in placed and _holds(site, record))
        return Placed(present, tuple(name for name in placed if name not in present))

    def record(self, name: ObjectName) -> ObjectRecord:
        """The record from the first place that gives a good one.

        Raises ``NotFound`` where no place has it, ``RecordMalformed`` where every place that has it is damaged,
        ``Unavailable``.
        """
        worst: ZddaError = NotFound("no such object")
        for key_area in self._key_areas:
            try:
                record = self._authentic(key_area, name)
            except NotFound:
                continue
            except (IntegrityError, Unavailable) as error:
                worst = error
                self._alarm("record", name)
            else:
                return record
        raise worst

    def open(self, name: ObjectName) -> DecryptingReader:
        """The plaintext, seekable, every byte authentic; raises ``NotFound``, ``IntegrityError``, ``Unavailable``."""
        record = self.record(name)
        key = record.data_key(self._generations)
        try:
            stream = self._bytes(record)
        except NotFound as error:
            self._alarm("object", name)
            raise ObjectVanished("the store does not hold the object that the record names") from error
        try:
            return DecryptingReader(stream, key, name.associated_data(), owns_source=True)
        except BaseException as error:
            stream.close()
            if isinstance(error, IntegrityError):
                self._alarm("object", name)
            raise

    def forget(self, address: ContentAddress) -> None:
        """Nothing of an object is left in the cache; raises ``Unavailable``. Part of erasing it."""
        if self._cache is not None:
            self._cache.forget(address)

    def records(self) -> Iterator[ObjectRecord]:
        """Every record that some place gives, in the order of names; not verified."""
        seen: dict[ObjectName, ObjectRecord] = {}
        for key_area in self._key_areas:
            for record in key_area.records():
                seen.setdefault(record.name, record)
        return iter(seen[name] for name in sorted(seen, key=sort_key))

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        """The names of the objects of a kind with the youngest identifiers, of those with an authentic record."""
        found = {name for key_area in self._key_areas for name in key_area.newest(kind, tenant, limit)}
        return [name for name in newest_of(found, kind, tenant, limit) if self._is_authentic(name)]

    def _bytes(self, record: ObjectRecord) -> BinaryIO:
        if self._cache is None:
            return self._blobs.open(record.address)
        return self._cache.open(record.address, record.length, lambda: self._blobs.open(record.address))

    def _is_authentic(self, name: ObjectName) -> bool:
        try:
            self.record(name)
        except ZddaError:
            return False
        return True

    def _authentic(self, key_area: KeyArea, name: ObjectName) -> ObjectRecord:
        """A place's record with its retention and everything its key is bound to verified."""
        record = key_area.read(name)
        record.check_retention(self._generations)
        try:
            record.data_key(self._generations)
        except IntegrityError as error:
            raise RecordMalformed("a record is not the one its key was wrapped for") from error
        return record

    def _to_keep(self, key_area: KeyArea, record: ObjectRecord) -> ObjectRecord:
        try:
            held = self._authentic(key_area, record.name)
        except (NotFound, IntegrityError):
            return record
        if held.address != record.address:
            raise Conflict("another object of this name is in the archive")
        return held if held.retain_until > record.retain_until else record

    def answers(self) -> bool:
        """Whether the store can be asked at all."""
        try:
            next(iter(self._blobs.addresses()), None)
        except (OSError, ZddaError):
            return False
        return True


def _holds(site: Site, record: ObjectRecord) -> bool:
    try:
        return site.blobs.stat(record.address).length == record.length
    except (NotFound, Unavailable):
        return False
