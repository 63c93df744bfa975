"""``zdda store list|test|move|drain`` on an archive with two stores: it runs while its objects move."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tests.simulator.archive import SimulatedArchive, TickingClock, make_archive, prepare
from zdda.app import initialise
from zdda.catalog.object_copies import site_report
from zdda.cli.main import application
from zdda.ingest.levelling import SiteInUse
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus
from zdda.retention.clocks import AgreedTime
from zdda.settings import load
from zdda.storage.filesystem_blobs import FilesystemBlobs

_SITE = '\n[[sites]]\nname = "{0}"\ndirectory = "{0}"\nimmutable = false\n'


class MovedClock(TickingClock):
    """Goes on by leaps as well."""

    def leap(self, by: timedelta) -> None:
        self._moment += by


def with_sites(folder: Path, placed: str, *sites: str) -> None:
    prepare(folder)
    file = folder / "zdda.toml"
    text = file.read_text("utf-8").split("\n[[sites]]")[0].replace("[store]\nimmutable = false\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("stores = ")]
    placements = [f'{line}\nstores = ["{placed}"]' if line.startswith("name = ") else line for line in lines]
    file.write_text("\n".join(placements) + "\n" + "".join(map(_SITE.format, sites)), "utf-8")


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(application("store"), ["store", *arguments, "--folder", str(folder)])


def stored(archive: SimulatedArchive, site: str) -> tuple[int, int]:
    """(present, leaving)"""
    with archive.archive.database.read() as tx:
        report = site_report(tx, site)
    return report.objects, report.leaving


def read(archive: SimulatedArchive, deposit: DepositStatus) -> bytes:
    package = archive.status(deposit).package_id
    assert package is not None
    with archive.archive.packages.document(package, 1, "somebody").chunks as chunks:
        return b"".join(chunks)


def work(archive: SimulatedArchive, clock: MovedClock) -> None:
    for _ in range(4):
        archive.settle()
        clock.leap(timedelta(seconds=20))


@pytest.mark.parametrize("command", [["move", "--from", "old", "--to", "new"], ["drain", "old", "--to", "new"]])
def test_an_archive_runs_while_its_objects_move(command: list[str], tmp_path: Path) -> None:
    with_sites(tmp_path, "old", "old", "new")
    clock = MovedClock()
    archive = make_archive(tmp_path, clock=clock)
    first = archive.deposit([b"the first"])
    work(archive, clock)
    assert (stored(archive, "old"), stored(archive, "new")) == ((3, 0), (0, 0))
    assert run(tmp_path, *command).exit_code == 0
    assert run(tmp_path, *command).exit_code == 3
    second = archive.deposit([b"the second"])
    work(archive, clock)
    assert (stored(archive, "old"), stored(archive, "new")) == ((0, 6), (6, 0))
    assert len(list(archive.archive.vault.sites[1].blobs.addresses())) == 6
    for deposit, content in ((first, b"the first"), (second, b"the second")):
        assert archive.status(deposit).state is DepositState.ARCHIVED
        assert read(archive, deposit) == content
    clock.leap(timedelta(days=3650))  # this clock alone says that the locks are over
    work(archive, clock)
    assert stored(archive, "old") == (0, 6)
    assert len(list(archive.archive.vault.sites[0].blobs.addresses())) == 6
    archive.close()

    with_sites(tmp_path, "new", "new")
    with pytest.raises(SiteInUse, match="old"):
        make_archive(tmp_path)
    with_sites(tmp_path, "new", "new", "old")
    listed = [json.loads(line) for line in run(tmp_path, "list", "--json").output.splitlines()]
    assert [(each["site"], each["objects"], each["leaving"], each["empty"]) for each in listed] == [
        ("new", 6, 0, False),
        ("old", 0, 6, False),
    ]
    assert listed[1]["orders"] == ("" if command[0] == "move" else "drained to new")


def test_a_store_is_given_up_when_everything_has_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sites(tmp_path, "old", "old", "new")
    clock = MovedClock()
    archive = make_archive(tmp_path, clock=clock)
    deposit = archive.deposit([b"kept"])
    work(archive, clock)
    assert run(tmp_path, "drain", "old", "--to", "new").exit_code == 0
    work(archive, clock)

    def agreed(*_: object) -> AgreedTime:
        return AgreedTime((("system", clock.now()), ("timestamp", clock.now())), b"")

    monkeypatch.setattr("zdda.moving_work.ask_clocks", agreed)
    monkeypatch.setattr(FilesystemBlobs, "own_time", lambda _self: clock.now())
    clock.leap(timedelta(days=40 * 366))  # batches of evidence are kept for longer than packages
    work(archive, clock)
    assert (stored(archive, "old"), stored(archive, "new")) == ((0, 0), (3, 0))
    assert list(archive.archive.vault.sites[0].blobs.addresses()) == []
    with capture_logs() as logs:
        assert read(archive, deposit) == b"kept"
    assert [each for each in logs if each["log_level"] == "error"] == []  # that it is not at the old one is no damage
    archive.close()
    monkeypatch.undo()
    assert json.loads(run(tmp_path, "list", "--json").output.splitlines()[0])["empty"]
    with_sites(tmp_path, "new", "new")
    archive = make_archive(tmp_path)
    assert read(archive, deposit) == b"kept"
    archive.close()


def test_a_drain_is_stopped(tmp_path: Path) -> None:
    with_sites(tmp_path, "old", "old", "new")
    assert run(tmp_path, "drain", "old").exit_code == 0
    assert "drained" in run(tmp_path, "list").output
    assert "1 orders ended" in run(tmp_path, "drain", "old", "--stop").output
    assert "drained" not in run(tmp_path, "list").output


@pytest.mark.parametrize(
    "wrong",
    [
        ["move", "--from", "old", "--to", "nowhere"],
        ["move", "--from", "old", "--to", "old"],
        ["move", "--from", "old", "--to", "new", "--class", "unknown"],
        ["drain", "nowhere"],
        ["test", "nowhere"],
    ],
)
def test_what_makes_no_sense_is_refused(wrong: list[str], tmp_path: Path) -> None:
    with_sites(tmp_path, "old", "old", "new")
    assert run(tmp_path, *wrong).exit_code == 3
    assert "drained" not in run(tmp_path, "list").output


def test_what_contradicts_an_order_is_refused(tmp_path: Path) -> None:
    with_sites(tmp_path, "old", "old", "new")
    assert run(tmp_path, "move", "--from", "old", "--to", "new").exit_code == 0
    assert run(tmp_path, "move", "--from", "new", "--to", "old").exit_code == 3
    assert run(tmp_path, "drain", "new").exit_code == 3


def test_a_store_is_tried_while_the_archive_is_stopped(tmp_path: Path) -> None:
    with_sites(tmp_path, "old", "old", "new")
    initialise(load(tmp_path / "zdda.toml"), tmp_path)
    tried = run(tmp_path, "test", "new")
    assert tried.output.split("\n")[:3] == ["written", "read and compared", "erased"]
    assert tried.exit_code == 0
    assert [path for path in (tmp_path / "new" / "objects").rglob("*") if path.is_file()] == []
    archive = make_archive(tmp_path)
    assert run(tmp_path, "test", "new").exit_code == 3
    archive.close()
