"""What an order to move objects asks of one object: decided from the states of its copies alone, with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from zdda.catalog.object_copies import CopyState
from zdda.catalog.store_moves import LYING_THERE, MoveOrder
from zdda.model.objects import ObjectName


class MoveAction(StrEnum):
    """What is to be done now."""

    COPY = "copy"
    WAIT = "wait"
    LEAVE = "leave"
    STAY = "stay"


@dataclass(frozen=True, slots=True)
class MovingObject:
    """``copies``: the state at every site that has a row. ``placed``: the sites that its placement means."""

    name: ObjectName
    copies: Mapping[str, CopyState]
    placed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """``sites``: where it is to be copied to, what is waited for, or which copies have to be good before it leaves."""

    name: ObjectName
    action: MoveAction
    sites: tuple[str, ...]
    reason: str


def plan_moves(order: MoveOrder, moving: Sequence[MovingObject]) -> list[Decision]:
    """One decision for each object. It leaves only when a copy is present at every site it goes to, and it goes to one
    other site at least; until then it stays where it is."""
    return [_decide(order, each) for each in moving]


def _decide(order: MoveOrder, each: MovingObject) -> Decision:
    def decision(action: MoveAction, sites: Sequence[str], reason: str) -> Decision:
        return Decision(each.name, action, tuple(sites), reason)

    others = {site: state for site, state in each.copies.items() if site != order.source}
    if each.copies.get(order.source) not in LYING_THERE:
        return decision(MoveAction.STAY, (), "it does not lie there any more")
    if CopyState.ERASING in others.values() and not any(state in LYING_THERE for state in others.values()):
        return decision(MoveAction.STAY, (), "it is being erased")
    targets = _targets(order, each, others)
    if not targets:
        return decision(MoveAction.STAY, (), "no other site is meant to hold it: name one")
    states = {site: others.get(site) for site in targets}
    if to_write := [site for site, state in states.items() if state in (None, CopyState.ERASED, CopyState.LEAVING)]:
        return decision(MoveAction.COPY, to_write, "it is to be copied there first")
    if waiting := [site for site, state in states.items() if state is not CopyState.PRESENT]:
        return decision(MoveAction.WAIT, waiting, "the copy there is not good yet")
    return decision(MoveAction.LEAVE, targets, "every site it goes to has a copy")


def _targets(order: MoveOrder, each: MovingObject, others: Mapping[str, CopyState]) -> tuple[str, ...]:
    """A drain goes to the other sites of the placement; where there are none, other copies that lie somewhere do."""
    if order.target is not None:
        return (order.target,)
    placed = tuple(site for site in each.placed if site != order.source)
    return placed or tuple(sorted(site for site, state in others.items() if state in LYING_THERE))
