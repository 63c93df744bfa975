"""What every store promises when it erases: only with a permit, only after the lock, completely, also after a crash."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.contracts.test_blob_store import DATA, UNTIL, Died, address_of, path_of, put
from tests.services.blob_stores import KINDS_OF_STORES, empty_store
from tests.services.s3 import S3_STORES, fresh_bucket
from tests.simulator.faulty_disk import failing
from tests.simulator.faulty_store import Answer, FaultyStore, Forward, Request
from zdda.model.errors import NotFound
from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.retention.permits import permit
from zdda.storage.blob_store import BlobStore, StoreFailed
from zdda.storage.erase_permit import (
    ErasePermit,
    EraseReason,
    EraseRefused,
    Erasure,
    NotErased,
    StillHeld,
    StillLocked,
)
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_eraser import ERASE_POINTS
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_eraser import ERASE_POINTS as S3_POINTS
from zdda.storage.s3_versions import COMPLIANCE, key_of

NAME = ObjectName(TenantId("hospital"), UUID(int=1), ObjectKind.AIP)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
_PATIENCE = 15.0


def permitted(store: BlobStore, data: bytes = DATA, at: datetime | None = None) -> ErasePermit:
    """A permit by the store's own clock, or by one that says ``at``."""
    now = at or store.own_time() or datetime(2026, 11, 24, tzinfo=UTC)
    return permit(
        address_of(data),
        NAME,
        EraseReason.DISPOSAL,
        issued_at=now,
        decided_by="archivist",
        plan="the plan",
        clocks={"system": now, "timestamp": now},
    )


def put_for_a_moment(store: BlobStore, data: bytes = DATA) -> ContentAddress:
    """An object whose lock is over. A bucket takes no lock that is over already: it gets one of two seconds by its
    own clock, and that clock is asked until they have passed."""
    if not isinstance(store, S3Blobs):
        return put(store, data, PAST)
    until = (store.own_time() or PAST) + timedelta(seconds=2)
    address = put(store, data, until)
    end = time.monotonic() + _PATIENCE
    while (store.own_time() or PAST) <= until:
        assert time.monotonic() < end, "the store's clock stands still"
    return address


