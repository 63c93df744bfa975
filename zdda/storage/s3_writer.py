"""Bytes on their way into an S3 store: never more than one part in memory, none sent that is not the address's."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobMismatch, CrashPoint, OpenStream, StoreNotGuaranteed
from zdda.storage.s3_errors import WriteNotKept, translated
from zdda.storage.s3_versions import COMPLIANCE, DIGEST, Version, Versions, key_of

CRASH_POINTS = ("blob.before-write", "blob.part-sent", "blob.sent")
SMALLEST_PART = 5 * 1024 * 1024
"""Of every part but the last, in every S3 store."""
MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Written:
    """What the store must say of the version it has just made."""

    version: str
    length: int
    etag: str


class S3Writer:
    """Writes new versions. ``part_bytes``: an object over that goes in parts, larger ones where 10,000 do not do."""

    def __init__(self, client: Any, bucket: str, part_bytes: int, crash: CrashPoint) -> None:
        self._client, self._bucket, self._part, self._crash = client, bucket, max(part_bytes, SMALLEST_PART), crash

    def write(self, address: ContentAddress, length: int, open_stream: OpenStream, until: datetime) -> Written:
        """Raises ``BlobMismatch`` with nothing left there, and the archive's errors of a store."""
        fixed = {
            "Bucket": self._bucket,
            "Key": key_of(address),
            "ContentType": "application/octet-stream",
            "Metadata": {DIGEST: address.digest.hex()},
            "ObjectLockMode": COMPLIANCE,
            "ObjectLockRetainUntilDate": until,
        }
        try:
            with open_stream() as stream:
                if length <= self._part:
                    return self._whole(address, length, stream, fixed)
                return self._in_parts(address, length, stream, fixed)
        except OSError as error:
            raise Unavailable("the source of an object cannot be read") from error

    def _whole(self, address: ContentAddress, length: int, stream: BinaryIO, fixed: dict[str, Any]) -> Written:
        data = _exactly(stream, length)
        if stream.read(1) or hashlib.sha256(data).digest() != address.digest:
            raise BlobMismatch("the bytes are not those of the address")
        digest = _md5(data)
        self._crash("blob.before-write")
        with translated():
            answer = self._client.put_object(**fixed, Body=data, ContentMD5=base64.b64encode(digest).decode())
        self._crash("blob.sent")
        _same_etag(answer, digest.hex())
        return Written(_version(answer), length, digest.hex())

    def _in_parts(self, address: ContentAddress, length: int, stream: BinaryIO, fixed: dict[str, Any]) -> Written:
        self._crash("blob.before-write")
        with translated():
            upload = self._client.create_multipart_upload(**fixed)["UploadId"]
        which = {"Bucket": self._bucket, "Key": fixed["Key"], "UploadId": upload}
        try:
            parts, etag = self._parts(address, length, stream, which)
            with translated():
                answer = self._client.complete_multipart_upload(**which, MultipartUpload={"Parts": parts})
        except Exception:
            self._abort(which)
            raise
        self._crash("blob.sent")
        if answer.get("ETag"):  # Ceph leaves it empty here; reading back tells it
            _same_etag(answer, etag)
        return Written(_version(answer), length, etag)

    def _parts(
        self, address: ContentAddress, length: int, stream: BinaryIO, which: dict[str, str]
    ) -> tuple[list[dict[str, Any]], str]:
        """Sends every part; (parts, the ETag that the object then has)."""
        size = max(self._part, -(-length // MOST_PARTS))
        parts: list[dict[str, Any]] = []
        whole, left, of_parts = hashlib.sha256(), length, b""
        while left:
            data = _exactly(stream, min(size, left))
            left -= len(data)
            whole.update(data)
            digest = _md5(data)
            of_parts += digest
            number = len(parts) + 1
            with translated():
                answer = self._client.upload_part(
                    **which, PartNumber=number, Body=data, ContentMD5=base64.b64encode(digest).decode()
                )
            del data  # before the next one is read
            _same_etag(answer, digest.hex())
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._crash("blob.part-sent")
        if stream.read(1) or whole.digest() != address.digest:
            raise BlobMismatch("the bytes are not those of the address")
        return parts, f"{_md5(of_parts).hex()}-{len(parts)}"

    def _abort(self, which: dict[str, str]) -> None:
        try:
            with translated():
                self._client.abort_multipart_upload(**which)
        except Unavailable:
            pass  # the sweep at the next opening ends it


def read_back(versions: Versions, address: ContentAddress, written: Written) -> Version:
    """What the store says of what was just written; raises ``WriteNotKept`` where it is not that."""
    version = versions.head(address, written.version)
    if version is None or (version.length, version.etag) != (written.length, written.etag):
        raise WriteNotKept("the store does not give back what it was given")
    return version


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        pieces: list[bytes] = [data]
        left = size - len(data)
        more: Callable[[int], bytes] = stream.read
        while left and (piece := more(left)):
            pieces.append(piece)
            left -= len(piece)
        data = b"".join(pieces)
        if left:
            raise BlobMismatch("the bytes are fewer than they were said to be")
    return data


def _md5(data: bytes) -> bytes:
    """What S3 calls the content's MD5: against accidents on the way; nothing rests on its strength."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def _same_etag(answer: dict[str, Any], wanted: str) -> None:
    if answer.get("ETag", "").strip('"') != wanted:
        raise WriteNotKept("the store says that it has other bytes than it was given")


def _version(answer: dict[str, Any]) -> str:
    version = answer.get("VersionId")
    if not isinstance(version, str) or version in ("", "null"):
        raise StoreNotGuaranteed("the bucket keeps no versions")
    return version
