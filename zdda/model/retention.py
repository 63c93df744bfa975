"""Retention classes and the one rule that turns a class and a moment into the day nothing may go before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from zdda.model.placement import EVERYWHERE, Placement


class DisposalMark(StrEnum):
    """Skartační znak (act 499/2004): A permanent archiving, S destruction, V review by the archivist."""

    A = "A"
    S = "S"
    V = "V"


class OnVerdict(StrEnum):
    """What intake does with a document of a given worst verdict."""

    ACCEPT = "accept"
    FLAG = "flag"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """What intake does with documents whose worst top-level signature is thus, or that carry none."""

    total_failed: OnVerdict = OnVerdict.REJECT
    indeterminate: OnVerdict = OnVerdict.FLAG
    no_signature: OnVerdict = OnVerdict.ACCEPT


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """A class of content: its mark, its period in whole years, and its intake policy.

    ``years`` is at least 1; for mark A it is the time until the hand-over to a public archive is judged.
    ``revocation_wait``: the longest that a deposit waits for revocation data after it was received.
    ``guaranteed_store``: it is taken in only while the store is shown to keep what it locks.
    ``placement``: at which sites its packages lie, and how many must hold one before it counts as stored.
    """

    name: str
    mark: DisposalMark
    years: int
    intake: IntakePolicy = IntakePolicy()
    revocation_wait: timedelta = timedelta(0)
    guaranteed_store: bool = False
    placement: Placement = EVERYWHERE

    def __post_init__(self) -> None:
        if not 1 <= self.years <= 1000:
            raise ValueError("a retention period is 1 to 1000 years")


def retain_until(retention_class: RetentionClass, deposited_at: datetime) -> datetime:
    """1 January after the deposit, plus the class's years (act 499/2004: a period runs from 1 January of the
    year after); midnight UTC."""
    return datetime(deposited_at.astimezone(UTC).year + 1 + retention_class.years, 1, 1, tzinfo=UTC)
