"""Moving: objects go from one site to another while the archive runs, and one good copy lies somewhere at every moment.

ordered    a row says what is to leave which site; copies are looked at in the order of their rows, over and over
missing    the other site has a row that asks for the object: replication writes it there and compares it
present    it lies there; unless that was found out within a day, every byte is read again
leaving    the copy here counts no more: from its lock's end on it may be erased (``zdda.retention.leaving``)

If everything stops in between, the states say how far each object is; an order that was half carried out is looked at
from its first object again. A copy leaves in the transaction that has seen the others present.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from zdda.audit.log import record as note
from zdda.catalog.object_copies import Copy, CopyState, copies_of, insert_copies, move_copy, sites_known
from zdda.catalog.store_moves import LYING_THERE, MoveOrder, end_move, moves_ordered, objects_at
from zdda.database.session import TenantDatabase, Transaction
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock
from zdda.model.errors import Unavailable, ZddaError
from zdda.model.objects import ObjectName
from zdda.model.placement import Placed
from zdda.retention.copy_check import Defect, check_copy
from zdda.retention.move_plan import Decision, MoveAction, MovingObject, plan_moves
from zdda.retention.read_budget import ReadBudget
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site

MOVE_POINTS = ("move.copies-asked", "move.copy-verified", "move.left", "move.ended")
GROUP = 256
"""Objects looked at at once."""
FRESH = timedelta(days=1)
"""What was written or read then was compared then."""
_BETWEEN_PASSES = timedelta(seconds=10)
_A_MOMENT = timedelta(seconds=1)
_AWAY = timedelta(minutes=1)

PlacementOf = Callable[[ObjectName, "str | None"], "tuple[str, ...]"]
"""The sites that an object's placement means, by its retention class (None for what serves many packages)."""

_log = structlog.get_logger(__name__)


