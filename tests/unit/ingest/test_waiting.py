"""Whoever waits for a deposit hears of its end, whenever it comes, and sees what holds it up."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

from tests.simulator.archive import UnsignedDocuments, make_archive
from zdda.ingest.intake import _REMEMBERED, Progress
from zdda.ingest.workshop import Examination
from zdda.model.deposit import DepositState
from zdda.model.errors import Unavailable


def test_an_end_before_the_wait_is_heard_and_one_long_ago_is_forgotten() -> None:
    progress = Progress()
    for number in range(_REMEMBERED + 1):
        progress.ended(UUID(int=number))
    with progress.watching(UUID(int=0)) as long_ago, progress.watching(UUID(int=1)) as lately:
        assert (long_ago.is_set(), lately.is_set()) == (False, True)
        progress.ended(UUID(int=0))
        assert long_ago.is_set()


def test_the_answer_comes_with_the_end(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    sent = archive.deposit([b"content"])
    assert (sent.state, sent.created, [state for state, _ in sent.history]) == ("received", True, ["received"])
    assert archive.status(sent).history == sent.history
    timer = threading.Timer(0.05, archive.settle)
    timer.start()
    assert archive.archive.intake.wait(sent.deposit_id, 60).state is DepositState.ARCHIVED
    timer.join()
    archive.close()


def test_who_waits_long_enough_sees_a_deferral_and_no_longer_than_asked(tmp_path: Path) -> None:
    class Away(UnsignedDocuments):
        def examine(self, *_: object, **__: object) -> Examination:
            raise Unavailable("no worker")

    archive = make_archive(tmp_path, examiner=Away())
    sent = archive.deposit([b"content"])
    assert archive.archive.intake.wait(sent.deposit_id, 0.01).state is DepositState.RECEIVED
    archive.settle()
    deferral = archive.archive.intake.wait(sent.deposit_id, 60).deferral
    assert deferral is not None
    assert deferral.reason == "unavailable"
    archive.close()
