"""A start that would destroy or falsify something is refused, with everything left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulator.archive import SimulatedArchive, TickingClock, make_archive
from tests.simulator.pki import NOW, pki
from zdda.ingest.rebuild import CatalogRebuild
from zdda.ingest.resumption import (
    CRASH_POINTS,
    CatalogOutdated,
    ClockWrong,
    SpoolOfAnotherCatalog,
    resume,
)
from zdda.model.clock import FixedClock
from zdda.model.deposit import DepositState
from zdda.trust.tsa_client import AuthorityUnavailable, ClockDisagrees


def catalog(folder: Path) -> list[Path]:
    return sorted(folder.glob("catalog.db*"))


def copy_catalog(folder: Path, to: Path) -> None:
    to.mkdir()
    for path in catalog(folder):
        shutil.copy(path, to)


def put_back(folder: Path, copy: Path) -> None:
    for path in catalog(folder):
        path.unlink()
    for path in copy.iterdir():
        shutil.copy(path, folder)


def spool_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "spool").iterdir()}


def later(folder: Path, hours: int = 1) -> SimulatedArchive:
    return make_archive(folder, clock=TickingClock(NOW + timedelta(hours=hours)))


class Crash(BaseException):
    pass


def dying_at(point: str) -> Callable[[str], None]:
    def crash(reached: str) -> None:
        if reached == point:
            raise Crash(point)

    return crash


def test_an_empty_catalog_does_not_sweep_the_spool_of_another(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    status = archive.deposit([b"waits"])
    archive.close()
    copy_catalog(tmp_path / "a", tmp_path / "copy")
    for path in catalog(tmp_path / "a"):
        path.unlink()
    before = spool_bytes(tmp_path / "a")
    with pytest.raises(SpoolOfAnotherCatalog):
        later(tmp_path / "a")
    assert spool_bytes(tmp_path / "a") == before
    put_back(tmp_path / "a", tmp_path / "copy")
    archive = later(tmp_path / "a")
    archive.settle()
    assert archive.status(status).state is DepositState.ARCHIVED
    archive.close()


def test_the_catalog_of_another_archive_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        archive = make_archive(tmp_path / name)
        archive.deposit([b"waits"])
        archive.close()
    copy_catalog(tmp_path / "b", tmp_path / "copy")
    put_back(tmp_path / "a", tmp_path / "copy")
    before = spool_bytes(tmp_path / "a")
    with pytest.raises(SpoolOfAnotherCatalog):
        later(tmp_path / "a")
    assert spool_bytes(tmp_path / "a") == before


def test_a_lost_spool_is_said_while_deposits_wait_in_it(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"waits"])
    archive.close()
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(SpoolOfAnotherCatalog):
        later(tmp_path)


def test_an_empty_spool_is_bound_anew_where_nothing_waits(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"done"])
    archive.settle()
    archive.close()
    shutil.rmtree(tmp_path / "spool")
    later(tmp_path).close()
    later(tmp_path, 2).close()


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_dying_while_binding_binds_at_the_next_start(tmp_path: Path, point: str) -> None:
    with pytest.raises(Crash):
        make_archive(tmp_path, crash=dying_at(point))
    archive = later(tmp_path)
    archive.deposit([b"waits"])
    archive.close()
    later(tmp_path, 2).close()


def test_the_spool_s_marker_is_one_of_the_persisted_forms(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.archive.vault.spool.claim("00" * 16)
    assert (tmp_path / "spool" / "zdda-spool.json").read_bytes() == (
        b'{"format":"zdda-spool/1","id":"00000000000000000000000000000000"}'
    )
    assert archive.archive.vault.spool.identity() == "00" * 16
    assert archive.archive.vault.spool.names() == []
    archive.close()


def test_an_older_copy_of_the_catalog_is_noticed(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    archive.deposit([b"before"])
    archive.settle()
    archive.close()
    copy_catalog(tmp_path / "a", tmp_path / "copy")
    archive = later(tmp_path / "a")
    archive.deposit([b"after"])
    archive.settle()
    archive.close()
    put_back(tmp_path / "a", tmp_path / "copy")
    with pytest.raises(CatalogOutdated, match="reconcile --repair"):
        later(tmp_path / "a", 2)


def test_a_name_used_twice_after_a_copy_is_put_back_does_not_stop_a_rebuild(tmp_path: Path) -> None:
    """As it was before starts were checked: the same deposit is in the stores twice."""
    folder = tmp_path / "a"
    make_archive(folder).close()
    copy_catalog(folder, tmp_path / "copy")
    statuses = []
    for hours in (1, 2):
        archive = make_archive(folder, clock=TickingClock(NOW + timedelta(hours=hours)), resuming=False)
        statuses.append(archive.deposit([b"twice"], key="key-1"))
        archive.settle()
        archive.close()
        put_back(folder, tmp_path / "copy")
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(hours=3)), resuming=False)
    parts = archive.archive
    report = CatalogRebuild(parts.database, parts.vault.store, parts.vault.generations, TickingClock(NOW)).run()
    assert report.packages == 1
    assert [problem.code for problem in report.problems] == ["named-twice"]
    assert archive.status(statuses[0]).receipt is not None
    resume(parts.workshop, "")  # what was reported does not keep it from working
    archive.close()


def test_a_clock_behind_what_an_authority_has_said_is_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"done"])
    archive.settle()
    archive.close()
    with pytest.raises(ClockWrong):
        make_archive(tmp_path, clock=FixedClock(NOW - timedelta(days=365 * 10)))


@pytest.mark.parametrize(("apart", "refused"), [(timedelta(days=365 * 30), True), (timedelta(hours=2), False)])
def test_a_clock_that_the_authority_contradicts(tmp_path: Path, apart: timedelta, refused: bool) -> None:
    def timestamp(imprint: bytes) -> bytes:
        raise ClockDisagrees("too far", apart)

    if refused:
        with pytest.raises(ClockWrong):
            make_archive(tmp_path, timestamp=timestamp)
    else:
        make_archive(tmp_path, timestamp=timestamp).close()


def test_without_an_authority_work_goes_on(tmp_path: Path) -> None:
    def timestamp(imprint: bytes) -> bytes:
        raise AuthorityUnavailable("away")

    archive = make_archive(tmp_path, timestamp=timestamp)
    status = archive.deposit([b"content"])
    archive.settle()
    assert archive.status(status).state is DepositState.STORED
    archive.close()


def test_what_was_sealed_by_a_clock_far_ahead_gets_no_receipt_and_holds_up_no_other(tmp_path: Path) -> None:
    """The clock is right again when the batch is to be closed."""
    clock = FixedClock(NOW + timedelta(days=3650))

    def right_again(point: str) -> None:
        if point == "sealed.committed":
            clock.move_to(NOW)

    archive = make_archive(tmp_path, clock=clock, crash=right_again)
    wrong = archive.deposit([b"sealed in ten years"])
    archive.settle()
    good = archive.deposit([b"sealed now"])
    archive.settle()
    assert archive.status(wrong).state is DepositState.STORED
    assert archive.status(wrong).receipt is None
    assert archive.status(good).state is DepositState.ARCHIVED
    archive.close()


def test_a_batch_closed_by_a_wrong_clock_gives_no_receipt(tmp_path: Path) -> None:
    clock = FixedClock(NOW + timedelta(days=3650))

    def right_again(point: str) -> None:
        if point == "batch.closed":
            clock.move_to(NOW)

    archive = make_archive(tmp_path, clock=clock, crash=right_again, timestamp=pki().token)
    status = archive.deposit([b"sealed in ten years"])
    archive.settle()
    found = archive.status(status)
    assert found.state is DepositState.STORED
    assert found.receipt is None
    archive.close()