class Mover(WorkSource):
    """Carries orders out. A ``WorkSource`` for one thread. ``bytes_per_second``: how much is read to verify; 0: as fast
    as it goes."""

    def __init__(
        self,
        database: TenantDatabase,
        store: ObjectStore,
        sites: Sequence[Site],
        placed: PlacementOf,
        clock: Clock,
        crash: CrashPoint = no_crash,
        bytes_per_second: int = 0,
    ) -> None:
        self._budget = ReadBudget(bytes_per_second) if bytes_per_second else None
        self._database, self._store, self._placed = database, store, placed
        self._sites = {site.name: site for site in sites}
        self._clock, self._crash = clock, crash
        self._passes: dict[UUID, _Pass] = {}

    def run_one(self) -> bool:
        with self._database.read() as tx:
            orders = moves_ordered(tx, ended=False)
        worked = [self._some_of(order) for order in orders]
        return any(worked)

    def _some_of(self, order: MoveOrder) -> bool:
        if order.source not in self._sites:  # it was given up
            return self._end(order)
        here = self._passes.setdefault(order.identifier, _Pass())
        if here.not_before is not None and self._clock.now() < here.not_before:
            return False
        here.not_before = None
        with self._database.read() as tx:
            known = sites_known(tx)
            found = objects_at(tx, order.source, order.classes, here.after, GROUP)
            moving = [
                MovingObject(
                    name,
                    {each.site: each.state for each in copies_of(tx, name, known)},
                    self._placed(name, retention_class),
                )
                for name, retention_class in found
            ]
        decisions = plan_moves(order, moving)
        self._ask_for([each for each in decisions if each.action is MoveAction.COPY])
        left = 0
        for decision in decisions:
            if decision.action is MoveAction.LEAVE:
                outcome = self._left(order, decision)
                if isinstance(outcome, timedelta):  # these are looked at again
                    here.not_before = self._clock.now() + outcome
                    return left > 0
                left += outcome
        here.left += len(decisions) - left
        here.after = found[-1][0] if found else None
        if len(found) < GROUP:
            self._end_pass(order, here)
        return any(each.action in (MoveAction.COPY, MoveAction.LEAVE) for each in decisions)

    def _end_pass(self, order: MoveOrder, here: _Pass) -> None:
        """A move is at its end when nothing is left; what is drained may get more, until the site is given up."""
        now = self._clock.now()
        if not here.left and not order.lasting:
            self._end(order)
            return
        self._passes[order.identifier] = _Pass(not_before=now + _BETWEEN_PASSES)

    def _end(self, order: MoveOrder) -> bool:
        now = self._clock.now()
        with self._database.write() as tx:
            ended = end_move(tx, order.identifier, now)
            if ended:
                note(tx, now, "store-move-ended", move=str(order.identifier), source=order.source)
        self._crash("move.ended")
        self._passes.pop(order.identifier, None)
        return ended

    def _ask_for(self, decisions: Sequence[Decision]) -> None:
        if not decisions:
            return
        now = self._clock.now()
        with self._database.write() as tx:
            for decision in decisions:
                name = decision.name
                known = {each.site: each for each in copies_of(tx, name, decision.sites)}
                if new := tuple(site for site in decision.sites if site not in known and site in self._sites):
                    insert_copies(tx, [(name.package, str(name.kind), name.sequence, Placed((), new))], now)
                for site in known:
                    move_copy(tx, site, name, (CopyState.ERASED, CopyState.LEAVING), CopyState.MISSING, now)
        self._crash("move.copies-asked")

    def _left(self, order: MoveOrder, decision: Decision) -> bool | timedelta:
        """Whether the copy is given up; it stays while another one is not shown to be good. A pause, where nothing can
        be shown for now."""
        name = decision.name
        try:
            good = all(self._is_good(site, name) for site in decision.sites)
        except _NotNow:
            return _A_MOMENT
        except ZddaError as error:
            _log.warning("move-waits", source=order.source, reason=error.code, **name.facts())
            return _AWAY if isinstance(error, Unavailable) else False
        if not good:
            return False
        self._crash("move.copy-verified")
        now = self._clock.now()
        with self._database.write() as tx:
            if not _present(tx, name, decision.sites):
                return False
            left = move_copy(tx, order.source, name, LYING_THERE, CopyState.LEAVING, now)
            if left:
                note(tx, now, "copy-left", site=order.source, move=str(order.identifier), **name.facts())
        self._crash("move.left")
        return left

    def _is_good(self, site: str, name: ObjectName) -> bool:
        with self._database.read() as tx:
            copy = next(iter(copies_of(tx, name, [site])), None)
        if copy is None or copy.state is not CopyState.PRESENT or site not in self._sites:
            return False
        now = self._clock.now()
        if _checked(copy) > now - FRESH:
            return True
        if self._budget is not None and not self._budget.allows(now):
            raise _NotNow
        record = self._store.record(name)
        checked = check_copy(self._sites[site].blobs, record)
        if self._budget is not None:
            self._budget.spend(now, checked.read)
        defect = checked.defect
        if defect is None:
            return True
        if defect is Defect.LOCK_TOO_SHORT:
            self._sites[site].blobs.extend(record.address, record.retain_until)
            return check_copy(self._sites[site].blobs, record).defect is None
        with self._database.write() as tx:
            if move_copy(tx, site, name, CopyState.PRESENT, CopyState.DAMAGED, now, str(defect)):
                note(tx, now, "copy-damaged", site=site, problem=str(defect), **name.facts())
                _log.error("copy-damaged", site=site, problem=str(defect), **name.facts())
        return False


class _NotNow(Exception):
    """Enough was read for now."""


class _Pass:
    """How far one look at everything that an order means has come. ``left``: what it has not seen leave."""

    def __init__(self, not_before: datetime | None = None) -> None:
        self.after: ObjectName | None = None
        self.left = 0
        self.not_before = not_before


def _present(tx: Transaction, name: ObjectName, sites: Sequence[str]) -> bool:
    states: Mapping[str, CopyState] = {each.site: each.state for each in copies_of(tx, name, sites)}
    return bool(sites) and all(states.get(site) is CopyState.PRESENT for site in sites)


def _checked(copy: Copy) -> datetime:
    return copy.since if copy.checked_at is None else max(copy.since, copy.checked_at)
