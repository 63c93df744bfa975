"""The clock jumps in the middle of a deposit: nothing is lost, nothing shortened, nobody crashes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.simulator.archive import make_archive
from tests.simulator.pki import NOW, pki
from zdda.model.clock import FixedClock
from zdda.model.deposit import DepositState
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress

JUMPS = {
    "an hour back": timedelta(hours=-1),
    "a year back": timedelta(days=-365),
    "30 years forward": timedelta(days=30 * 365),
}


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize("step", ["sealed.before-commit", "stored.put", "batch.closed", "archived.amendment-durable"])
def test_a_jump_between_two_steps_loses_nothing(step: str, jump: timedelta, tmp_path: Path) -> None:
    clock = FixedClock(NOW)

    def leap(point: str) -> None:
        if point == step:
            clock.move_to(NOW + jump)

    archive = make_archive(tmp_path, clock=clock, crash=leap)
    status = archive.deposit([b"content"])
    archive.settle()
    if archive.status(status).state is DepositState.STORED:  # sealed in what is the future now: no evidence yet
        clock.move_to(NOW)
        archive.settle()
    found = archive.status(status)
    assert found.state is DepositState.ARCHIVED
    assert found.receipt is not None
    until = datetime.fromisoformat(found.receipt["retention"]["retainUntil"])
    assert until.year == NOW.year + 6
    blobs = archive.archive.vault.blobs
    for record in archive.archive.vault.store.records():
        assert blobs.stat(ContentAddress(record.address.digest)).retain_until >= record.retain_until
        assert record.retain_until.year >= NOW.year + 6
    archive.close()


def test_while_clock_and_authority_disagree_deposits_wait_and_then_go_on(tmp_path: Path) -> None:
    agree = [False]

    def timestamp(imprint: bytes) -> bytes:
        if not agree[0]:
            raise Unavailable("the authority's time is too far from this machine's")
        return pki().token(imprint)

    archive = make_archive(tmp_path, timestamp=timestamp)
    status = archive.deposit([b"content"])
    archive.settle()
    waiting = archive.status(status)
    assert waiting.state is DepositState.STORED
    assert waiting.deferral is not None
    assert waiting.deferral.reason == "unavailable"
    agree[0] = True
    with archive.archive.database.write() as tx:
        from sqlalchemy import update

        from zdda.catalog.tables import evidence_batches

        tx.execute(update(evidence_batches).values(not_before=None))  # the backoff is over
    archive.settle()
    assert archive.status(status).state is DepositState.ARCHIVED
    archive.close()
