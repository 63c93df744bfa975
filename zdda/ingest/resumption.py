"""Takes work up where the last process left it, or refuses: what an archive needs to be sure of before it begins.

Everything that is looked at here may be wrong after somebody put back a copy, pointed the settings at another
database, or started a machine with a dead clock. Each of these destroys something if work simply begins.
"""

from __future__ import annotations

import structlog

from zdda.catalog.amendments import amendment_files
from zdda.catalog.deposits import LEASED as DEPOSITS
from zdda.catalog.deposits import knows_package, spool_files
from zdda.catalog.evidence import LEASED as BATCHES
from zdda.catalog.evidence import batch_files, knows_amendment, knows_batch, newest_gen_time
from zdda.catalog.installation import bind_spool, bound_spool, rebuilt_to
from zdda.ingest.amending import finish_amendments
from zdda.ingest.batches import CLOCKS_APART
from zdda.ingest.levelling import level
from zdda.ingest.workshop import Workshop
from zdda.model.errors import Conflict, ZddaError
from zdda.model.objects import ObjectKind
from zdda.trust.tsa_client import ClockDisagrees

NEWEST = 100
"""Of each kind of object, how many of the newest the catalog must know."""
CRASH_POINTS = ("resumption.spool-claimed", "resumption.spool-bound")

_log = structlog.get_logger(__name__)


class ClockWrong(Conflict):
    """This machine's clock is not to be believed: retention would be counted from a false day."""

    code = "clock-wrong"


class CatalogOutdated(Conflict):
    """The store holds what the catalog has never heard of: a copy of the catalog was put back."""

    code = "catalog-older-than-store"


class SpoolOfAnotherCatalog(Conflict):
    """Spool and catalog do not belong together, and one of them holds deposits that only the other understands."""

    code = "spool-of-another-catalog"


def resume(workshop: Workshop, owners: str) -> None:
    """Checks clock, catalog and spool, then takes back the leases of the dead, whose names begin with ``owners``,
    notes what sites have to get, stores amendments that were on their way, and sweeps spool files nothing refers to.

    Raises ``ClockWrong``, ``CatalogOutdated``, ``SpoolOfAnotherCatalog``, ``SiteInUse``; nothing was deleted then.
    """
    _check_clock(workshop)
    _check_catalog(workshop)
    _check_spool(workshop)
    with workshop.database.write() as tx:
        DEPOSITS.take_back(tx, owners)
        BATCHES.take_back(tx, owners)
    level(workshop)
    finish_amendments(workshop)
    with workshop.database.read() as tx:
        needed = spool_files(tx) | batch_files(tx) | amendment_files(tx)
    for name in workshop.spool.names():
        if name not in needed:
            workshop.spool.remove(name)


def _check_clock(workshop: Workshop) -> None:
    """Against what authorities have said before, and say now; where none answers, work goes on without."""
    with workshop.database.read() as tx:
        newest = newest_gen_time(tx)
    if newest is not None and workshop.clock.now() < newest - CLOCKS_APART:
        raise ClockWrong("the clock is behind the time of the newest archive timestamp: set it right, then start again")
    try:
        workshop.authorities.timestamp(workshop.entropy(32))
    except ClockDisagrees as error:
        if error.apart > CLOCKS_APART:
            raise ClockWrong(
                f"the clock and the timestamp authority are {error.apart.days} days apart: set the clock right"
            ) from error
    except ZddaError as error:
        _log.warning("clock-not-confirmed", reason=error.code)


def _check_catalog(workshop: Workshop) -> None:
    """Every object's row is committed before its record is written, so each of the newest must be known, unless a
    rebuild has looked at it and reported why it is not."""
    knows = {
        ObjectKind.AIP: knows_package,
        ObjectKind.EVIDENCE_BATCH: knows_batch,
        ObjectKind.AMENDMENT: knows_amendment,
    }
    with workshop.database.read() as tx:
        looked_at = rebuilt_to(tx)
        for kind, known in knows.items():
            for name in workshop.store.newest(kind, workshop.tenant, NEWEST):
                reported = looked_at is not None and name.package.int <= looked_at.int
                if not reported and not known(tx, name.package):
                    raise CatalogOutdated(
                        f"the store holds the {kind} {name.package}, of which the catalog knows nothing: the catalog "
                        "is older than the store. Bring both level with zdda reconcile --repair"
                    )


def _check_spool(workshop: Workshop) -> None:
    """Binds an empty spool to a catalog that waits for nothing; any other pair has to be the one that was bound."""
    spool, identity = workshop.spool, workshop.spool.identity()
    with workshop.database.read() as tx:
        bound = bound_spool(tx)
        waiting = bool(spool_files(tx) | batch_files(tx) | amendment_files(tx))
    if identity is not None and identity == bound:
        return
    if spool.names() or waiting:
        raise SpoolOfAnotherCatalog(
            "the spool belongs to another catalog: name the right database in the settings, or, if the catalog was "
            "lost, move the spool's folder away. Nothing was touched"
        )
    identity = workshop.entropy(16).hex()
    spool.claim(identity)
    workshop.crash("resumption.spool-claimed")
    with workshop.database.write() as tx:
        bind_spool(tx, identity)
    workshop.crash("resumption.spool-bound")
