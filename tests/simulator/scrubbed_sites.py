"""Two sites in folders with a catalog, for tests of what reads and mends them: rot of every kind, and what was told."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from zdda.audit.log import entries, sequence
from zdda.catalog.object_copies import CopyState, copies_of
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.database.session import TenantDatabase
from zdda.model.canonical_json import parse_json
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed
from zdda.packaging.preservation_events import PreservationEvent
from zdda.retention.scrubbing import Scrubber, ScrubPlan
from zdda.storage.durable_files import set_immutable
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord, seal_record
from zdda.storage.site import Site
from zdda.storage.slots import COPY, slot_offset

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
PLAN = ScrubPlan(days=90, bytes_per_second=100_000_000)
SITES = ("east", "west")
Told = list[tuple[UUID, str, str]]


class Died(BaseException):
    """The process stops here."""


@dataclass
class World:
    """Two sites in folders, three objects, a record of each in two places."""

    folder: Path
    database: TenantDatabase
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    told: Told = field(default_factory=list)
    signer_away: bool = False
    sites: list[Site] = field(default_factory=list)
    records: list[ObjectRecord] = field(default_factory=list)
    data: dict[ContentAddress, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrapper = LocalKeyWrapper(bytes(32), system_entropy)
        self.generations = GenerationKeys(self.folder / "g.json", wrapper, system_entropy, self.clock)
        self.generations.create(self.database.tenant)
        self.open()
        listed = []
        for number in range(3):
            name = ObjectName(self.database.tenant, UUID(int=number + 1), list(ObjectKind)[number])
            data = f"object {number} ".encode() * 2000
            found = digests_of(data)
            record = seal_record(
                self.generations, name, ContentAddress(found.sha256), len(data), found.sha512, bytes(32), UNTIL
            )
            self.records.append(record)
            self.data[record.address] = data
            for key_area in self.places.values():
                key_area.write(record)
            for site in self.sites:
                site.blobs.put(record.address, len(data), lambda data=data: io.BytesIO(data), UNTIL)  # type: ignore[misc]
            listed.append(
                StoredObject(
                    name.package, name.kind, 0, str(record.address), len(data), found.sha512, record.generation, UNTIL
                )
            )
        with self.database.write() as tx:
            insert_objects(tx, [(each, Placed(SITES)) for each in listed], NOW - timedelta(days=2))

    def open(self) -> None:
        self.sites = [Site(name, FilesystemBlobs(self.folder / name, immutable=False)) for name in SITES]
        self.places = {name: FilesystemKeyArea(self.folder / name, system_entropy) for name in ("one", "two")}

    def close(self) -> None:
        for site in self.sites:
            site.close()
        for key_area in self.places.values():
            key_area.close()

    def wait(self, pause: timedelta) -> None:
        self.clock.move_to(self.clock.now() + pause)

    def scrubber(self, crash: Callable[[str], None] = lambda _point: None) -> Scrubber:
        def tell(package: UUID, events: Sequence[PreservationEvent]) -> None:
            if self.signer_away:
                raise Unavailable("the signer is away")
            self.told += [(package, f"{each.type}: {each.outcome}", each.detail) for each in events]

        return Scrubber(self.database, self.sites, self.places, self.generations, self.clock, PLAN, tell, crash)

    def scrub(self, crash: Callable[[str], None] = lambda _point: None) -> None:
        scrubber = self.scrubber(crash)
        while scrubber.run_one():
            self.wait(timedelta(seconds=3))

    def path(self, site: str, number: int) -> Path:
        blobs = self.sites[SITES.index(site)].blobs
        assert isinstance(blobs, FilesystemBlobs)
        path = blobs.path(self.records[number].address)
        set_immutable(path, immutable=False)
        return path

    def rot(self, site: str, number: int, change: Callable[[bytes], bytes]) -> None:
        path = self.path(site, number)
        status = path.stat()
        path.chmod(0o600)
        path.write_bytes(change(path.read_bytes()))
        path.chmod(0o400)
        os.utime(path, (status.st_atime, status.st_mtime))

    def states(self, number: int) -> dict[str, CopyState]:
        with self.database.read() as tx:
            return {each.site: each.state for each in copies_of(tx, self.records[number].name, SITES)}

    def audited(self) -> list[tuple[str, str | None]]:
        while sequence(self.database):
            pass
        with self.database.read() as tx:
            told = [parse_json(each.entry) for each in entries(tx)]
        return [(each["event"], each["facts"].get("problem")) for each in told]

    def is_level(self) -> bool:
        whole = True
        for record in self.records:
            for site in self.sites:
                with site.blobs.open(record.address) as stream:
                    whole &= stream.read() == self.data[record.address]
                whole &= site.blobs.stat(record.address).retain_until == UNTIL
            whole &= all(key_area.read(record.name) == record for key_area in self.places.values())
        return whole


ROT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "flip": (lambda data: data[:77] + bytes([data[77] ^ 1]) + data[78:], "object-digest"),
    "truncate": (lambda data: data[:-1], "object-length"),
    "empty": (lambda _data: b"", "object-length"),
    "swap": (lambda data: b"object 9 " * (len(data) // 9), "object-digest"),
}


def slot(world: World, place: str, change: Callable[[bytearray], None]) -> None:
    """Changes the segment of a place on its disk."""
    path = world.folder / place / "segment-000000.slots"
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def flip(data: bytearray) -> None:
    for copy in (0, 1):
        data[slot_offset(0, copy) + 100] ^= 1


def blank(data: bytearray) -> None:
    for copy in (0, 1):
        data[slot_offset(0, copy) : slot_offset(0, copy) + COPY] = bytes(COPY)


def swap(data: bytearray) -> None:
    for copy in (0, 1):
        data[slot_offset(0, copy) : slot_offset(0, copy) + COPY] = data[
            slot_offset(1, copy) : slot_offset(1, copy) + COPY
        ]
