"""A store in an S3 bucket with versioning and object lock: ``objects/<64 hex digits>``, every version locked in
compliance mode by its own retention, which is read back and compared after every write.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO

from botocore.exceptions import ClientError

from zdda.model.errors import NotFound
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobStat, CrashPoint, OpenStream, StoreNotGuaranteed, no_crash
from zdda.storage.canary_probe import FOLDER as PROBES
from zdda.storage.erase_permit import Deletion, ErasePermit
from zdda.storage.s3_bucket import check_bucket, sweep_uploads
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_eraser import S3Eraser, bucket_time
from zdda.storage.s3_errors import code_of, translated
from zdda.storage.s3_reader import Window, fetch, reader_from
from zdda.storage.s3_versions import LATEST_LOCK, PREFIX, Version, Versions, address_of, key_of
from zdda.storage.s3_writer import CRASH_POINTS as WRITING
from zdda.storage.s3_writer import S3Writer, read_back
from zdda.storage.store_marker import NAME
from zdda.storage.window_reader import FIRST

CRASH_POINTS = (*WRITING, "blob.read-back", "blob.locked")
PART_BYTES = 8 * 1024 * 1024
_DOORS = 64
_BUFFER = 64 * 1024


class S3Blobs:
    """See ``BlobStore``. Opening it checks the bucket (``StoreNotGuaranteed``) and ends uploads left unfinished.

    If everything stops during ``put``: before the last request nothing is there, or parts that no one can read;
    after it the whole object lies under its address, an object of several parts for the moment under the bucket's
    default retention only; the repeated ``put`` finds it, verifies it and brings its lock level. Two who put the same
    object in two processes make two versions of the same bytes, each under its lock.
    """

    latest_lock = LATEST_LOCK

    def __init__(self, address: S3Address, *, part_bytes: int = PART_BYTES, crash: CrashPoint = no_crash) -> None:
        self._client, self._bucket, self._attempts = connect(address), address.bucket, address.attempts
        self._crash = crash
        self._versions = Versions(self._client, self._bucket)
        self._eraser = S3Eraser(self._client, self._bucket, self._versions, crash)
        self._writer = S3Writer(self._client, self._bucket, part_bytes, crash)
        self._doors = tuple(threading.Lock() for _ in range(_DOORS))
        check_bucket(self._client, self._bucket)
        sweep_uploads(self._client, self._bucket)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        until = _lock_until(retain_until)
        with self._alone(address):
            version = self._versions.visible(address)
            if version is None:
                written = self._writer.write(address, length, open_stream, until)
                version = read_back(self._versions, address, written)
                self._crash("blob.read-back")
            else:
                self._verify(address, length, version)
            self._versions.lock(address, version, until)
        self._crash("blob.locked")

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        """The damaged version stays beneath under its lock: nobody can remove it before."""
        until = _lock_until(retain_until)
        with self._alone(address):
            version = self._versions.ours(address)
            if version is not None and not self._is_whole(address, length, version):
                until = max(until, version.until)
                written = self._writer.write(address, length, open_stream, until)
                self._versions.lock(address, read_back(self._versions, address, written), until)
        self.put(address, length, open_stream, until)

    def open(self, address: ContentAddress) -> BinaryIO:
        first = self._first(address, None)
        if first is None or Version.of(first.answer, first.total).digest != address.digest.hex():
            version = self._ours(address)
            first = self._first(address, version.id)
            if first is None:
                raise NotFound("the store holds no such object")
        which = self._which(address, first.answer.get("VersionId"))
        return io.BufferedReader(reader_from(self._client, which, first, self._attempts), _BUFFER)

    def stat(self, address: ContentAddress) -> BlobStat:
        version = self._ours(address)
        return BlobStat(version.length, version.until, version.held)

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        with self._alone(address):
            self._versions.lock(address, self._ours(address), _lock_until(retain_until))

    def own_time(self) -> datetime | None:
        return bucket_time(self._client, self._bucket)

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        with self._alone(address):
            return self._eraser.erase(address, permit)

    def addresses(self) -> Iterator[ContentAddress]:
        """Of deleted ones too: a deletion marker deletes nothing."""
        last = None
        for key, _version in self._versions.listed(PREFIX):
            address = address_of(key)
            if address is not None and address != last:
                yield address
                last = address

    def strays(self) -> Iterator[str]:
        """Keys of what is neither an object of the archive's nor a canary's probe."""
        last = None
        for key, _version in self._versions.listed(""):
            if key not in (NAME, last) and address_of(key) is None and not key.startswith(PROBES):
                yield key
                last = key

    def hold(self, address: ContentAddress, *, held: bool) -> None:
        """Sets or lifts the legal hold, which keeps the object whatever its retention; raises ``NotFound``."""
        with self._alone(address):
            self._versions.hold(address, self._ours(address), held=held)

    def is_held(self, address: ContentAddress) -> bool:
        """Whether the object is under legal hold; raises ``NotFound``."""
        return self._ours(address).held

    def _ours(self, address: ContentAddress) -> Version:
        version = self._versions.ours(address)
        if version is None:
            raise NotFound("the store holds no such object")
        return version

    def _which(self, address: ContentAddress, version: str | None) -> dict[str, str]:
        which = {"Bucket": self._bucket, "Key": key_of(address)}
        return which | {"VersionId": version} if version else which

    def _first(self, address: ContentAddress, version: str | None) -> Window | None:
        with translated():
            try:
                return fetch(self._client, self._which(address, version), 0, FIRST, self._attempts)
            except ClientError as error:
                if code_of(error) in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404"):
                    return None
                raise

    def _is_whole(self, address: ContentAddress, length: int, version: Version) -> bool:
        try:
            self._verify(address, length, version)
        except BlobDamaged:
            return False
        return True

    def _verify(self, address: ContentAddress, length: int, version: Version) -> None:
        """Reads all of what lies there; raises ``BlobDamaged``."""
        if not version.id:
            raise StoreNotGuaranteed("the bucket keeps no versions")
        digest = hashlib.sha256()
        with self.open(address) as stream:
            while chunk := stream.read(FIRST):
                digest.update(chunk)
        if digest.digest() != address.digest or version.length != length:
            raise BlobDamaged("other bytes lie under the address")

    @contextmanager
    def _alone(self, address: ContentAddress) -> Iterator[None]:
        """One writer an address in this process: what is repeated finds what was written."""
        with self._doors[address.digest[0] % _DOORS]:
            yield


def _lock_until(retain_until: datetime) -> datetime:
    """To the second, as every store tells it, capped at ``LATEST_LOCK``."""
    return min(retain_until.replace(microsecond=0), LATEST_LOCK)
