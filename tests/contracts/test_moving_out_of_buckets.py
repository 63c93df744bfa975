"""Moving between kinds of stores, with real locks and real clocks: a bucket gives up what has moved away when its lock
has ended, and not before."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.services.s3 import S3_STORES, fresh_bucket
from tests.simulator.postgresql import fresh_database
from zdda.catalog.object_copies import CopyState, copies_of
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.catalog.store_moves import MoveOrder, insert_move
from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import NotFound
from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed
from zdda.retention.leaving import LeavingCopies
from zdda.retention.moving import Mover
from zdda.retention.replication import Replicator
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_store import ObjectStore
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.site import Site

LOCKED = timedelta(seconds=8)
DATA = b"object " * 5000


@dataclass(frozen=True)
class Now:
    """This machine's clock alone: the store asks its own besides."""

    system: datetime

    @property
    def earliest(self) -> datetime:
        return self.system

    @property
    def clocks(self) -> tuple[tuple[str, datetime], ...]:
        return (("system", self.system),)


@pytest.fixture(params=S3_STORES)
def bucket(request: pytest.FixtureRequest) -> Iterator[S3Blobs]:
    with closing(S3Blobs(fresh_bucket(request.param))) as blobs:
        yield blobs


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[TenantDatabase]:
    """One kind is enough: the store's clock is what is waited for."""
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_engine(url)
        yield TenantDatabase(engine, TenantId("hospital"))
        engine.dispose()


def test_a_bucket_keeps_what_left_until_its_lock_ends(bucket: S3Blobs, sqlite: TenantDatabase, tmp_path: Path) -> None:
    clock, database = SystemClock(), sqlite
    generations = GenerationKeys(tmp_path / "g.json", LocalKeyWrapper(bytes(32), system_entropy), system_entropy, clock)
    generations.create(database.tenant)
    areas = [FilesystemKeyArea(tmp_path / name, system_entropy) for name in ("one", "two")]
    folder = FilesystemBlobs(tmp_path / "new", immutable=False)
    sites = [Site("bucket", bucket), Site("folder", folder)]
    store = ObjectStore(sites, areas, generations)
    name, found = ObjectName(database.tenant, UUID(int=1), ObjectKind.EVIDENCE_BATCH), digests_of(DATA)
    until = datetime.now(UTC).replace(microsecond=0) + LOCKED
    record = store.seal_record(name, ContentAddress(found.sha256), len(DATA), found.sha512, bytes(32), until)
    for area in areas:
        area.write(record)
    bucket.put(record.address, len(DATA), lambda: io.BytesIO(DATA), until)
    listed = StoredObject(name.package, str(name.kind), 0, str(record.address), len(DATA), found.sha512, 1, until)
    with database.write() as tx:
        insert_objects(tx, [(listed, Placed(("bucket",)))], clock.now())
        insert_move(tx, MoveOrder(UUID(int=9), "bucket", "folder", (), False, "somebody", clock.now()))
    mover = Mover(database, store, sites, lambda _name, _class: ("folder",), clock)
    leaving = LeavingCopies(database, store, sites, lambda: Now(clock.now()), clock)

    def states() -> dict[str, CopyState]:
        with database.read() as tx:
            return {each.site: each.state for each in copies_of(tx, name, ["bucket", "folder"])}

    mover.run_one()
    Replicator(database, store, sites[1], sites[:1], clock, threads=1).run_one()
    Mover(database, store, sites, lambda _name, _class: ("folder",), clock).run_one()
    leaving.run_one()
    assert states() == {"bucket": CopyState.LEAVING, "folder": CopyState.PRESENT}
    assert folder.stat(record.address).retain_until == until
    assert bucket.stat(record.address).length == len(DATA)
    give_up = time.monotonic() + 30
    while states()["bucket"] is not CopyState.ERASED:
        assert time.monotonic() < give_up
        time.sleep(0.5)
        leaving.run_one()
    assert datetime.now(UTC) >= until
    with pytest.raises(NotFound):
        bucket.open(record.address)
    with folder.open(record.address) as stream:
        assert stream.read() == DATA
    folder.close()
    for area in areas:
        area.close()
