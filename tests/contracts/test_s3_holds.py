"""Prolonging a lock in a bucket while a legal hold is on: both stay, or it is said that they do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.contracts.test_blob_store import DATA, UNTIL, put
from tests.contracts.test_erasing import permitted
from tests.services.s3 import S3_STORES, fresh_bucket
from tests.simulator.faulty_store import Answer, FaultyStore, Forward, Request
from zdda.model.identifiers import ContentAddress
from zdda.storage.erase_permit import EraseRefused
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_errors import StoreRefuses, WriteNotKept
from zdda.storage.s3_versions import COMPLIANCE, LATEST_LOCK, key_of

LATER = UNTIL + timedelta(days=366)
_PATIENCE = 15.0


@pytest.fixture(params=S3_STORES)
def bucket(request: pytest.FixtureRequest) -> S3Address:
    return fresh_bucket(request.param)


@pytest.fixture
def store(bucket: S3Address) -> Iterator[S3Blobs]:
    with closing(S3Blobs(bucket)) as opened:
        yield opened


def on_its_own(bucket: S3Address, address: ContentAddress) -> tuple[datetime, str]:
    """(end of the retention, legal hold), asked of the store apart from everything of ours."""
    client, which = connect(bucket), {"Bucket": bucket.bucket, "Key": key_of(address)}
    retention = client.get_object_retention(**which)["Retention"]
    assert retention["Mode"] == COMPLIANCE
    return retention["RetainUntilDate"].astimezone(UTC), client.get_object_legal_hold(**which)["LegalHold"]["Status"]


def wait_past(store: S3Blobs, moment: datetime) -> None:
    end = time.monotonic() + _PATIENCE
    while (now := store.own_time()) is None or now <= moment:
        assert time.monotonic() < end, "the store's clock stands still"
        time.sleep(0.1)


@pytest.mark.parametrize("by", ["extend", "put"])
def test_a_lock_is_prolonged_under_a_hold_and_both_stay(by: str, store: S3Blobs, bucket: S3Address) -> None:
    address = put(store)
    store.hold(address, held=True)
    if by == "extend":
        store.extend(address, LATER)
    else:
        put(store, until=LATER)
    assert store.stat(address).retain_until == LATER
    assert store.is_held(address)
    assert on_its_own(bucket, address) == (LATER, "ON")
    store.hold(address, held=False)
    assert on_its_own(bucket, address) == (LATER, "OFF")
    versions = connect(bucket).list_object_versions(Bucket=bucket.bucket, Prefix=key_of(address))["Versions"]
    assert len(versions) == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        connect(bucket).delete_object(Bucket=bucket.bucket, Key=key_of(address), VersionId=versions[0]["VersionId"])


def test_a_hold_shortens_nothing_and_lets_nobody_shorten(store: S3Blobs, bucket: S3Address) -> None:
    address = put(store)
    store.hold(address, held=True)
    store.extend(address, UNTIL - timedelta(days=366))
    put(store, until=UNTIL - timedelta(days=366))
    assert on_its_own(bucket, address) == (UNTIL, "ON")


@pytest.mark.parametrize("wanted", [datetime(2107, 1, 1, tzinfo=UTC), datetime(3026, 1, 1, tzinfo=UTC)])
def test_beyond_the_last_day_the_lock_under_a_hold_ends_there_and_does_not_wrap(
    wanted: datetime, store: S3Blobs, bucket: S3Address
) -> None:
    address = put(store)
    store.hold(address, held=True)
    store.extend(address, wanted)
    store.extend(address, wanted)
    assert on_its_own(bucket, address) == (LATEST_LOCK, "ON")


def test_a_lock_that_has_ended_under_a_hold_is_set_again(store: S3Blobs, bucket: S3Address) -> None:
    """versitygw's hold ends with the retention: so the archive prolongs the lock of what is held, also when late."""
    until = (store.own_time() or datetime.now(UTC)) + timedelta(seconds=2)
    address = put(store, until=until)
    store.hold(address, held=True)
    wait_past(store, until)
    with pytest.raises(EraseRefused):
        store.erase(address, permitted(store))
    store.extend(address, UNTIL)
    assert on_its_own(bucket, address) == (UNTIL, "ON")
    with pytest.raises(EraseRefused):
        store.erase(address, permitted(store))
    with store.open(address) as stream:
        assert stream.read() == DATA


@pytest.mark.parametrize("lie", ["refused", "swallowed"])
def test_a_store_that_does_not_prolong_under_a_hold_is_found_out(lie: str, bucket: S3Address) -> None:
    def lies(request: Request, forward: Forward) -> Answer:
        if request.asks("PUT", "retention"):
            return Answer(200) if lie == "swallowed" else Answer(403)
        return forward(request)

    with closing(S3Blobs(bucket)) as store:
        address = put(store)
        store.hold(address, held=True)
    with (
        FaultyStore(bucket.endpoint, lies) as proxy,
        closing(S3Blobs(replace(bucket, endpoint=proxy.endpoint))) as behind,
        pytest.raises(WriteNotKept if lie == "swallowed" else StoreRefuses),
    ):
        behind.extend(address, LATER)
    assert on_its_own(bucket, address) == (UNTIL, "ON")
