"""One setting moves the store from a folder to an SFTP server; a restart and an absent server are stood as ever."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.crash.promises import settle
from tests.services.sshd import OwnServer, sftp_folder
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.fsck.store_check import StoreCheck
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus
from zdda.settings import SettingsInvalid, load
from zdda.storage.blob_store import WrongStore
from zdda.storage.fsspec_blobs import FsspecBlobs
from zdda.storage.sftp_files import SftpAddress

CONTENT = b"%PDF-1.7 a letter of discharge"


def use_server(monkeypatch: pytest.MonkeyPatch, address: SftpAddress) -> None:
    """The settings' store."""
    monkeypatch.setenv("ZDDA_STORE__KIND", "sftp")
    monkeypatch.setenv("ZDDA_STORE__SFTP__HOST_KEYS", json.dumps(address.host_keys))
    for name in ("host", "port", "user", "folder", "key", "connect_seconds"):
        monkeypatch.setenv(f"ZDDA_STORE__SFTP__{name.upper()}", str(getattr(address, name)))


def findings(folder: Path) -> list[dict[str, object]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return [line for line in StoreCheck(stores, pki().anchors, NOW).lines() if line["type"] == "finding"]


def archived_soon(archive: SimulatedArchive, deposit: DepositStatus, seconds: float = 20.0) -> None:
    """Works until it is: a store that was away is tried again after pauses."""
    end = time.monotonic() + seconds
    while archive.status(deposit).state is not DepositState.ARCHIVED:
        assert time.monotonic() < end, archive.status(deposit)
        settle(archive)
        time.sleep(0.05)


def test_an_archive_lives_on_an_sftp_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder = sftp_folder(), tmp_path / "archive"
    use_server(monkeypatch, address)
    archive = make_archive(folder)
    assert isinstance(archive.archive.vault.blobs, FsspecBlobs)
    deposit = archive.deposit([CONTENT, b"an attachment"])
    archive.settle()
    assert archive.status(deposit).state is DepositState.ARCHIVED
    package = archive.status(deposit).package_id
    archive.close()
    assert not (folder / "store").exists()
    assert findings(folder) == []

    again = make_archive(folder)
    assert package is not None
    with again.archive.packages.document(package, 1, "somebody").chunks as chunks:
        assert b"".join(chunks) == CONTENT
    again.close()
    marker = Path(address.folder) / "zdda-store.json"
    assert json.loads(marker.read_bytes())["archive"] == "simulated"
    marker.write_bytes(marker.read_bytes().replace(b'"simulated"', b'"another"'))
    with pytest.raises(WrongStore):
        make_archive(folder)
    assert "another archive" in json.dumps(findings(folder))


def test_a_server_that_is_away_keeps_deposits_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = OwnServer(tmp_path / "server")
    use_server(monkeypatch, sftp_folder(server.said))
    archive = make_archive(tmp_path / "archive")
    server.kill()
    deposit = archive.deposit([CONTENT])
    archive.settle()
    assert archive.status(deposit).state is not DepositState.ARCHIVED
    server.start()
    archived_soon(archive, deposit)
    archive.close()
    server.kill()


@pytest.mark.parametrize("missing", ["host", "host_keys", "key"])
def test_a_store_that_is_not_whole_is_refused(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(monkeypatch, sftp_folder())
    monkeypatch.delenv(f"ZDDA_STORE__SFTP__{missing.upper()}")
    (tmp_path / "zdda.toml").touch()
    with pytest.raises(SettingsInvalid, match="sftp"):
        load(tmp_path / "zdda.toml")


@pytest.mark.parametrize("folder", ["relative", "/", "/archive/../etc"])
def test_the_servers_folder_is_an_absolute_path(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(monkeypatch, sftp_folder())
    monkeypatch.setenv("ZDDA_STORE__SFTP__FOLDER", folder)
    (tmp_path / "zdda.toml").touch()
    with pytest.raises(SettingsInvalid, match="absolute"):
        load(tmp_path / "zdda.toml")
