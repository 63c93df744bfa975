"""What the steps of a deposit have in common: rows are read together, worked at alone, and committed together.

The database is the only thing that deposits of a group share. Where the transaction of all fails, each has its own: an
overtaken lease or an unexpected error is that deposit's alone. If everything stops before the commit, none of the group
has moved; after it, all have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from zdda.audit.log import record_each
from zdda.catalog.deposits import FoundOut, Move, deposits_with_documents, describe_documents, transition_each
from zdda.catalog.leasing import Lease
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.database.engine import DatabaseUnavailable
from zdda.database.session import AnyRow
from zdda.ingest.workshop import Workshop
from zdda.jobs.leased_work import Outcome
from zdda.model.deposit import DepositState
from zdda.model.errors import NotFound
from zdda.model.placement import Placed

CRASH_POINTS = (
    "validated.before-commit",
    "validated.committed",
    "sealed.before-commit",
    "sealed.committed",
    "stored.before-commit",
    "stored.committed",
)
_STEPS = {DepositState.REJECTED: "validated"}
"""What the step is called whose end the state is, where that is not the state's own name."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a step has done for a deposit: its transition, the audit's entry, other rows of the same transaction; and
    what is done once all that is true."""

    move: Move
    event: str
    facts: Mapping[str, Any]
    found: tuple[FoundOut, ...] = ()
    stored: tuple[tuple[StoredObject, Placed], ...] = ()
    then: Callable[[], None] = field(default=lambda: None)


Preparation = Callable[[Lease, AnyRow, list[AnyRow], bytes], Prepared]
"""Given lease, deposit, documents and data key; raises why the deposit has to wait."""


class GroupSteps:
    """The steps of one tenant's deposits; see ``zdda.jobs.leased_work.Steps``."""

    def __init__(self, workshop: Workshop, steps: Mapping[DepositState, Preparation]) -> None:
        self._workshop, self._steps = workshop, steps

    def begin(self, leases: Sequence[Lease], /) -> Sequence[Callable[[], Prepared] | Exception]:
        with self._workshop.database.read() as tx:
            found = deposits_with_documents(tx, [lease.key for lease in leases])
        return [
            partial(self._prepare, lease, *found[lease.key]) if lease.key in found else NotFound("no such deposit")
            for lease in leases
        ]

    def commit(self, done: Sequence[tuple[Lease, Prepared]], /) -> Sequence[Outcome]:
        group = [prepared for _, prepared in done]
        try:
            return self._committed(group)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as below
            if len(group) == 1:
                return [error]
        return [self._alone(each) for each in group]

    def _prepare(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow]) -> Prepared:
        key = self._workshop.unwrap_deposit_key(deposit.generation, deposit.wrapped_data_key, deposit.package_id)
        return self._steps[DepositState(lease.state)](lease, deposit, documents, key)

    def _alone(self, prepared: Prepared) -> Outcome:
        try:
            return self._committed([prepared])[0]
        except Exception as error:  # noqa: BLE001 - the deposit waits and says so
            return error

    def _committed(self, group: Sequence[Prepared]) -> list[Outcome]:
        workshop = self._workshop
        names = sorted({_STEPS.get(each.move.after, str(each.move.after)) for each in group})
        for name in names:
            workshop.crash(f"{name}.before-commit")
        with workshop.database.write() as tx:
            describe_documents(tx, [found for each in group for found in each.found])
            moved = transition_each(tx, [each.move for each in group])
            insert_objects(
                tx, [stored for each in group for stored in each.stored], max(each.move.at for each in group)
            )
            record_each(tx, [(each.move.at, each.event, each.facts) for each in group])
        for name in names:
            workshop.crash(f"{name}.committed")
        return [_after(each, lease) for each, lease in zip(group, moved, strict=True)]


def _after(prepared: Prepared, lease: Lease) -> Outcome:
    try:
        prepared.then()
    except Exception as error:  # noqa: BLE001 - as above
        return error
    return lease
