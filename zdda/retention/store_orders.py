"""What a person orders of the stores: move, drain, stop; and how far it is. The running archive carries it out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from zdda.audit.log import record as note
from zdda.catalog.object_copies import CopyState, SiteReport, site_report, states_at
from zdda.catalog.store_moves import LYING_THERE, MoveOrder, end_move, insert_move, moves_ordered
from zdda.database.session import TenantDatabase
from zdda.model.clock import Clock, Entropy
from zdda.model.errors import Conflict, InvalidInput
from zdda.model.identifiers import new_identifier


class MoveOrdered(Conflict):
    """The same is ordered already, or what contradicts it."""

    code = "move-ordered"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a site stands. ``orders``: those not at their end by which objects leave it. ``empty``: nothing lies there
    that counts, and nothing that is leaving: the site can be left out of the settings."""

    report: SiteReport
    orders: tuple[MoveOrder, ...]
    empty: bool

    def orders_as_text(self) -> str:
        """``moving to brno``, ``drained``; several after commas."""
        return ", ".join(
            ("drained" if order.lasting else "moving") + ("" if order.target is None else f" to {order.target}")
            for order in self.orders
        )


def order_move(
    database: TenantDatabase,
    sites: Collection[str],
    known_classes: Collection[str],
    source: str,
    target: str | None,
    classes: Sequence[str],
    lasting: bool,
    ordered_by: str,
    clock: Clock,
    entropy: Entropy,
) -> MoveOrder:
    """Orders that objects leave ``source``; raises ``InvalidInput`` for sites or classes that the settings do not name,
    ``MoveOrdered`` where something stands against it."""
    for site in (source, *([] if target is None else [target])):
        if site not in sites:
            raise InvalidInput(f"there is no store named {site}: {', '.join(sites)}")
    if source == target or len(sites) < 2:
        raise InvalidInput("objects move from one store to another one")
    if unknown := sorted(set(classes) - set(known_classes)):
        raise InvalidInput(f"the settings name no retention class {', '.join(unknown)}")
    now = clock.now()
    named = tuple(sorted(set(classes)))
    order = MoveOrder(new_identifier(clock, entropy), source, target, named, lasting, ordered_by, now)
    with database.write() as tx:
        standing = moves_ordered(tx, ended=False)
        if not set(sites) - {source} - {other.source for other in standing}:
            raise MoveOrdered("every other store is being emptied: nothing could lie anywhere")
        for other in standing:
            if (other.source, other.target, other.classes, other.lasting) == (source, target, named, lasting):
                raise MoveOrdered("this is ordered already")
            if target is not None and other.source == target:
                raise MoveOrdered(f"{target} is being emptied itself")
            if other.target == source:
                raise MoveOrdered(f"objects are being moved to {source}")
        insert_move(tx, order)
        note(
            tx,
            now,
            "store-move-ordered",
            move=str(order.identifier),
            source=source,
            target=target,
            classes=list(named),
            lasting=lasting,
            by=ordered_by,
        )
    return order


def stop_moves(database: TenantDatabase, source: str, stopped_by: str, clock: Clock) -> int:
    """Nothing more leaves the site by any order; what is leaving already goes on. How many orders were ended."""
    now, ended = clock.now(), 0
    with database.write() as tx:
        for order in moves_ordered(tx, ended=False):
            if order.source == source and end_move(tx, order.identifier, now):
                note(tx, now, "store-move-stopped", move=str(order.identifier), source=source, by=stopped_by)
                ended += 1
    return ended


def standings(database: TenantDatabase, sites: Sequence[str]) -> list[Standing]:
    """Of each site; counts every row of the catalog that names it."""
    found = []
    for site in sites:
        with database.read() as tx:
            orders = tuple(each for each in moves_ordered(tx, ended=False) if each.source == site)
            held = states_at(tx, site) & {*LYING_THERE, CopyState.LEAVING, CopyState.ERASING}
            found.append(Standing(site_report(tx, site), orders, not held))
    return found
