"""``zdda fsck``, ``reconcile`` and ``catalog rebuild``: what they print and how they end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.simulator.archive import ACCOUNT, TickingClock, make_archive
from tests.simulator.pki import NOW
from zdda.cli.main import application
from zdda.fsck.inventory import encode_line, read_inventory
from zdda.model.clock import FixedClock


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "archive"
    archive = make_archive(folder)
    archive.deposit([b"one", b"two"], {"externalId": {"producer": "kis", "id": "1"}}, "key")
    archive.settle()
    archive.close()
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "archive"))


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command at the moment at which the simulated authorities live."""
    for module in ("fsck", "reconcile"):
        monkeypatch.setattr(f"zdda.cli.{module}.SystemClock", lambda: FixedClock(NOW))
    return lambda *arguments: CliRunner().invoke(application(), [*arguments, "--folder", str(folder)])


def break_an_object(folder: Path) -> None:
    path = max(folder.glob("store/objects/*/*/*"), key=lambda each: each.stat().st_size)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"X")


def test_a_clean_archive(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    result = run("fsck")
    assert result.exit_code == 0
    assert "CLEAN" in result.stdout
    file = tmp_path / "inventory"
    result = run("fsck", "--json", "--inventory", str(file))
    assert result.exit_code == 0
    assert result.stdout_bytes == file.read_bytes()
    with file.open("rb") as stream:
        assert b"".join(map(encode_line, read_inventory(stream))) == file.read_bytes()
    assert run("fsck", "--inventory", str(file)).exit_code == 3  # nothing is overwritten


def test_findings(run: Callable[..., Result], folder: Path) -> None:
    break_an_object(folder)
    result = run("fsck")
    assert result.exit_code == 1
    assert "object-digest: aip " in result.stdout
    assert "lock-too-short: aip " in result.stdout  # writing moved the time that is the lock
    assert "FINDINGS: 2 broken" in result.stdout


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "keys" / "key-encryption.key").unlink(),
        lambda folder: (folder / "keys" / "generations.json").unlink(),
        lambda folder: (folder / "keys" / "generations.json").write_bytes(b"{}"),
        lambda folder: (folder / "zdda.toml").unlink(),
        lambda folder: (folder / "trust" / "root.cer").unlink(),
    ],
)
@pytest.mark.parametrize("command", [["fsck"], ["reconcile"]])
def test_what_cannot_be_checked_ends_with_3(
    run: Callable[..., Result], folder: Path, damage: Callable[[Path], object], command: list[str]
) -> None:
    damage(folder)
    assert run(*command).exit_code == 3


@pytest.mark.parametrize("command", [["fsck"], ["reconcile"], ["catalog", "rebuild"]])
def test_a_running_archive_is_left_alone(run: Callable[..., Result], folder: Path, command: list[str]) -> None:
    archive = make_archive(folder)
    result = run(*command)
    assert result.exit_code == 3
    assert "store-failed" in result.stderr
    archive.close()


def test_reconcile(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    result = run("reconcile")
    assert result.exit_code == 0
    assert "THE SAME" in result.stdout
    file = tmp_path / "inventory"
    run("fsck", "--inventory", str(file))
    archive = make_archive(folder, clock=TickingClock(NOW))
    archive.deposit([b"later"])
    archive.settle()
    assert run("reconcile", "--inventory", str(file)).exit_code == 1  # an inventory does not need the archive to stop
    archive.close()
    result = run("reconcile", "--json", "--inventory", str(file))
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["where"] for each in found} == {"only-in-catalog"}
    file.write_bytes(file.read_bytes()[:-5])
    assert run("reconcile", "--inventory", str(file)).exit_code == 3
    assert run("reconcile", "--inventory", str(tmp_path / "none")).exit_code == 3


def test_reconcile_ends_with_1_for_findings_of_its_inventory(run: Callable[..., Result], folder: Path) -> None:
    break_an_object(folder)
    result = run("reconcile")
    assert result.exit_code == 1
    assert "2 broken" in result.stderr


def test_rebuild(run: Callable[..., Result], folder: Path) -> None:
    assert run("catalog", "rebuild").exit_code == 3
    for path in folder.glob("catalog.db*"):
        path.unlink()
    result = run("catalog", "rebuild")
    assert result.exit_code == 0
    assert "1 packages" in result.stdout
    assert run("reconcile").exit_code == 0
    archive = make_archive(folder)
    again = archive.deposit([b"one", b"two"], {"externalId": {"producer": "kis", "id": "1"}}, "key")
    assert again.created is False
    assert archive.archive.packages.describe(again.package_id, ACCOUNT).metadata["title"]
    archive.close()


def test_rebuild_tells_what_it_could_not_read(run: Callable[..., Result], folder: Path) -> None:
    break_an_object(folder)
    for path in folder.glob("catalog.db*"):
        path.unlink()
    result = run("catalog", "rebuild")
    assert result.exit_code == 1
    assert ": aip " in result.stdout
