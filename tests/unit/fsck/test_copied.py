from __future__ import annotations

import io
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from zdda.fsck.revalidation import copied
from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.memory_blobs import MemoryBlobs

DATA = b"ciphertext" * 1000
ADDRESS = ContentAddress(sha256(DATA).digest())


def holding(data: bytes | None) -> MemoryBlobs:
    blobs = MemoryBlobs()
    if data is not None:
        blobs.put(ADDRESS, len(DATA), lambda: io.BytesIO(DATA), datetime(2032, 1, 1, tzinfo=UTC))
        blobs._blobs[ADDRESS] = (data, blobs._blobs[ADDRESS][1])
    return blobs


class Away(MemoryBlobs):
    def open(self, address: ContentAddress) -> io.BytesIO:
        raise Unavailable("away")


def test_what_is_copied_comes_from_the_first_site_that_has_the_right_bytes() -> None:
    with copied([Away(), holding(None), holding(DATA[:-1]), holding(b"x" * len(DATA)), holding(DATA)], ADDRESS) as path:
        assert path.read_bytes() == DATA
    assert not path.exists()


@pytest.mark.parametrize(
    ("sites", "error"),
    [([holding(DATA[:-1])], IntegrityError), ([holding(None)], NotFound), ([holding(None), Away()], Unavailable)],
)
def test_without_them_it_is_said_why(sites: list[MemoryBlobs], error: type[Exception]) -> None:
    with pytest.raises(error), copied(sites, ADDRESS):
        raise AssertionError("there is nothing to copy")
