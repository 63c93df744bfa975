"""``zdda erase`` and ``zdda purge``: dry unless told otherwise; exit statuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

import zdda.app_stopped
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.disposing import LATER, desk_of, no_authority, packages_of, stores_say
from zdda.cli.main import application
from zdda.packaging.amendment import read_amendment
from zdda.retention.disposal import DisposalDesk


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedArchive]:
    """One package that is due, one that is not."""
    opened = make_archive(tmp_path)
    opened.deposit([b"%PDF one" * 100], {}, "one")
    opened.deposit([b"%PDF two" * 100], {"retentionClass": "long"}, "two")
    opened.settle()
    stores_say(monkeypatch, LATER)
    desk_is(monkeypatch, desk_of(opened))
    yield opened
    opened.close()


def desk_is(monkeypatch: pytest.MonkeyPatch, desk: DisposalDesk) -> None:
    @contextmanager
    def disposing(*_: object) -> Iterator[DisposalDesk]:
        yield desk

    monkeypatch.setattr(zdda.app_stopped, "disposing", disposing)


def run(archive: SimulatedArchive, *arguments: str | UUID) -> Any:
    folder = ["--folder", str(archive.folder)]
    return CliRunner().invoke(application("erase"), ["erase", *folder, *map(str, arguments)])


def test_without_being_told_nothing_is_destroyed(archive: SimulatedArchive) -> None:
    one, _ = packages_of(archive)
    answer = run(archive, "--package", one)
    assert answer.exit_code == 0
    assert f"goes: aip {one}/0: kept until 2032-01-01" in answer.output
    assert len(packages_of(archive)) == 2


def test_what_is_due_is_destroyed_when_told_by_somebody(archive: SimulatedArchive) -> None:
    one, two = packages_of(archive)
    assert run(archive, "--package", one, "--execute").exit_code == 2
    assert len(packages_of(archive)) == 2
    assert run(archive, "--package", one, "--execute", "--by", "archivist").exit_code == 0
    assert packages_of(archive) == [two]


def test_the_receipt_is_shown_and_given_sealed(archive: SimulatedArchive, tmp_path: Path) -> None:
    one, _ = packages_of(archive)
    told = run(archive, "--package", one, "--execute", "--by", "archivist")
    disposal = told.output.rpartition("--receipt ")[2].strip()
    receipt = json.loads(run(archive, "--receipt", disposal).stdout)
    assert (receipt["disposalId"], receipt["decidedBy"]) == (disposal, "archivist")
    assert run(archive, "--receipt", disposal, "--sealed", str(tmp_path / "receipt.p7m")).exit_code == 0
    assert read_amendment((tmp_path / "receipt.p7m").read_bytes())[0].kind == "disposal"
    assert run(archive, "--receipt", UUID(int=3)).exit_code == 3
    for wrong in ((), ("--package", one, "--receipt", disposal), ("--package", one, "--sealed", "x")):
        assert run(archive, *wrong).exit_code == 2


def test_what_is_not_due_keeps_all(archive: SimulatedArchive) -> None:
    one, two = packages_of(archive)
    answer = run(archive, "--package", one, "--package", two, "--execute", "--by", "archivist", "--json")
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert [each["package"] for each in told["refused"]] == [str(two)]
    assert len(packages_of(archive)) == 2


def test_without_a_timestamp_it_could_not_be_found_out(
    archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk_is(monkeypatch, desk_of(archive, timestamp=no_authority))
    answer = run(archive, "--package", packages_of(archive)[0], "--execute", "--by", "archivist")
    assert answer.exit_code == 3
    assert len(packages_of(archive)) == 2


def test_a_database_is_purged_and_the_rest_is_said(tmp_path: Path) -> None:
    make_archive(tmp_path).close()
    answer = CliRunner().invoke(application("purge"), ["purge", "--folder", str(tmp_path)])
    assert answer.exit_code == 0
    assert "cleared: free pages" in answer.output
    assert "not promised: blocks of the disk" in answer.output


def test_a_running_archive_is_not_purged(archive: SimulatedArchive) -> None:
    answer = CliRunner().invoke(application("purge"), ["purge", "--folder", str(archive.folder)])
    assert answer.exit_code == 3


def test_an_archive_without_a_timestamp_authority_erases_nothing(tmp_path: Path) -> None:
    """Wired as the archive is: its settings name no authority."""
    with closing(make_archive(tmp_path)) as archive:
        archive.deposit([b"%PDF one" * 100], {}, "one")
        archive.settle()
        (one,) = packages_of(archive)
    arguments = ["--package", str(one), "--execute", "--by", "archivist"]
    answer = CliRunner().invoke(application("erase"), ["erase", "--folder", str(tmp_path), *arguments])
    assert answer.exit_code == 3
    assert "clocks-disagree: no timestamp says what time it is" in answer.output
    with closing(make_archive(tmp_path)) as archive:
        assert packages_of(archive) == [one]
