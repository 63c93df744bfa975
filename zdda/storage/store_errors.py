"""What a store's refusals and silences mean to the archive, whatever its kind."""

from __future__ import annotations

from zdda.model.errors import Unavailable


class StoreRefuses(Unavailable):
    """The store answers and says no: rights, credentials, a bucket that is not there, clocks that differ."""

    code = "store-refuses"


class StoreUnreachable(Unavailable):
    """The store does not answer, not in time, not whole, or nobody can tell that it is the store."""

    code = "store-unreachable"


class StoreBusy(Unavailable):
    """The store throttles or fails for now, after as many attempts as the settings allow."""

    code = "store-busy"


class StoreFull(Unavailable):
    """The store has no room, or the quota is used up."""

    code = "store-full"


class WriteNotKept(Unavailable):
    """What the store gives back after a write is not what was written; the write counts as not done."""

    code = "write-not-kept"
