"""The one door to Archival Storage: records first, in every place, then the bytes; out again verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Semaphore
from typing import BinaryIO, TypeVar

from zdda.crypto.generations import GenerationKeys
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.model.errors import Conflict, IntegrityError, NotFound, Unavailable, ZddaError
from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import EVERYWHERE, Copies, Placed, Placement
from zdda.storage.blob_store import OpenStream
from zdda.storage.key_area import KeyArea, newest_of, sort_key
from zdda.storage.object_record import ObjectRecord, RecordMalformed, seal_record
from zdda.storage.read_cache import ReadCache
from zdda.storage.site import Site
from zdda.storage.site_health import Monotonic, SiteHealth
from zdda.storage.site_reading import ReaderOverSites, Take, take, turns

_Found = TypeVar("_Found")

Alarm = Callable[[str, ObjectName], None]
"""Called with what is damaged (``record``, ``object``) and whose it is."""

Damaged = Callable[[str, ObjectName, ZddaError], bool]
"""Called with a site, and an object whose copy is not there or not what it should be; False where nobody believed that
a good copy lies there."""


class ObjectVanished(IntegrityError):
    """The archive has a record of the object, and its store does not hold the bytes."""

    code = "object-vanished"


@dataclass(frozen=True, slots=True)
class _Known:
    """A site and what has been seen of it."""

    site: Site
    health: SiteHealth
    turns: Semaphore = field(default_factory=turns)

    @property
    def name(self) -> str:
        return self.site.name


@dataclass(frozen=True, slots=True)
class _Copy:
    """An object at a site; see ``zdda.storage.site_reading.Source``."""

    store: ObjectStore
    known: _Known
    record: ObjectRecord
    key: bytes
    cache: ReadCache | None

    @property
    def name(self) -> str:
        return self.known.name

    @property
    def health(self) -> SiteHealth:
        return self.known.health

    @property
    def turns(self) -> Semaphore:
        return self.known.turns

    def open(self) -> DecryptingReader:
        address, start = self.record.address, self.store.monotonic()
        if self.cache is None:
            stream = self.from_store()
        else:
            stream = self.cache.open(address, self.record.length, self.from_store)
        try:
            reader = DecryptingReader(stream, self.key, self.record.name.associated_data(), owns_source=True)
        except BaseException:
            stream.close()
            raise
        self.health.answered(self.store.monotonic() - start)
        return reader

    def from_store(self) -> BinaryIO:
        try:
            return self.known.site.blobs.open(self.record.address)
        except NotFound as error:
            raise ObjectVanished("the store does not hold the object that the record names") from error

    def wrong(self, error: ZddaError) -> None:
        self.store.found_wrong(self.name, self.record.name, error)


class ObjectStore:
    """Encrypted objects and their records, at one site or several, with two places of records at least.

    ``key_areas`` are the archive's own places; those of sites that have one are counted. ``cache``: asked before any
    site when an object is opened. ``monotonic`` and ``take`` are how time is told and waited for."""

    def __init__(
        self,
        sites: Sequence[Site],
        key_areas: Sequence[KeyArea],
        generations: GenerationKeys,
        alarm: Alarm = lambda _what, _name: None,
        cache: ReadCache | None = None,
        damaged: Damaged = lambda _site, _name, _error: True,
        monotonic: Monotonic = time.monotonic,
        take: Take = take,
    ) -> None:
        self._cache = cache
        self._sites = tuple(_Known(site, SiteHealth(monotonic)) for site in sites)
        self._own = tuple(key_areas)
        if len(self._own) + sum(site.records is not None for site in sites) < 2:
            raise ValueError("object records lie in two places at least")
        if not sites:
            raise ValueError("objects lie at one site at least")
        self._generations, self._alarm, self._damaged = generations, alarm, damaged
        self.monotonic, self._take = monotonic, take

    @property
    def site_names(self) -> tuple[str, ...]:
        """The sites, in the order of the settings."""
        return tuple(known.name for known in self._sites)

    @property
    def sites_with_records(self) -> tuple[str, ...]:
        """Those of them that have a place of object records of their own."""
        return tuple(known.name for known in self._sites if known.site.records is not None)

    def give_record(self, site: str, name: ObjectName) -> bool:
        """Writes an object's record into the site's own place where it has none of it; whether it did. A site
        without a place of its own is left as it is. Raises as ``record`` does."""
        (own,) = (known.site.records for known in self._sites if known.name == site)
        if own is None:
            return False
        try:
            self._authentic(own, name)
        except (NotFound, IntegrityError):
            own.write(self.record(name))
            return True
        return False

    def tell_damage_to(self, damaged: Damaged) -> None:
        """From now on; the catalog, which knows where copies should lie, is opened after the stores."""
        self._damaged = damaged

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
        """Stores an object; safe to repeat. When it returns, the record lies in every place of the archive's own and of
        the sites that are told as present, two places at least, and there the bytes under their lock. If everything
        stops in between, records without bytes may be left: they lock nothing, and the repeated ``put`` completes them.

        Where one copy is enough, a site that does not answer is told as missing, and is not asked again before it has
        answered somebody else (replication tries it); else, and where no site is left, what it raised is raised:
        ``Unavailable``, ``StoreFailed``.
        A name means one object for ever: raises ``Conflict``, having written nothing, where an authentic record gives
        it other bytes. A later retention that a place holds already stays."""
        names = placement.among(self.site_names)
        chosen = [known for known in self._sites if known.name in names]
        attempt = _Attempt(placement.copies is Copies.ONE and len(chosen) > 1)
        if attempt.lenient:
            chosen = [known for known in chosen if not known.health.failing] or chosen
        for key_area in self._own:
            record = self._to_keep(key_area, record)
        for known in chosen:
            with attempt.at(known):
                if known.site.records is not None:
                    record = self._to_keep(known.site.records, record)
        for key_area in self._own:
            key_area.write(record)
        places = len(self._own)
        for known in attempt.answering(chosen):
            with attempt.at(known):
                if known.site.records is not None:
                    known.site.records.write(record)
                    places += 1
        if places < 2:
            raise attempt.error or Unavailable("too few places of object records answer")
        for known in attempt.answering(chosen):
            with attempt.at(known):
                known.site.blobs.put(record.address, record.length, open_stream, record.retain_until)
                known.health.answered()
        present = tuple(known.name for known in attempt.answering(chosen))
        if not present:
            raise attempt.error or Unavailable("no site of the placement answers")
        return Placed(present, tuple(name for name in names if name not in present))

    def where(self, record: ObjectRecord, placement: Placement) -> Placed:
        """At which of the placement's sites the object lies; its bytes are not looked at. A site that does not answer
        counts as one that has to get it."""
        placed = placement.among(self.site_names)
        present = tuple(known.name for known in self._sites if known.name in placed and _holds(known.site, record))
        return Placed(present, tuple(name for name in placed if name not in present))

    def record(self, name: ObjectName) -> ObjectRecord:
        """The record from the first place that gives a good one: the archive's own, then those of sites.

        Raises ``NotFound`` where no place has it, ``RecordMalformed`` where every place that has it is damaged,
        ``Unavailable``.
        """
        worst: ZddaError = NotFound("no such object")
        for key_area, known in self._places():
            try:
                record = self._authentic(key_area, name)
            except NotFound:
                continue
            except (IntegrityError, Unavailable) as error:
                worst = error
                if known is None or isinstance(error, IntegrityError):
                    self._alarm("record", name)
                else:
                    known.health.did_not_answer()
            else:
                return record
        raise worst

    def open(self, name: ObjectName) -> ReaderOverSites:
        """The plaintext, seekable, every byte authentic; raises ``NotFound``, ``IntegrityError``, ``Unavailable``.

        A site that does not answer, is slow or has wrong bytes is passed over, also while the plaintext is read."""
        record = self.record(name)
        key = record.data_key(self._generations)
        copies = [
            _Copy(self, known, record, key, self._cache if place == 0 else None)
            for place, known in enumerate(self._by_health())
        ]
        return ReaderOverSites(copies, self._take)

    def found_wrong(self, site: str, name: ObjectName, error: ZddaError) -> None:
        """Tells of a copy that is not what it should be."""
        if self._damaged(site, name, error):
            self._alarm("object", name)

    def forget(self, address: ContentAddress) -> None:
        """Nothing of an object is left in the cache; raises ``Unavailable``. Part of erasing it."""
        if self._cache is not None:
            self._cache.forget(address)

    def records(self) -> Iterator[ObjectRecord]:
        """Every record that some place gives, in the order of names; not verified. A site's place that does not answer
        is passed over."""
        seen: dict[ObjectName, ObjectRecord] = {}
        for found in self._of_each_place(lambda key_area: list(key_area.records())):
            for record in found:
                seen.setdefault(record.name, record)
        return iter(seen[name] for name in sorted(seen, key=sort_key))

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        """The names of the objects of a kind with the youngest identifiers, of those with an authentic record."""
        told = self._of_each_place(lambda key_area: key_area.newest(kind, tenant, limit))
        found = {name for names in told for name in names}
        return [name for name in newest_of(found, kind, tenant, limit) if self._is_authentic(name)]

    def answering(self) -> dict[str, bool]:
        """For each site, whether it can be asked at all; of several, one that just did not answer is not asked."""
        several = len(self._sites) > 1
        return {known.name: not (several and known.health.away) and _answers(known) for known in self._sites}

    def site_answered(self, site: str) -> None:
        """Told by whoever writes there by another way."""
        for known in self._sites:
            if known.name == site:
                known.health.answered()

    def answers(self) -> bool:
        """Whether any site can be asked."""
        return any(_answers(known) for known in self._by_health())

    def _by_health(self) -> list[_Known]:
        """In the order of the settings; those that did not answer last are the last to be asked."""
        return sorted(self._sites, key=lambda known: known.health.away)

    def _places(self) -> Iterator[tuple[KeyArea, _Known | None]]:
        yield from ((key_area, None) for key_area in self._own)
        for known in self._by_health():
            if known.site.records is not None:
                yield known.site.records, known

    def _of_each_place(self, ask: Callable[[KeyArea], _Found]) -> list[_Found]:
        found: list[_Found] = []
        failed: Unavailable | None = None
        for key_area, known in self._places():
            try:
                found.append(ask(key_area))
            except Unavailable as error:
                if known is None:
                    raise
                known.health.did_not_answer()
                failed = error
        if failed is not None and not found:
            raise failed
        return found

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
        return max(record, held, key=lambda one: (one.retain_until, one.generation))


class _Attempt:
    """One ``put``, and which sites have not answered it. Where it is ``lenient``, that is no error yet."""

    def __init__(self, lenient: bool) -> None:
        self.lenient = lenient
        self.error: Exception | None = None
        self._silent: set[str] = set()

    @contextmanager
    def at(self, known: _Known) -> Iterator[None]:
        try:
            yield
        except (Unavailable, OSError) as error:
            known.health.did_not_answer()
            if not self.lenient:
                raise
            self.error = error
            self._silent.add(known.name)

    def answering(self, chosen: Sequence[_Known]) -> list[_Known]:
        return [known for known in chosen if known.name not in self._silent]


def _answers(known: _Known) -> bool:
    try:
        next(iter(known.site.blobs.addresses()), None)
    except (OSError, ZddaError):
        known.health.did_not_answer()
        return False
    known.health.answered()
    return True


def _holds(site: Site, record: ObjectRecord) -> bool:
    try:
        return site.blobs.stat(record.address).length == record.length
    except (NotFound, Unavailable, OSError):
        return False
