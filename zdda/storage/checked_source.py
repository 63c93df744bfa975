"""The bytes of an object on their way into a store, checked against the address as they pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobMismatch, OpenStream

CHUNK = 1024 * 1024


def checked_chunks(address: ContentAddress, length: int, open_stream: OpenStream) -> Iterator[bytes]:
    """The chunks; raises ``BlobMismatch`` after the last one (or the first too many) where they are not the
    address's, ``Unavailable`` where the source cannot be read. Until it ends nothing counts as written."""
    digest, left = hashlib.sha256(), length
    try:
        with open_stream() as stream:
            while chunk := stream.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                digest.update(chunk)
                yield chunk
    except OSError as error:
        raise Unavailable("the source of an object cannot be read") from error
    if left or digest.digest() != address.digest:
        raise BlobMismatch("the bytes are not those of the address")
