"""Scrubbing of a store in a folder against reading and hashing the same files by two threads, in one run."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from benchmarks.storage import TENANT, Door
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.database.engine import open_engine
from zdda.database.migration import migrate
from zdda.database.session import TenantDatabase
from zdda.model.clock import FixedClock, SystemClock
from zdda.model.placement import Placed
from zdda.packaging.preservation_events import PreservationEvent
from zdda.retention.scrubbing import Scrubber, ScrubPlan
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.object_record import ObjectRecord
from zdda.storage.site import Site

LEAST = 0.8
_SIZES = {1_000_000: 300, 100_000: 1000}
_ROUNDS = 5
_NO_BUDGET = 10**15


def scrub(folder: Path) -> bool:
    """Every copy read, compared, its records in two places verified, its row marked; objects of 1 MB, and of 100 KB."""
    ratios = {size: _ratio(folder / str(size), size, count) for size, count in _SIZES.items()}
    return ratios[1_000_000] >= LEAST


def _ratio(folder: Path, size: int, count: int) -> float:
    folder.mkdir()
    blobs = FilesystemBlobs(folder / "store", immutable=False)
    door = Door(folder, blobs)
    records = []
    for number in range(count):
        record, data = door.sealed(number + 1, size)
        door.put((record, data))
        records.append(record)
    engine = open_engine(f"sqlite:///{folder / 'catalog.db'}")
    migrate(engine)
    database, clock = TenantDatabase(engine, TENANT), FixedClock(SystemClock().now())
    listed = [(stored(record), Placed(("main",))) for record in records]
    with database.write() as tx:
        insert_objects(tx, listed, clock.now() - timedelta(days=2))
    places = {str(number): area for number, area in enumerate(door.areas)}
    plan = ScrubPlan(90, _NO_BUDGET)
    scrubber = Scrubber(database, [Site("main", blobs)], places, door.generations, clock, plan, _nothing_to_tell)
    paths = [blobs.path(record.address) for record in records]
    rates = []
    for _ in range(_ROUNDS + 1):
        theirs = _timed(lambda: _read(paths))
        ours = _timed(lambda: _all(scrubber))
        rates.append((size * count / ours, size * count / theirs))
        clock.move_to(clock.now() + timedelta(days=91))
    del rates[0]  # it has warmed up
    ratio = statistics.median(ours / theirs for ours, theirs in rates)
    mine, bare = (statistics.median(each) / 1e6 for each in zip(*rates, strict=True))
    print(f"scrub: objects of {size / 1000:.0f} KB {mine:.0f} MB/s, two threads {bare:.0f} MB/s, ratio {ratio:.2f}")
    scrubber.settle()
    engine.dispose()
    blobs.close()
    return ratio


def stored(record: ObjectRecord) -> StoredObject:
    """As the catalog lists it."""
    name = record.name
    return StoredObject(
        name.package,
        name.kind.value,
        name.sequence,
        str(record.address),
        record.length,
        record.sha512,
        record.generation,
        record.retain_until,
    )


def _all(scrubber: Scrubber) -> None:
    while scrubber.run_one():
        pass


def _read(paths: Sequence[Path]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(_hashed, paths):
            pass


def _hashed(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _timed(call: Callable[[], None]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _nothing_to_tell(_package: UUID, events: Sequence[PreservationEvent]) -> None:
    raise RuntimeError(f"a clean copy was found wanting: {events}")
