"""The states of a deposit, and what stands in the way of the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DepositState(StrEnum):
    """A deposit moves forward only, one step at a time."""

    RECEIVED = "received"
    VALIDATED = "validated"
    SEALED = "sealed"
    STORED = "stored"
    ARCHIVED = "archived"
    REJECTED = "rejected"


NEXT: dict[DepositState, frozenset[DepositState]] = {
    DepositState.RECEIVED: frozenset({DepositState.VALIDATED, DepositState.REJECTED}),
    DepositState.VALIDATED: frozenset({DepositState.SEALED}),
    DepositState.SEALED: frozenset({DepositState.STORED}),
    DepositState.STORED: frozenset({DepositState.ARCHIVED}),
    DepositState.ARCHIVED: frozenset(),
    DepositState.REJECTED: frozenset(),
}

FINAL = frozenset(state for state, following in NEXT.items() if not following)


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why a deposit waits, and until when at the earliest; an attribute, never a state."""

    reason: str
    not_before: datetime
