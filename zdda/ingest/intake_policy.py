"""Decides whether a deposit may go on, from the verdicts on its documents. Pure: no clock, no input, no output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


def decide(standings: Iterable[Standing], policy: IntakePolicy, doubtful: bool = False) -> IntakeDecision:
    """Every document is judged by the policy; the strictest action wins, whichever document it comes from.

    A document that could not be validated is flagged, whatever the policy: it is never accepted by accident, and
    never lost because a worker died. So is one that is ``doubtful`` however good its signatures are: it shows what
    nobody signed, or not everybody could be asked about its certificates.
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
    least = OnVerdict.FLAG if doubtful else OnVerdict.ACCEPT
    return IntakeDecision(max((least, *(actions[s] for s in seen)), key=order.index), worst_of(seen))


def shows_unsigned_changes(report: Mapping[str, Any]) -> bool:
    """Whether a document, by its validation report, shows something that was added or changed after signing and that
    no signature covers. Annotations, filled forms and further signatures are covered by a later signature; a page
    that was changed under an earlier one is never right."""
    changes = [each.get("changesAfterSigning") for each in report.get("signatures", ())]
    if "content" in changes or "not-determined" in changes:
        return True
    return bool(changes) and all(change == "annotations-or-form-filling" for change in changes)
