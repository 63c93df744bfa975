"""What a store in a bucket promises beyond every store: parts, ranges, locks of its own, nothing hidden; really."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.contracts.test_blob_store import DATA, UNTIL, Died, address_of, put, stream_of
from tests.services.s3 import S3_STORES, fresh_bucket
from zdda.model.errors import NotFound
from zdda.storage import s3_bucket
from zdda.storage.blob_store import BlobMismatch
from zdda.storage.s3_blobs import CRASH_POINTS, S3Blobs
from zdda.storage.s3_bucket import sweep_uploads
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_versions import COMPLIANCE, LATEST_LOCK, key_of

_MIB = 1024 * 1024
LARGE = bytes(range(256)) * 4096 * 11 + b"and a little more"
"""Three parts of 5 MiB."""


@pytest.fixture(params=S3_STORES)
def address(request: pytest.FixtureRequest) -> S3Address:
    return fresh_bucket(request.param)


@pytest.fixture
def store(address: S3Address) -> Iterator[S3Blobs]:
    with closing(S3Blobs(address, part_bytes=5 * _MIB)) as opened:
        yield opened


def versions(address: S3Address, data: bytes) -> list[str]:
    listed = connect(address).list_object_versions(Bucket=address.bucket, Prefix=key_of(address_of(data)))
    return [each["VersionId"] for each in listed.get("Versions", [])]


@pytest.mark.parametrize("data", [DATA, LARGE, b""], ids=["whole", "parts", "empty"])
def test_every_object_has_its_own_lock_which_holds(data: bytes, store: S3Blobs, address: S3Address) -> None:
    put(store, data)
    client, (version,) = connect(address), versions(address, data)
    which = {"Bucket": address.bucket, "Key": key_of(address_of(data)), "VersionId": version}
    assert client.get_object_retention(**which)["Retention"] == {"Mode": COMPLIANCE, "RetainUntilDate": UNTIL}
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(**which)
    sooner = {"Mode": COMPLIANCE, "RetainUntilDate": UNTIL - timedelta(days=1)}
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object_retention(**which, Retention=sooner)
    with store.open(address_of(data)) as stream:
        assert stream.read() == data


def test_a_repeated_put_makes_no_second_version(store: S3Blobs, address: S3Address) -> None:
    for data in (DATA, LARGE):
        put(store, data)
        put(store, data, UNTIL + timedelta(days=1))
        assert len(versions(address, data)) == 1
        assert store.stat(address_of(data)).retain_until == UNTIL + timedelta(days=1)


@pytest.mark.parametrize("wrong", [LARGE[:-1], LARGE + b"x", LARGE[:-1] + b"x"], ids=["short", "long", "other"])
def test_parts_of_other_bytes_leave_nothing(wrong: bytes, store: S3Blobs, address: S3Address) -> None:
    with pytest.raises(BlobMismatch):
        store.put(address_of(LARGE), len(LARGE), stream_of(wrong), UNTIL)
    assert list(store.addresses()) == []
    assert "Uploads" not in connect(address).list_multipart_uploads(Bucket=address.bucket)


def test_ranges_are_read_anywhere(store: S3Blobs) -> None:
    put(store, LARGE)
    with store.open(address_of(LARGE)) as stream:
        for start in (len(LARGE) - 10, 5 * _MIB - 3, 0, 1_100_000, 1_114_110, 7 * _MIB + 1):
            stream.seek(start)
            assert stream.read(300_000) == LARGE[start : start + 300_000]
        assert stream.seek(-5, io.SEEK_END) == len(LARGE) - 5
        assert stream.read() == LARGE[-5:]
        assert stream.seek(10**12) == 10**12
        assert stream.read(1) == b""
    with store.open(address_of(LARGE)) as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == address_of(LARGE).digest


def test_a_lock_never_reaches_where_seconds_wrap(store: S3Blobs) -> None:
    address = put(store, until=datetime(2200, 1, 1, tzinfo=UTC))
    assert store.stat(address).retain_until == LATEST_LOCK < datetime(2106, 2, 7, tzinfo=UTC)
    store.extend(address, datetime(2300, 1, 1, tzinfo=UTC))
    assert store.stat(address).retain_until == LATEST_LOCK


def test_what_is_put_on_top_hides_nothing(store: S3Blobs, address: S3Address) -> None:
    ours, client = put(store), connect(address)
    which = {"Bucket": address.bucket, "Key": key_of(ours)}
    client.put_object(**which, Body=b"something else")
    client.delete_object(**which)
    assert store.stat(ours).retain_until == UNTIL
    assert list(store.addresses()) == [ours]
    store.extend(ours, UNTIL + timedelta(days=9))
    assert store.stat(ours).retain_until == UNTIL + timedelta(days=9)
    store.hold(ours, held=True)
    assert store.is_held(ours)
    with store.open(ours) as stream:
        assert stream.read() == DATA
    put(store)
    with store.open(ours) as stream:
        assert stream.read() == DATA


def test_a_deletion_marker_on_nothing_is_nothing(store: S3Blobs, address: S3Address) -> None:
    connect(address).delete_object(Bucket=address.bucket, Key=key_of(address_of(DATA)))
    with pytest.raises(NotFound):
        store.open(address_of(DATA))
    assert list(store.addresses()) == []


def test_a_legal_hold_is_set_read_back_and_lifted(store: S3Blobs) -> None:
    ours = put(store)
    assert not store.is_held(ours)
    for held in (True, True, False):
        store.hold(ours, held=held)
        assert store.is_held(ours) == held
    for ask in (lambda: store.hold(address_of(b""), held=True), lambda: store.is_held(address_of(b""))):
        with pytest.raises(NotFound):
            ask()


def test_strays_are_named(store: S3Blobs, address: S3Address) -> None:
    put(store)
    client = connect(address)
    for key in ("elsewhere", "objects/not-hex", "objects/" + "AB" * 32):
        client.put_object(Bucket=address.bucket, Key=key, Body=b"x")
    client.put_object(Bucket=address.bucket, Key="zdda-store.json", Body=b"x")
    assert set(store.strays()) == {"elsewhere", "objects/not-hex", "objects/" + "AB" * 32}
    assert list(store.addresses()) == [address_of(DATA)]


@pytest.mark.parametrize("data", [DATA, LARGE], ids=["whole", "parts"])
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_object_is_whole_or_not_there(point: str, data: bytes, address: S3Address) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    with closing(S3Blobs(address, part_bytes=5 * _MIB, crash=crash)) as dying:
        if point != "blob.part-sent" or data is LARGE:
            with pytest.raises(Died):
                put(dying, data)
    with closing(S3Blobs(address, part_bytes=5 * _MIB)) as again:
        for each in again.addresses():
            with again.open(each) as stream:
                assert stream.read() == data
        put(again, data)
        assert list(again.addresses()) == [address_of(data)]
        assert again.stat(address_of(data)).retain_until == UNTIL


def test_unfinished_uploads_are_swept_after_a_day(address: S3Address, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(address)
    client.create_multipart_upload(Bucket=address.bucket, Key=key_of(address_of(b"left")))
    assert sweep_uploads(client, address.bucket) == 0
    monkeypatch.setattr(s3_bucket, "_UNFINISHED", timedelta(days=-1))
    assert sweep_uploads(client, address.bucket) == 1
    assert "Uploads" not in client.list_multipart_uploads(Bucket=address.bucket)


class _Zeros(io.RawIOBase):
    """So many bytes that lie nowhere."""

    def __init__(self, length: int) -> None:
        self.left = length

    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return bytes(size)


def test_memory_does_not_grow_with_the_object(address: S3Address) -> None:
    """The same peak for 64 MiB as for 12."""
    peaks = []
    with closing(S3Blobs(address)) as store:
        for length in (12 * _MIB, 64 * _MIB):
            ours = address_of(bytes(length))
            tracemalloc.start()
            try:
                store.put(ours, length, lambda length=length: _Zeros(length), UNTIL)  # type: ignore[misc]
                with store.open(ours) as stream:
                    while stream.read(_MIB):
                        pass
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2 * _MIB, peaks


def test_neither_the_environment_nor_files_of_the_user_are_read(
    address: S3Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    for name, value in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_CA_BUNDLE": "/nowhere",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(S3Blobs(address)) as store:
        put(store)
