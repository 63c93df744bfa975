"""Whether a store takes, gives and lets go: a small object of our own is written, read back, compared and erased."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

from zdda.model.clock import Clock, Entropy
from zdda.model.errors import ZddaError
from zdda.model.identifiers import ContentAddress
from zdda.retention.permits import permit
from zdda.storage.blob_store import BlobStore
from zdda.storage.erase_permit import EraseReason

_LENGTH = 100_000


class ProbeFailed(ZddaError):
    """The store gave back something else than it was given."""

    code = "probe-failed"


def probe_store(blobs: BlobStore, clock: Clock, entropy: Entropy, did: Callable[[str], None]) -> None:
    """Calls ``did`` after each step that went well. The probe is locked until now, so that it can go at once.

    Raises ``ProbeFailed``, and what the store raises."""
    data, now = entropy(_LENGTH), clock.now()
    address = ContentAddress(hashlib.sha256(data).digest())
    blobs.put(address, len(data), lambda: io.BytesIO(data), now)
    did("written")
    with blobs.open(address) as stream:
        if stream.read(len(data) + 1) != data:
            raise ProbeFailed("the store gives other bytes than it was given")
    did("read and compared")
    if blobs.stat(address).length != len(data):
        raise ProbeFailed("the store says another length")
    clocks = {"system": clock.now()}
    allowed = permit(
        address,
        None,
        EraseReason.ORPHAN,
        issued_at=clocks["system"],
        decided_by="zdda store test",
        plan="probe",
        clocks=clocks,
    )
    blobs.erase(address, allowed)
    did("erased")