@pytest.fixture(params=KINDS_OF_STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    with empty_store(request.param, tmp_path / "store") as made:
        yield made


def gone(store: BlobStore, data: bytes = DATA) -> bool:
    try:
        store.open(address_of(data)).close()
    except NotFound:
        return address_of(data) not in store.addresses()
    return False


def test_what_may_go_goes_and_its_neighbour_stays(store: BlobStore) -> None:
    address, neighbour = put_for_a_moment(store), put(store, b"neighbour")
    deletion = store.erase(address, permitted(store))
    assert deletion.outcome is Erasure.ERASED
    assert deletion.address == address
    assert gone(store)
    with pytest.raises(NotFound):
        store.stat(address)
    with store.open(neighbour) as stream:
        assert stream.read() == b"neighbour"


def test_erasing_may_be_repeated(store: BlobStore) -> None:
    address = put_for_a_moment(store)
    store.erase(address, permitted(store))
    assert store.erase(address, permitted(store)).outcome is Erasure.ABSENT


def test_what_was_erased_can_be_stored_again(store: BlobStore) -> None:
    address = put_for_a_moment(store)
    store.erase(address, permitted(store))
    put(store)
    assert store.stat(address).retain_until == UNTIL


def test_a_lock_refuses(store: BlobStore) -> None:
    address = put(store)
    with pytest.raises(StillLocked) as caught:
        store.erase(address, permitted(store))
    assert caught.value.until == UNTIL
    with store.open(address) as stream:
        assert stream.read() == DATA


def test_the_permit_of_another_object_refuses(store: BlobStore) -> None:
    address = put(store, until=PAST) if not isinstance(store, S3Blobs) else put(store)
    with pytest.raises(EraseRefused):
        store.erase(address, permitted(store, b"another"))
    assert not gone(store)


@pytest.mark.parametrize("store", ["filesystem", "sftp", *S3_STORES], indirect=True)
def test_a_permit_by_clocks_that_leapt_refuses(store: BlobStore) -> None:
    """Thirty years ahead of the store's own clock, the lock looks over. (One in memory has no clock of its own.)"""
    address = put(store)
    with pytest.raises(EraseRefused):
        store.erase(address, permitted(store, at=(store.own_time() or PAST) + timedelta(days=30 * 366)))
    assert not gone(store)


def test_a_permit_is_for_clocks_that_agree() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)

    def of(**clocks: datetime) -> ErasePermit:
        return permit(
            address_of(b""),
            NAME,
            EraseReason.DISPOSAL,
            issued_at=now,
            decided_by="archivist",
            plan="p",
            clocks=clocks,
        )

    assert of(system=now, timestamp=now - timedelta(hours=23)).earliest == now - timedelta(hours=23)
    for clocks in ({}, {"system": now, "timestamp": now + timedelta(hours=25)}, {"s": now + timedelta(days=9999)}):
        with pytest.raises(ValueError, match="clocks"):
            of(**clocks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_file_is_overwritten_in_place_pass_by_pass_before_its_name_goes(
    folder: Path,
) -> None:
    seen: list[tuple[str, str]] = []
    other_name = folder / "another name of the same file"

    def crash(here: str) -> None:
        seen.append((here, hashlib.sha256(other_name.read_bytes()).hexdigest()))

    store = FilesystemBlobs(folder, immutable=False, passes=4)
    address = put(store, until=PAST)
    os.link(path_of(folder), other_name)
    store.close()
    store = FilesystemBlobs(folder, immutable=False, passes=4, crash=crash)
    deletion = store.erase(address, permitted(store))
    assert deletion.passes == ("zeros", "ones", "random", "zeros")
    told = deletion.evidence.get("fanotify") or deletion.evidence["inotify"]
    for each in ("moved-from", "moved-to", "modified", "deleted", address.digest.hex(), deletion.evidence["last name"]):
        assert each in told
    digests = dict(seen)
    assert digests["erase.move-durable"] == address.digest.hex()
    assert digests["erase.overwritten-ones"] == hashlib.sha256(b"\xff" * len(DATA)).hexdigest()
    assert digests["erase.overwritten-random"] not in (address.digest.hex(), digests["erase.overwritten-ones"])
    assert other_name.read_bytes() == b""
    assert list((folder / "erasing").iterdir()) == []
    store.close()


@pytest.mark.parametrize("point", ERASE_POINTS)
@pytest.mark.parametrize("immutable", [False, True])
def test_after_a_crash_the_object_is_whole_or_not_there_and_a_repeated_erasure_ends_it(
    immutable: bool, point: str, folder: Path
) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    store = FilesystemBlobs(folder, immutable=immutable)
    address = put(store, until=PAST)
    store.close()
    dying = FilesystemBlobs(folder, immutable=immutable, crash=crash)
    with pytest.raises(Died):
        dying.erase(address, permitted(dying))
    dying.close()
    again = FilesystemBlobs(folder, immutable=immutable)
    for each in again.addresses():
        with again.open(each) as stream:
            assert stream.read() == DATA
    before_end = ERASE_POINTS.index(point) < ERASE_POINTS.index("erase.renamed")
    outcome = again.erase(address, permitted(again)).outcome
    assert outcome is (Erasure.ERASED if before_end else Erasure.ABSENT)
    assert gone(again)
    assert list((folder / "erasing").iterdir()) == []
    again.close()


def test_what_an_erasure_left_is_a_stray_until_it_is_ended(folder: Path) -> None:
    def crash(here: str) -> None:
        if here == "erase.overwritten-zeros":
            raise Died

    dying = FilesystemBlobs(folder, immutable=False, crash=crash)
    address = put(dying, until=PAST)
    with pytest.raises(Died):
        dying.erase(address, permitted(dying))
    dying.close()
    again = FilesystemBlobs(folder, immutable=False)
    assert list(again.strays()) == [f"erasing/{address.digest.hex()}"]
    put(again, until=PAST)
    assert again.erase(address, permitted(again)).outcome is Erasure.ERASED
    assert list(again.strays()) == []
    assert list(again.addresses()) == []
    again.close()


@pytest.mark.parametrize("at", range(1, 8))
def test_a_failing_disk_stops_the_store_and_the_erasure_is_ended_later(
    at: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FilesystemBlobs(folder, immutable=False)
    address = put(store, until=PAST)
    with failing(monkeypatch, "fsync", at, "before") as calls:
        for _ in range(2):
            with pytest.raises(StoreFailed):
                store.erase(address, permitted(store))
        assert calls() == at
    store.close()
    again = FilesystemBlobs(folder, immutable=False)
    again.erase(address, permitted(again))
    assert gone(again)
    again.close()


@pytest.fixture(params=S3_STORES)
def bucket(request: pytest.FixtureRequest) -> S3Address:
    return fresh_bucket(request.param)


def test_every_version_and_marker_goes(bucket: S3Address) -> None:
    client, which = connect(bucket), {"Bucket": bucket.bucket, "Key": key_of(address_of(DATA))}
    client.delete_object(**which)
    with closing(S3Blobs(bucket)) as store:
        address = put_for_a_moment(store)
        deletion = store.erase(address, permitted(store))
        assert len(deletion.evidence["versions"].split()) == len(deletion.evidence["requests"].split()) in (1, 2)
    listed = client.list_object_versions(Bucket=bucket.bucket, Prefix=which["Key"])
    assert not listed.get("Versions")
    assert not listed.get("DeleteMarkers")


def test_a_legal_hold_refuses(bucket: S3Address) -> None:
    with closing(S3Blobs(bucket)) as store:
        address = put_for_a_moment(store)
        store.hold(address, held=True)
        assert store.stat(address).held
        with pytest.raises(StillHeld):
            store.erase(address, permitted(store))
        assert not gone(store)
        store.hold(address, held=False)
        store.erase(address, permitted(store))
        assert gone(store)


def test_one_locked_version_keeps_all(bucket: S3Address) -> None:
    with closing(S3Blobs(bucket)) as store:
        address = put_for_a_moment(store)
        lock = {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": UNTIL}
        connect(bucket).put_object(Bucket=bucket.bucket, Key=key_of(address), Body=b"not ours", **lock)
        with pytest.raises(StillLocked):
            store.erase(address, permitted(store))
        with store.open(address) as stream:
            assert stream.read() == DATA


@pytest.mark.parametrize("point", S3_POINTS)
def test_after_a_crash_in_a_bucket_a_repeated_erasure_ends_it(point: str, bucket: S3Address) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    with closing(S3Blobs(bucket, crash=crash)) as dying:
        address = put_for_a_moment(dying)
        with pytest.raises(Died):
            dying.erase(address, permitted(dying))
    with closing(S3Blobs(bucket)) as again:
        again.erase(address, permitted(again))
        assert gone(again)


def test_a_store_that_deletes_nothing_is_found_out(bucket: S3Address) -> None:
    def lies(request: Request, forward: Forward) -> Answer:
        return Answer(204) if request.method == "DELETE" else forward(request)

    with (
        FaultyStore(bucket.endpoint, lies) as proxy,
        closing(S3Blobs(replace(bucket, endpoint=proxy.endpoint))) as store,
    ):
        address = put_for_a_moment(store)
        with pytest.raises(NotErased):
            store.erase(address, permitted(store))
        assert not gone(store)
