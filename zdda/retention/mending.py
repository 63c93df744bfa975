"""Copies and records made whole again from good ones. What is whole is left as it is; every call may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import BinaryIO, Protocol

from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.retention.copy_check import CheckedRecords, Defect, lock_of
from zdda.storage.blob_store import BlobStat, BlobStore
from zdda.storage.key_area import KeyArea
from zdda.storage.object_record import ObjectRecord


class NoGoodCopy(IntegrityError):
    """No site that answers has the object's bytes."""

    code = "no-good-copy"


class Source(Protocol):
    """Another site's store, as far as mending needs it."""

    def stat(self, address: ContentAddress) -> BlobStat: ...

    def open(self, address: ContentAddress) -> BinaryIO: ...


class GuardedSource:
    """A site's store as a ``Source`` that gives its bytes only where ``check`` raises nothing. The store that is mended
    opens its source while it lets nobody else at the object: what ``check`` finds then is still so when it writes."""

    def __init__(self, blobs: BlobStore, check: Callable[[], None]) -> None:
        self._blobs, self._check = blobs, check

    def stat(self, address: ContentAddress) -> BlobStat:
        return self._blobs.stat(address)

    def open(self, address: ContentAddress) -> BinaryIO:
        self._check()
        return self._blobs.open(address)


def mend_copy(blobs: BlobStore, others: Sequence[Source], record: ObjectRecord, defect: Defect) -> None:
    """Makes a copy whole: its lock as long as the retention, its bytes those of another site.

    The store verifies what it is given, so a source is not read twice. Raises ``NoGoodCopy`` where no other site has
    the bytes, ``Unavailable`` where the site does not take them or no source answers.
    """
    if defect is Defect.LOCK_TOO_SHORT:
        blobs.extend(record.address, record.retain_until)
        return
    silent: Unavailable | None = None
    for other in others:
        try:
            other.stat(record.address)
            source = partial(other.open, record.address)
            blobs.mend(record.address, record.length, source, lock_of(blobs, record))
        except (NotFound, IntegrityError, OSError):
            continue
        except Unavailable as error:
            silent = error
            continue
        return
    if silent is not None:
        raise silent
    raise NoGoodCopy("no other site has the object's bytes")


def mend_records(places: Mapping[str, KeyArea], checked: CheckedRecords) -> None:
    """Writes the best record to every place that lacks it; raises ``NoGoodCopy`` where there is none."""
    if checked.best is None:
        raise NoGoodCopy("no place has an authentic record of the object")
    for place in checked.wanting:
        places[place].write(checked.best)
