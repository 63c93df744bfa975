"""What time it is, for whoever destroys by time: several clocks have to agree, or nothing is destroyed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from zdda.model.clock import Clock, ClockLeapt, format_time
from zdda.model.errors import Unavailable
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.storage.erase_permit import CLOCKS_APART
from zdda.storage.site import Site

SYSTEM, TIMESTAMP = "system", "timestamp"
Timestamp = Callable[[bytes], bytes]
"""Gives the DER of a checked token over a SHA-256 digest; raises ``Unavailable``, also where its time is not the
clock's."""


class ClocksDisagree(Unavailable):
    """The clocks that were asked are too far apart, or one that has to be asked does not answer: nothing is erased."""

    code = "clocks-disagree"


@dataclass(frozen=True, slots=True)
class AgreedTime:
    """``clocks``: what each said, by name (``system``, ``timestamp``, ``store:NAME``). ``token``: the fresh token."""

    clocks: tuple[tuple[str, datetime], ...]
    token: bytes

    @property
    def earliest(self) -> datetime:
        """The moment that has surely come."""
        return min(moment for _, moment in self.clocks)

    @property
    def system(self) -> datetime:
        return dict(self.clocks)[SYSTEM]


def ask_clocks(clock: Clock, timestamp: Timestamp, sites: Sequence[Site], imprint: bytes) -> AgreedTime:
    """Asks this machine's clock, a timestamp authority (for a token over ``imprint``, so it is fresh), and every site
    that answers; a site's store without a clock has none to ask.

    Raises ``ClocksDisagree`` where two are more than 24 hours apart, or the authority gives no token.
    """
    try:
        system = clock.now()
        token = timestamp(imprint)
        stamped = parse_timestamp_token(token).gen_time
    except ClockLeapt as error:
        raise ClocksDisagree("this machine's clock has leapt") from error
    except Unavailable as error:
        raise ClocksDisagree(f"no timestamp says what time it is: {error}") from error
    said = {SYSTEM: system, TIMESTAMP: stamped}
    for site in sites:
        try:
            own = site.blobs.own_time()
        except (Unavailable, OSError):
            continue  # who is away erases nothing now
        if own is not None:
            said[f"store:{site.name}"] = own
    if max(said.values()) - min(said.values()) > CLOCKS_APART:
        told = ", ".join(f"{name} {format_time(moment)}" for name, moment in sorted(said.items()))
        raise ClocksDisagree(f"clocks are more than 24 hours apart: {told}")
    return AgreedTime(tuple(sorted(said.items())), token)
