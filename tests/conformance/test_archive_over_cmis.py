"""One setting moves the store from a folder to a document management system; everything goes on as before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.test_archive_on_sftp import archived_soon
from tests.simulator.archive import make_archive
from tests.simulator.cmis_server import PASSWORD, USER, Answer, CmisServer
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.fsck.store_check import StoreCheck
from zdda.model.deposit import DepositState
from zdda.settings import SettingsInvalid, load
from zdda.storage.blob_store import WrongStore
from zdda.storage.cmis_blobs import CmisBlobs

CONTENT = b"%PDF-1.7 a letter of discharge"


@pytest.fixture(params=[True, False], ids=["retention", "our word"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[CmisServer]:
    with CmisServer(retention=request.param) as serving:
        monkeypatch.setenv("ZDDA_STORE__KIND", "cmis")
        said = {"service": serving.service, "repository": "repo", "user": USER, "password": PASSWORD}
        for name, value in said.items():
            monkeypatch.setenv(f"ZDDA_STORE__CMIS__{name.upper()}", value)
        yield serving


def findings(folder: Path) -> list[dict[str, object]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return [line for line in StoreCheck(stores, pki().anchors, NOW).lines() if line["type"] == "finding"]


def test_an_archive_lives_in_a_document_management_system(server: CmisServer, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    archive = make_archive(folder)
    assert isinstance(archive.archive.vault.blobs, CmisBlobs)
    deposit = archive.deposit([CONTENT, b"an attachment"])
    archive.settle()
    assert archive.status(deposit).state is DepositState.ARCHIVED
    package = archive.status(deposit).package_id
    archive.close()
    assert findings(folder) == []

    again = make_archive(folder)
    assert package is not None
    with again.archive.packages.document(package, 1, "somebody").chunks as chunks:
        assert b"".join(chunks) == CONTENT
    again.close()
    marker = server.at("/zdda/zdda-store.json")
    assert json.loads(marker.content or b"")["archive"] == "simulated"
    marker.content = (marker.content or b"").replace(b'"simulated"', b'"another"')
    with pytest.raises(WrongStore):
        make_archive(folder)
    assert "another archive" in json.dumps(findings(folder))


def test_a_system_that_is_away_keeps_deposits_waiting(server: CmisServer, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    server.rule = lambda _request: Answer(503)
    deposit = archive.deposit([CONTENT])
    archive.settle()
    assert archive.status(deposit).state is not DepositState.ARCHIVED
    server.rule = lambda _request: None
    archived_soon(archive, deposit)
    archive.close()


@pytest.mark.parametrize("missing", ["service", "repository", "user", "password"])
def test_a_store_that_is_not_whole_is_refused(
    missing: str, server: CmisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"ZDDA_STORE__CMIS__{missing.upper()}")
    (tmp_path / "zdda.toml").touch()
    with pytest.raises(SettingsInvalid, match="cmis"):
        load(tmp_path / "zdda.toml")


@pytest.mark.usefixtures("server")
def test_the_service_is_reached_by_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDDA_STORE__CMIS__SERVICE", "http://dms.example/browser")
    (tmp_path / "zdda.toml").touch()
    with pytest.raises(SettingsInvalid, match="https"):
        load(tmp_path / "zdda.toml")
