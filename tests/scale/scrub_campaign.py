"""No false alarm: very many clean objects at two sites are scrubbed, and nothing is found.

    python -m tests.scale.scrub_campaign --objects 100000 --folder FOLDER

The folder holds the stores and the catalog: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select

from zdda.audit.log import entries, sequence
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.catalog.tables import object_copies, objects
from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.database.engine import open_engine
from zdda.database.migration import migrate
from zdda.database.session import TenantDatabase
from zdda.model.clock import FixedClock, SystemClock, system_entropy
from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed
from zdda.packaging.preservation_events import PreservationEvent
from zdda.retention.scrubbing import Scrubber, ScrubPlan
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord, seal_record
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site

_TENANT = TenantId("scale")
_SITES = ("one", "two")
_GROUP = 1000
_SIZE = 2000
_WRITERS = 16


class Campaign:
    """One folder's campaign."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        key = folder / "key"
        if not key.exists():
            LocalKeyWrapper.create(key, system_entropy)
        self._clock = FixedClock(SystemClock().now())
        wrapper = LocalKeyWrapper.load(key, system_entropy)
        self._generations = GenerationKeys(folder / "generations", wrapper, system_entropy, self._clock)
        if _TENANT not in self._generations.tenants():
            self._generations.create(_TENANT)
        self._engine = open_engine(f"sqlite:///{folder / 'catalog.db'}")
        migrate(self._engine)
        self._database = TenantDatabase(self._engine, _TENANT)
        self._sites = [Site(name, FilesystemBlobs(folder / name, immutable=False)) for name in _SITES]
        self._places = {name: FilesystemKeyArea(folder / f"records-{name}", system_entropy) for name in ("a", "b")}
        self._store = ObjectStore(self._sites, list(self._places.values()), self._generations)

    def fill(self, count: int) -> None:
        """Stores so many objects in all."""
        with self._database.read() as tx:
            done = tx.execute(select(func.count()).select_from(objects)).scalar_one()
        with ThreadPoolExecutor(_WRITERS) as writers:
            for start in range(done, count, _GROUP):
                numbers = range(start, min(start + _GROUP, count))
                listed = list(writers.map(self._put, numbers))
                with self._database.write() as tx:
                    insert_objects(tx, listed, self._clock.now())

    def _put(self, number: int) -> tuple[StoredObject, Placed]:
        data = number.to_bytes(8) * (_SIZE // 8)
        found = digests_of(data)
        name = ObjectName(_TENANT, UUID(int=number + 1), ObjectKind.AIP)
        address = ContentAddress(found.sha256)
        retain_until = self._clock.now() + timedelta(days=3650)
        record = seal_record(
            self._generations, name, address, len(data), found.sha512, system_entropy(32), retain_until
        )
        record = self._kept(record)
        placed = self._store.put(record, lambda: io.BytesIO(data))
        stored = StoredObject(
            name.package,
            name.kind.value,
            0,
            str(address),
            len(data),
            found.sha512,
            record.generation,
            record.retain_until,
        )
        return stored, placed

    def _kept(self, record: ObjectRecord) -> ObjectRecord:
        """The record of a run that was stopped before the catalog had it."""
        held = [each for each in self._places.values() if _has(each, record.name)]
        return held[0].read(record.name) if held else record

    def scrub(self) -> int:
        """Every copy that was not read yet; how many are read by now."""
        self._clock.move_to(self._clock.now() + timedelta(days=2))
        scrubber = Scrubber(
            self._database,
            self._sites,
            self._places,
            self._generations,
            self._clock,
            ScrubPlan(90, 10**15),
            _nothing_to_tell,
        )
        while scrubber.run_one():
            pass
        scrubber.settle()
        with self._database.read() as tx:
            whole = select(func.count()).select_from(object_copies).where(object_copies.c.checked_at.is_not(None))
            return int(tx.execute(whole).scalar_one())

    def findings(self) -> int:
        """What the audit has of scrubbing."""
        while sequence(self._database):
            pass
        with self._database.read() as tx:
            return sum(1 for _ in entries(tx))

    def close(self) -> None:
        for site in self._sites:
            site.close()
        for place in self._places.values():
            place.close()
        self._engine.dispose()


def _has(place: FilesystemKeyArea, name: ObjectName) -> bool:
    try:
        place.read(name)
    except Exception:  # noqa: BLE001 - whatever it is, it is no record to go on with
        return False
    return True


def _nothing_to_tell(_package: UUID, events: Sequence[PreservationEvent]) -> None:
    raise AssertionError(f"a clean copy was found wanting: {events}")


def main(arguments: list[str] | None = None) -> int:
    """The campaign's command; 1 for a false alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(arguments)
    campaign = Campaign(given.folder)
    begun = time.monotonic()
    campaign.fill(given.objects)
    filled = time.monotonic()
    checked = campaign.scrub()
    scrubbed = time.monotonic()
    found = campaign.findings()
    campaign.close()
    print(
        f"{given.objects} objects at {len(_SITES)} sites: {checked} copies read in {scrubbed - filled:.0f} s "
        f"(stored in {filled - begun:.0f} s), {found} findings"
    )
    return 0 if not found and checked == given.objects * len(_SITES) else 1


if __name__ == "__main__":
    sys.exit(main())
