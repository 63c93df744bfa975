"""Plans: what may go, and every reason why something may not. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.retention import DisposalMark
from zdda.retention.plan import CopyFacts, ErasurePlan, ObjectFacts, PackageFacts, SharedFacts, plan_erasures

NOW = datetime(2032, 6, 1, tzinfo=UTC)
OVER = datetime(2032, 1, 1, tzinfo=UTC)
PLAN = UUID(int=99)


def an_object(number: int, kind: ObjectKind = ObjectKind.AIP) -> ObjectFacts:
    name = ObjectName(TenantId("hospital"), UUID(int=number), kind)
    copies = (CopyFacts("one", OVER), CopyFacts("two", OVER))
    return ObjectFacts(name, ContentAddress(bytes([number]) * 32), 10, 1, OVER, copies)


def a_package(number: int, *own: int) -> PackageFacts:
    amendments = [an_object(each, ObjectKind.AMENDMENT) for each in own]
    return PackageFacts(UUID(int=number), DisposalMark.S, OVER, (an_object(number), *amendments))


def goes(plan: ErasurePlan) -> list[int]:
    return [each.object.name.package.int for each in plan.erasures]


def test_a_package_goes_with_all_of_its_own_and_each_with_a_reason() -> None:
    plan = plan_erasures(PLAN, NOW, [a_package(1, 11, 12)])
    assert goes(plan) == [1, 11, 12]
    assert all("2032-01-01" in each.reason for each in plan.erasures)
    assert plan.refused == ()


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (replace(a_package(1), mark=DisposalMark.A), "mark A"),
        (replace(a_package(1), held=True), "legal hold"),
        (replace(a_package(1), retain_until=NOW + timedelta(seconds=1)), "package is kept until"),
        (replace(a_package(1), objects=()), "nothing is known"),
        (replace(a_package(1), unsettled=("on its way",)), "on its way"),
        (replace(a_package(1), objects=(replace(an_object(1), retain_until=NOW + timedelta(1)),)), "its record keeps"),
        (replace(a_package(1), objects=(replace(an_object(1), unknown=("site x",)),)), "site x"),
        (
            replace(a_package(1), objects=(replace(an_object(1), copies=(CopyFacts("one", OVER, held=True),)),)),
            "site one holds it",
        ),
        (
            replace(
                a_package(1),
                objects=(
                    replace(an_object(1), copies=(CopyFacts("one", OVER), CopyFacts("two", NOW + timedelta(days=1)))),
                ),
            ),
            "site two locks it",
        ),
    ],
)
def test_one_reason_keeps_the_whole_package_and_no_other(package: PackageFacts, reason: str) -> None:
    plan = plan_erasures(PLAN, NOW, [package, a_package(2)])
    assert goes(plan) == [2]
    (refusal,) = plan.refused
    assert refusal.package == package.package
    assert any(reason in each for each in refusal.reasons)


def test_at_the_very_moment_it_may_go() -> None:
    assert goes(plan_erasures(PLAN, OVER, [a_package(1)])) == [1]
    assert goes(plan_erasures(PLAN, OVER - timedelta(microseconds=1), [a_package(1)])) == []


def shared(number: int, *serves: int) -> SharedFacts:
    kind = ObjectKind.EVIDENCE_BATCH
    return SharedFacts((an_object(number, kind),), frozenset(UUID(int=each) for each in serves))


def test_what_is_shared_goes_with_the_last_that_it_serves() -> None:
    batch = shared(50, 1, 2)
    assert goes(plan_erasures(PLAN, NOW, [a_package(1)], [batch])) == [1]
    assert goes(plan_erasures(PLAN, NOW, [a_package(1), a_package(2)], [batch])) == [1, 2, 50]
    assert goes(plan_erasures(PLAN, NOW, [a_package(1)], [shared(50, 1)])) == [1, 50]


def test_what_proves_what_is_shared_follows_it() -> None:
    """A batch of packages is recorded by an amendment, which the next batch proves."""
    chain = [shared(52, 51), shared(50, 1), shared(51, 50)]
    assert goes(plan_erasures(PLAN, NOW, [a_package(1)], chain)) == [1, 50, 51, 52]


@pytest.mark.parametrize(
    "batch",
    [
        replace(shared(50, 1), unsettled=("on its way",)),
        replace(shared(50, 1), objects=()),
        SharedFacts((replace(an_object(50), retain_until=NOW + timedelta(days=1)),), frozenset({UUID(int=1)})),
        SharedFacts((replace(an_object(50), unknown=("?",)),), frozenset({UUID(int=1)})),
    ],
)
def test_what_is_shared_stays_for_reasons_of_its_own_and_keeps_nobody(batch: SharedFacts) -> None:
    plan = plan_erasures(PLAN, NOW, [a_package(1)], [batch])
    assert goes(plan) == [1]
    assert plan.refused == ()


def test_a_refused_package_keeps_what_it_shares() -> None:
    plan = plan_erasures(PLAN, NOW, [a_package(1), replace(a_package(2), held=True)], [shared(50, 1, 2)])
    assert goes(plan) == [1]


def test_a_plan_has_one_byte_form() -> None:
    assert plan_erasures(PLAN, NOW, [a_package(1)]).encode() == plan_erasures(PLAN, NOW, [a_package(1)]).encode()
