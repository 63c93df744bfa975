"""A deposit that waits for revocation data: on SQLite and on PostgreSQL, by the database's clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.pki import NOW
from zdda.catalog.deposits import get_deposit
from zdda.catalog.tables import deposits
from zdda.ingest.workshop import Examination
from zdda.model.clock import FixedClock, format_time
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus

MISSING = {"id": "revocation-data-present", "status": "not-ok", "checked": "", "against": ""}


class Undecided:
    """Says INDETERMINATE for lack of revocation data until they are ``there``."""

    def __init__(self) -> None:
        self.there, self.asked = False, 0
        self.record: dict[str, str] = MISSING

    def examine(self, *_: Any) -> Examination:
        self.asked += 1
        verdict = "TOTAL_PASSED" if self.there else "INDETERMINATE"
        unmet = [] if self.there else [self.record]
        signature = {
            "identifier": "0" * 64,
            "indication": verdict,
            "buildingBlocks": [{"constraints": unmet}],
            "certificatePath": [],
            "revocationData": [],
            "timestamps": [],
        }
        report = {
            "format": "zdda-simulated-report/1",
            "signatures": [signature],
            "timestamps": [],
            "validationData": [],
        }
        return Examination("fmt/276", "Acrobat PDF 1.7", verdict, report, ())


class Waiting:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.clock, self.examiner = FixedClock(NOW), Undecided()
        self.archive: SimulatedArchive = make_archive(
            folder, database_url=database_url, clock=self.clock, examiner=self.examiner
        )

    def deposit(self, retention: str = "patient") -> DepositStatus:
        status = self.archive.deposit([b"content"], {"retentionClass": retention})
        self.archive.settle()
        return self.archive.status(status)

    def let_pass(self, time: timedelta) -> None:
        """Both clocks: the archive's, and, seen from the row, the database's."""
        self.clock.move_to(self.clock.now() + time)
        with self.archive.archive.database.write() as tx:
            for row in tx.execute(deposits.select().where(deposits.c.not_before.is_not(None))).all():
                moved = update(deposits).where(deposits.c.deposit_id == row.deposit_id)
                tx.execute(moved.values(not_before=row.not_before - time))
        self.archive.settle()

    def went_on(self, status: DepositStatus) -> bool:
        """Stored: the simulated authority's time stands still, so evidence waits for the clock to come back."""
        return self.archive.status(status).state in (DepositState.STORED, DepositState.ARCHIVED)


@pytest.fixture
def waiting(database_url: str, tmp_path: Path) -> Waiting:
    return Waiting(tmp_path / "archive", database_url)


def test_it_waits_and_is_validated_again(waiting: Waiting) -> None:
    status = waiting.deposit()
    assert status.state is DepositState.RECEIVED
    assert status.deferral is not None
    assert status.deferral.reason == "revocation-data-due"
    waiting.archive.settle()
    assert waiting.examiner.asked == 1, "a state, not a busy wait"
    waiting.let_pass(timedelta(minutes=2))
    assert waiting.examiner.asked == 2
    waiting.examiner.there = True
    waiting.let_pass(timedelta(hours=2))
    found = waiting.archive.status(status)
    assert found.state is DepositState.ARCHIVED
    assert found.deferral is None
    assert [state for state, _ in found.history].count("validated") == 1
    row = waiting.archive.archive.packages.describe(status.package_id, "auditor")
    assert [document.verdict for document in row.documents] == ["TOTAL_PASSED"]
    waiting.archive.close()


def test_it_waits_until_newer_data_are_due(waiting: Waiting) -> None:
    due = NOW + timedelta(hours=10)
    waiting.examiner.record = {**MISSING, "id": "revocation-fresh", "checked": format_time(due)}
    waiting.deposit()
    waiting.let_pass(timedelta(hours=9))
    assert waiting.examiner.asked == 1
    waiting.let_pass(timedelta(hours=2))
    assert waiting.examiner.asked == 2
    waiting.archive.close()


def test_in_the_end_the_policy_decides_on_what_there_is(waiting: Waiting) -> None:
    status = waiting.deposit()
    waiting.let_pass(timedelta(hours=49))
    assert waiting.went_on(status)
    with waiting.archive.archive.database.read() as tx:
        row = get_deposit(tx, status.deposit_id)
    assert (row.worst, row.flagged) == ("INDETERMINATE", True)
    waiting.archive.close()


def test_by_default_nothing_waits(waiting: Waiting) -> None:
    assert waiting.deposit("medical-record").state is DepositState.ARCHIVED
    assert waiting.examiner.asked == 1
    waiting.archive.close()


def test_the_others_go_past_it(waiting: Waiting) -> None:
    status = waiting.deposit()
    assert waiting.deposit("medical-record").state is DepositState.ARCHIVED
    assert waiting.archive.status(status).state is DepositState.RECEIVED
    waiting.archive.close()


@pytest.mark.parametrize("jump", [timedelta(days=-365), timedelta(days=10_000)])
def test_a_clock_that_jumps_loses_nothing(jump: timedelta, waiting: Waiting) -> None:
    status = waiting.deposit()
    waiting.clock.move_to(NOW + jump)
    waiting.let_pass(timedelta(minutes=2))
    waiting.clock.move_to(NOW)
    waiting.examiner.there = True
    waiting.let_pass(timedelta(hours=49))
    assert waiting.went_on(status)
    waiting.archive.close()
