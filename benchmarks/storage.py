"""The store in S3 (Ceph RGW, started here) against bare boto3, in one run. ``python -m benchmarks s3 s3-large``."""

from __future__ import annotations

import hashlib
import io
import secrets
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from tests.services.s3 import fresh_bucket
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.crypto.streaming_aead import EncryptingWriter
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import BlobStore
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.site import Site

_MIB = 1024 * 1024
CLIENTS, ROUNDS = 16, 7
_OBJECTS, _SIZE = 160, 100_000
_UNTIL = datetime(2036, 1, 1, tzinfo=UTC)
TENANT = TenantId("benchmark")
LEAST_PUT, LEAST_GET, MOST_GROWTH, MOST_RANGE = 0.6, 0.8, 8 * _MIB, 3.0


class _Sealed(io.BytesIO):
    """What ``EncryptingWriter`` writes to."""


class Door:
    """``ObjectStore`` over a store of bytes, with two places of object records on this disk."""

    def __init__(self, folder: Path, blobs: BlobStore) -> None:
        LocalKeyWrapper.create(folder / "key", system_entropy)
        wrapper = LocalKeyWrapper.load(folder / "key", system_entropy)
        self.generations = GenerationKeys(folder / "generations", wrapper, system_entropy, SystemClock())
        self.generations.create(TENANT)
        self.areas = [FilesystemKeyArea(folder / name, system_entropy) for name in ("one", "two")]
        self.store = ObjectStore([Site("main", blobs)], self.areas, self.generations)

    def sealed(self, number: int, size: int = _SIZE) -> tuple[ObjectRecord, bytes]:
        """An object that is about to be stored."""
        name = ObjectName(TENANT, UUID(int=number), ObjectKind.AIP, 0)
        key, out = system_entropy(32), _Sealed()
        writer = EncryptingWriter(out, key, name.associated_data(), system_entropy(32), system_entropy(7))
        writer.write(secrets.token_bytes(size))
        writer.close()
        data = out.getvalue()
        address, second = ContentAddress(hashlib.sha256(data).digest()), hashlib.sha512(data).digest()
        return self.store.seal_record(name, address, len(data), second, key, _UNTIL), data

    def put(self, one: tuple[ObjectRecord, bytes]) -> None:
        self.store.put(one[0], lambda: io.BytesIO(one[1]))

    def get(self, one: tuple[ObjectRecord, bytes]) -> None:
        with self.store.open(one[0].name) as stream:
            if len(stream.read()) != _SIZE:
                raise RuntimeError("an object is not whole")


class _Bare:
    """boto3 alone: PUT with lock headers and the read-back of the lock; GET."""

    def __init__(self, address: S3Address) -> None:
        self._client, self._bucket = connect(address), address.bucket

    def put(self, one: tuple[str, bytes]) -> None:
        lock: dict[str, Any] = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": _UNTIL}
        answer = self._client.put_object(Bucket=self._bucket, Key=one[0], Body=one[1], **lock)
        told = self._client.head_object(Bucket=self._bucket, Key=one[0], VersionId=answer["VersionId"])
        if told["ObjectLockRetainUntilDate"] != _UNTIL:
            raise RuntimeError("the lock is another one")

    def get(self, one: tuple[str, bytes]) -> None:
        if len(self._client.get_object(Bucket=self._bucket, Key=one[0])["Body"].read()) != len(one[1]):
            raise RuntimeError("an object is not whole")


def s3(folder: Path) -> bool:
    """PUT and GET of 100 KB with 16 clients, through the whole door to Archival Storage, against bare boto3."""
    address = fresh_bucket("ceph")
    blobs, bare = S3Blobs(address), _Bare(fresh_bucket("ceph"))
    door = Door(folder, blobs)
    rates: list[list[float]] = []
    for number in range(ROUNDS + 1):
        ours = [door.sealed(number * _OBJECTS + each + 1) for each in range(_OBJECTS)]
        theirs = [(f"objects/{number}-{each}", one[1]) for each, one in enumerate(ours)]
        calls = ((door.put, ours), (bare.put, theirs), (door.get, ours), (bare.get, theirs))
        rates.append([rate_of(call, of, CLIENTS) for call, of in calls])
    del rates[0]  # it has warmed up
    put, bare_put, get, bare_get = (statistics.median(each) for each in zip(*rates, strict=True))
    puts = statistics.median(each[0] / each[1] for each in rates)
    gets = statistics.median(each[2] / each[3] for each in rates)
    print(f"s3 put: {put:.1f}/s, bare {bare_put:.1f}/s, median ratio {puts:.2f}")
    print(f"s3 get: {get:.1f}/s, bare {bare_get:.1f}/s, median ratio {gets:.2f}")
    blobs.close()
    return puts >= LEAST_PUT and gets >= LEAST_GET


def s3_large(_folder: Path) -> bool:
    """Memory at 1 GB less that at 10 MB, and the first MiB of a range against a bare ranged GET."""
    address = fresh_bucket("ceph")
    blobs, client, peaks = S3Blobs(address), connect(address), []
    for length in (10_000_000, 1_000_000_000):
        large = _address_of_zeros(length)
        tracemalloc.start()
        blobs.put(large, length, lambda length=length: _Zeros(length), _UNTIL)  # type: ignore[misc]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    ours, bare = [], []
    which = {"Bucket": address.bucket, "Key": f"objects/{large.digest.hex()}"}
    for at in range(30):
        start = at * 30_000_000
        begun = time.perf_counter()
        client.get_object(**which, Range=f"bytes={start}-{start + _MIB - 1}")["Body"].read()
        between = time.perf_counter()
        with blobs.open(large) as stream:
            stream.seek(start)
            stream.read(1)
        ours.append(time.perf_counter() - between)
        bare.append(between - begun)
    growth, ratio = peaks[1] - peaks[0], statistics.median(ours) / statistics.median(bare)
    print(f"s3 memory: growth from 10 MB to 1 GB {growth / _MIB:.1f} MiB (peak {peaks[1] / _MIB:.1f} MiB)")
    print(f"s3 range: first byte {statistics.median(ours) * 1000:.1f} ms, ratio {ratio:.2f}")
    blobs.close()
    return growth <= MOST_GROWTH and ratio <= MOST_RANGE


class _Zeros(io.RawIOBase):
    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return bytes(size)


def _address_of_zeros(length: int) -> ContentAddress:
    stream: BinaryIO = _Zeros(length)  # type: ignore[assignment]
    digest = hashlib.sha256()
    while chunk := stream.read(_MIB):
        digest.update(chunk)
    return ContentAddress(digest.digest())


def rate_of(call: Callable[[Any], None], of: Sequence[Any], clients: int) -> float:
    """Calls a second, by so many clients at once."""
    with ThreadPoolExecutor(clients) as pool:
        begun = time.perf_counter()
        for _ in pool.map(call, of):
            pass
        return len(of) / (time.perf_counter() - begun)
