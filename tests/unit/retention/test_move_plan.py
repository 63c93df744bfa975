"""What an order asks of one object, from the states of its copies alone."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.catalog.object_copies import CopyState
from zdda.catalog.store_moves import LYING_THERE, MoveOrder
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.retention.move_plan import Decision, MoveAction, MovingObject, plan_moves

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAME = ObjectName(TenantId("hospital"), UUID(int=1), ObjectKind.AIP)
PRESENT, MISSING, DAMAGED = CopyState.PRESENT, CopyState.MISSING, CopyState.DAMAGED
LEAVING, ERASING, ERASED = CopyState.LEAVING, CopyState.ERASING, CopyState.ERASED


def order(target: str | None = "b") -> MoveOrder:
    return MoveOrder(UUID(int=9), "a", target, (), target is None, "somebody", NOW)


def decide(target: str | None, placed: tuple[str, ...] = (), **copies: CopyState) -> Decision:
    (found,) = plan_moves(order(target), [MovingObject(NAME, copies, placed)])
    assert found.name == NAME
    assert found.reason
    return found


@pytest.mark.parametrize("here", LYING_THERE)
def test_an_object_leaves_when_it_lies_where_it_goes(here: CopyState) -> None:
    found = decide("b", a=here, b=PRESENT)
    assert (found.action, found.sites) == (MoveAction.LEAVE, ("b",))


@pytest.mark.parametrize(
    ("there", "action"),
    [
        ({}, MoveAction.COPY),
        ({"b": ERASED}, MoveAction.COPY),
        ({"b": LEAVING}, MoveAction.COPY),
        ({"b": MISSING}, MoveAction.WAIT),
        ({"b": DAMAGED}, MoveAction.WAIT),
        ({"b": ERASING}, MoveAction.STAY),
        ({"b": ERASING, "c": PRESENT}, MoveAction.WAIT),
    ],
)
def test_until_then_it_stays(there: dict[str, CopyState], action: MoveAction) -> None:
    (found,) = plan_moves(order(), [MovingObject(NAME, {"a": PRESENT, **there}, ())])
    assert found.action is action


@pytest.mark.parametrize("here", [LEAVING, ERASING, ERASED])
def test_what_has_left_is_left_alone(here: CopyState) -> None:
    assert decide("b", a=here, b=PRESENT).action is MoveAction.STAY


def test_a_drain_goes_to_the_other_sites_of_the_placement() -> None:
    assert decide(None, ("a", "b", "c"), a=PRESENT, b=PRESENT).sites == ("c",)
    assert decide(None, ("a", "b", "c"), a=PRESENT, b=PRESENT, c=MISSING).action is MoveAction.WAIT
    found = decide(None, ("a", "b", "c"), a=PRESENT, b=PRESENT, c=PRESENT)
    assert (found.action, found.sites) == (MoveAction.LEAVE, ("b", "c"))


def test_a_drain_without_another_place_needs_another_copy() -> None:
    assert decide(None, ("a",), a=PRESENT).action is MoveAction.STAY
    assert decide(None, ("a",), a=PRESENT, b=LEAVING).action is MoveAction.STAY
    assert decide(None, ("a",), a=PRESENT, b=PRESENT).sites == ("b",)
    assert decide(None, ("a",), a=PRESENT, b=DAMAGED).action is MoveAction.WAIT


@given(
    st.sampled_from([None, "b", "c"]),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(CopyState)),
    st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_nothing_leaves_without_a_present_copy_elsewhere(
    target: str | None, copies: dict[str, CopyState], placed: set[str]
) -> None:
    (found,) = plan_moves(order(target), [MovingObject(NAME, copies, tuple(sorted(placed)))])
    assert "a" not in found.sites
    if found.action is MoveAction.LEAVE:
        assert found.sites
        assert all(copies[site] is PRESENT for site in found.sites)
        assert copies["a"] in LYING_THERE
