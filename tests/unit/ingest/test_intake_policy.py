from __future__ import annotations

from typing import Any

import pytest

from zdda.ingest.intake_policy import Standing, decide, shows_unsigned_changes, worst_of
from zdda.model.retention import IntakePolicy, OnVerdict

DEFAULT = IntakePolicy()


@pytest.mark.parametrize(
    ("standing", "action"),
    [
        (Standing.TOTAL_PASSED, OnVerdict.ACCEPT),
        (Standing.NO_SIGNATURE, OnVerdict.ACCEPT),
        (Standing.INDETERMINATE, OnVerdict.FLAG),
        (Standing.NOT_VALIDATED, OnVerdict.FLAG),
        (Standing.TOTAL_FAILED, OnVerdict.REJECT),
    ],
)
def test_the_default_policy(standing: Standing, action: OnVerdict) -> None:
    assert decide([standing], DEFAULT).action is action


def test_the_strictest_action_wins_whichever_document_it_comes_from() -> None:
    strict = IntakePolicy(no_signature=OnVerdict.REJECT)
    decision = decide([Standing.NO_SIGNATURE, Standing.INDETERMINATE], strict)
    assert decision.action is OnVerdict.REJECT
    assert decision.worst is Standing.INDETERMINATE


def test_what_was_not_validated_never_counts_as_passed() -> None:
    assert worst_of([Standing.TOTAL_PASSED, Standing.NOT_VALIDATED]) is Standing.NOT_VALIDATED


def test_a_deposit_without_documents_has_no_verdict() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        worst_of([])


@pytest.mark.parametrize("indeterminate", list(OnVerdict))
def test_what_was_not_validated_is_flagged_whatever_the_policy(indeterminate: OnVerdict) -> None:
    policy = IntakePolicy(indeterminate=indeterminate)
    assert decide([Standing.NOT_VALIDATED], policy).action is OnVerdict.FLAG


def changes(*told: str | None) -> dict[str, Any]:
    return {"signatures": [{"changesAfterSigning": each} for each in told]}


@pytest.mark.parametrize(
    ("told", "unsigned"),
    [
        ((), False),
        ((None,), False),
        (("nothing",), False),
        (("annotations-or-form-filling", "nothing"), False),
        (("annotations-or-form-filling",), True),
        (("annotations-or-form-filling", "annotations-or-form-filling"), True),
        (("content", "nothing"), True),
        (("not-determined", "nothing"), True),
    ],
)
def test_what_no_signature_covers_is_flagged(told: tuple[str | None, ...], unsigned: bool) -> None:
    assert shows_unsigned_changes(changes(*told)) is unsigned
    decision = decide([Standing.TOTAL_PASSED], IntakePolicy(), unsigned)
    assert decision.action is (OnVerdict.FLAG if unsigned else OnVerdict.ACCEPT)
    assert decide([Standing.TOTAL_FAILED], IntakePolicy(), unsigned).action is OnVerdict.REJECT
    assert not shows_unsigned_changes({"format": "zdda-not-validated/1"})
