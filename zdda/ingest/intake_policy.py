"""Decides whether a deposit may go on, from the verdicts on its documents. Pure: no clock, no input, no output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from zdda.model.retention import IntakePolicy, OnVerdict


class Standing(StrEnum):
    """The verdicts intake tells apart, from best to worst. ``NOT_VALIDATED`` is an internal failure, not a verdict."""

    TOTAL_PASSED = "TOTAL_PASSED"
    NO_SIGNATURE = "NO_SIGNATURE"
    INDETERMINATE = "INDETERMINATE"
    NOT_VALIDATED = "NOT_VALIDATED"
    TOTAL_FAILED = "TOTAL_FAILED"


_SEVERITY = {standing: rank for rank, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True)
class IntakeDecision:
    """What intake does with the deposit, and the worst verdict that made it so."""

    action: OnVerdict
    worst: Standing


def worst_of(standings: Iterable[Standing]) -> Standing:
    """The worst of the documents' standings; raises ``ValueError`` when there is none."""
    return max(standings, key=_SEVERITY.__getitem__)


def decide(standings: Iterable[Standing], policy: IntakePolicy) -> IntakeDecision:
    """Every document is judged by the policy; the strictest action wins, whichever document it comes from.

    A document that could not be validated is flagged, whatever the policy: it is never accepted by accident, and
    never lost because a worker died.
    """
    actions = {
        Standing.TOTAL_PASSED: OnVerdict.ACCEPT,
        Standing.NO_SIGNATURE: policy.no_signature,
        Standing.INDETERMINATE: policy.indeterminate,
        Standing.NOT_VALIDATED: OnVerdict.FLAG,
        Standing.TOTAL_FAILED: policy.total_failed,
    }
    order = (OnVerdict.ACCEPT, OnVerdict.FLAG, OnVerdict.REJECT)
    seen = tuple(standings)
    return IntakeDecision(max((actions[s] for s in seen), key=order.index), worst_of(seen))
