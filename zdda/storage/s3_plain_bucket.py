"""A bucket *without* versioning and object lock: what is overwritten or deleted there is gone. For object records."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from botocore.exceptions import ClientError

from zdda.model.clock import Entropy
from zdda.storage.blob_store import StoreFailed, StoreNotGuaranteed, WrongStore
from zdda.storage.s3_bucket import bucket_exists
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_errors import StoreRefuses, WriteNotKept, code_of, status_of, translated
from zdda.storage.s3_reader import fetch
from zdda.storage.store_marker import ABSENT, NAME, marker, problem_of

OPENER = "opened-by"
"""The object that names who opened the bucket last."""
_EVERY = 10.0
"""Seconds for which an answered claim is believed by a write that rewrites nothing."""
_AT_ONCE = 1000
"""Keys of one request that deletes."""
_MARKER = 1024 * 1024


class NotErasable(StoreNotGuaranteed):
    """The bucket keeps what is overwritten and deleted there: no place for what has to be destroyed some day."""

    code = "not-erasable"


class PlainBucket:
    """Whole objects by key. Every write is compared with the store's own digest (ETag) of it. Raises the archive's
    errors of a store."""

    def __init__(self, address: S3Address) -> None:
        self._client, self._bucket, self._attempts = connect(address), address.bucket, address.attempts

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def make(self) -> None:
        """Makes the bucket; one that is there stays as it is."""
        with translated():
            try:
                self._client.create_bucket(Bucket=self._bucket)
            except ClientError as error:
                if code_of(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise

    def exists(self) -> bool:
        """Raises what the store's other answers mean."""
        return bucket_exists(self._client, self._bucket)

    def check(self) -> None:
        """Raises ``NotErasable``."""
        with translated():
            if self._client.get_bucket_versioning(Bucket=self._bucket).get("Status"):
                raise NotErasable(
                    "a bucket for object records must never have had versioning: it keeps what is deleted"
                )
            try:
                lock = self._client.get_object_lock_configuration(Bucket=self._bucket)
            except ClientError as error:
                if code_of(error) not in ("ObjectLockConfigurationNotFoundError", "NotImplemented"):
                    raise
                return
        if lock.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled"):
            raise NotErasable("a bucket for object records must not have object lock: it keeps what is deleted")

    def get(self, key: str, most: int) -> bytes | None:
        """All of an object; None where it is not there. Raises ``StoreRefuses`` for one of more than ``most`` bytes."""
        found = self.part(key, 0, most)
        if found is None:
            return None
        data, total = found
        if total > most:
            raise StoreRefuses("an object in the bucket is larger than any that the archive puts there")
        return data

    def part(self, key: str, start: int, size: int) -> tuple[bytes, int] | None:
        """At most ``size`` bytes from ``start``, and the bytes of the whole; None where there are none."""
        which = {"Bucket": self._bucket, "Key": key}
        with translated():
            try:
                window = fetch(self._client, which, start, size, self._attempts)
            except ClientError as error:
                if code_of(error) in ("NoSuchKey", "InvalidRange", "404", "416"):
                    return None
                raise
        return window.data, window.total

    def put(self, key: str, data: bytes) -> None:
        """When it returns, the store has said that it holds exactly these bytes."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()  # what S3 compares; against accidents on the way
        with translated():
            answer = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=data, ContentMD5=base64.b64encode(digest).decode("ascii")
            )
        if answer.get("ETag", "").strip('"') != digest.hex():
            raise WriteNotKept("the store says that it has other bytes than it was given")
        if answer.get("VersionId") not in (None, "", "null"):
            raise NotErasable("the bucket keeps versions now: what is deleted there stays")

    def put_and_compare(self, key: str, data: bytes, most: int) -> None:
        """``put``, and read back."""
        self.put(key, data)
        if self.get(key, most) != data:
            raise WriteNotKept("the store does not give back what it was given")

    def delete(self, keys: Sequence[str]) -> None:
        """What is not there is no error."""
        for start in range(0, len(keys), _AT_ONCE):
            wanted = [{"Key": key} for key in keys[start : start + _AT_ONCE]]
            with translated():
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": wanted, "Quiet": True})
            if answer.get("Errors"):
                raise StoreRefuses(f"the store does not delete ({answer['Errors'][0].get('Code', '')})")

    def delete_and_look(self, key: str) -> None:
        """Deletes one object and asks for it; raises ``WriteNotKept`` where it is still there."""
        with translated():
            answer = self._client.delete_object(Bucket=self._bucket, Key=key)
            if answer.get("DeleteMarker"):
                raise NotErasable("the bucket keeps versions now: what is deleted there stays")
            try:
                self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if status_of(error) == 404:
                    return
                raise
        raise WriteNotKept("the store still holds what it was told to delete")

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in order."""
        with translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for each in page.get("Contents", []):
                    yield each["Key"]

    def problem(self, archive: str, tenants: Iterable[str]) -> str | None:
        """What is wrong with the bucket's marker; None where it is this archive's. Writes nothing."""
        data = self.get(NAME, _MARKER)
        return ABSENT if data is None else problem_of(data, archive, tenants)

    def claim(self, archive: str, tenants: Iterable[str]) -> None:
        """Marks the bucket as this archive's, or checks that it is; raises ``WrongStore``."""
        wanted = list(tenants)
        if self.get(NAME, _MARKER) is None:
            self.put(NAME, marker(archive, wanted))
        problem = self.problem(archive, wanted)
        if problem is not None:
            raise WrongStore(problem)


class Opening:
    """Who opened a bucket last has it. No S3 store that is in use lends a lock that ends with its holder, so this one
    is taken over: the next to open the bucket takes it, and whoever had it finds out before it rewrites anything,
    and within 10 seconds if it only adds."""

    def __init__(self, bucket: PlainBucket, entropy: Entropy) -> None:
        self._bucket, self._mine = bucket, entropy(16).hex().encode("ascii")
        self._lock, self._asked = threading.Lock(), time.monotonic()
        self._bucket.put_and_compare(OPENER, self._mine, 1024)

    def check(self, *, now: bool) -> None:
        """Raises ``StoreFailed`` where another has opened the bucket since."""
        with self._lock:
            if not now and time.monotonic() - self._asked < _EVERY:
                return
            if self._bucket.get(OPENER, 1024) != self._mine:
                raise StoreFailed("another process has opened this key area")
            self._asked = time.monotonic()
