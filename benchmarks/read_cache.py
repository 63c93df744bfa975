"""A hit of the read cache against the same object read from the store (Ceph RGW). ``python -m benchmarks cache``."""

from __future__ import annotations

import hashlib
import io
import secrets
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tests.services.s3 import fresh_bucket
from zdda.model.identifiers import ContentAddress
from zdda.storage.read_cache import ReadCache
from zdda.storage.s3_blobs import S3Blobs

_OBJECTS, _ROUNDS = 100, 5
_UNTIL = datetime(2036, 1, 1, tzinfo=UTC)
LEAST_GAIN = 2.0


def cache(folder: Path) -> bool:
    """One client reads 100 KB and 4 MB whole, and 64 KB out of 4 MB: hits against reads from the store."""
    blobs, well = S3Blobs(fresh_bucket("ceph")), True
    kept = ReadCache(folder / "cache", 2 * 1024**3)
    for name, size, piece in (
        ("100 KB", 100_000, 100_000),
        ("4 MB", 4_000_000, 4_000_000),
        ("range", 4_000_000, 65536),
    ):
        objects = [_put(blobs, size) for _ in range(_OBJECTS if size < 1_000_000 else _OBJECTS // 10)]

        def stored(address: ContentAddress) -> BinaryIO:
            return blobs.open(address)

        def cached(address: ContentAddress, size: int = size) -> BinaryIO:
            return kept.open(address, size, lambda: blobs.open(address))

        _seconds(cached, objects, piece)  # fills
        _seconds(cached, objects, piece)
        rounds = [(_seconds(stored, objects, piece), _seconds(cached, objects, piece)) for _ in range(_ROUNDS)]
        store, hit = (statistics.median(each) for each in zip(*rounds, strict=True))
        gain = statistics.median(one / other for one, other in rounds)
        print(f"cache {name}: hit {hit * 1000:.2f} ms, store {store * 1000:.2f} ms, ratio {gain:.1f}")
        well &= gain >= LEAST_GAIN
    kept.close()
    blobs.close()
    return well


def _put(blobs: S3Blobs, size: int) -> ContentAddress:
    data = secrets.token_bytes(size)
    address = ContentAddress(hashlib.sha256(data).digest())
    blobs.put(address, size, lambda: io.BytesIO(data), _UNTIL)
    return address


def _seconds(opening: Callable[[ContentAddress], BinaryIO], objects: list[ContentAddress], piece: int) -> float:
    """Seconds of one reading of ``piece`` bytes, over all objects."""
    begun = time.perf_counter()
    for address in objects:
        with opening(address) as stream:
            stream.seek(-piece, io.SEEK_END)
            left = piece
            while left and (found := stream.read(left)):
                left -= len(found)
            if left:
                raise RuntimeError("an object is not whole")
    return (time.perf_counter() - begun) / len(objects)
