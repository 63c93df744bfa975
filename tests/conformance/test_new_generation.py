"""A generation is replaced while the archive runs, and its key destroyed: old copies of object records open nothing."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.simulator.archive import make_archive
from tests.simulator.pki import NOW, pki
from zdda.app import open_vault
from zdda.app_stopped import open_catalog_to_compare, open_to_doubt
from zdda.cli.main import application
from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration, start
from zdda.fsck.store_check import StoreCheck
from zdda.ingest.reconcile import Where, reconcile
from zdda.model.errors import NotFound
from zdda.settings import load

METADATA = {"title": "Zpráva", "documentType": "report", "retentionClass": "medical-record"}
CERTIFICATE = Path(__file__).parents[1] / "golden" / "crypto" / "recovery-certificate-1.pem"


def command(verb: str, *arguments: object, folder: Path) -> Result:
    return CliRunner().invoke(application(verb), [verb, *map(str, arguments), "--folder", str(folder)])


def deposit(running: Demonstration, text: str) -> str:
    parts = [
        ("metadata", (None, json.dumps(METADATA).encode(), "application/json")),
        ("document", ("a.txt", text.encode(), "text/plain")),
    ]
    with running.client(PRODUCER) as client:
        answer: dict[str, str] = client.post("/v1/deposits", files=parts).raise_for_status().json()
    return answer["packageId"]


def document(running: Demonstration, package: str) -> str:
    with running.client(CONSUMER) as client:
        return client.get(f"/v1/packages/{package}/documents/1").raise_for_status().text


def test_an_archive_leaves_a_generation_behind(tmp_path: Path) -> None:
    running = start(tmp_path / "archive")
    folder, tenant = running.folder, running.archive.vault.tenant
    store = running.archive.vault.store
    try:
        packages = [deposit(running, f"text {number}") for number in range(3)]
        assert command("keys", "generation", folder=folder).exit_code == 0
        exported = ("export", "--generation", 1, "--recipient", CERTIFICATE, "--out", tmp_path / "1.p7m")
        assert command("keys", *exported, folder=folder).exit_code == 0
        for _ in range(600):
            found = {each.generation for each in store.records()}
            if found == {2}:
                break
            time.sleep(0.1)
        assert found == {2}
        packages.append(deposit(running, "text 3"))
        assert [document(running, each) for each in packages] == [f"text {number}" for number in range(4)]
        assert command("keys", "destroy", "--generation", 1, folder=folder).exit_code == 3, "not while it runs"
    finally:
        running.stop()
    time.sleep(0.1)
    assert command("fsck", folder=folder).exit_code == 0
    assert command("reconcile", folder=folder).exit_code == 0

    refused = command("keys", "destroy", "--generation", 2, "--execute", folder=folder)
    assert (refused.exit_code, "generation-in-use" in refused.output) == (3, True)
    assert command("keys", "destroy", "--generation", 1, folder=folder).exit_code == 0
    assert (
        len(json.loads(command("keys", "status", "--json", folder=folder).stdout)["tenants"][tenant]["generations"])
        == 2
    )
    for _ in range(2):
        done = command("keys", "destroy", "--generation", 1, "--execute", folder=folder)
        assert (done.exit_code, "Destroy these copies" in done.output) == (0, True), done.output
    vault = open_vault(load(folder / "zdda.toml"), folder)
    assert vault.generations.generations(tenant) == (2,)
    for record in vault.store.records():
        assert vault.store.open(record.name).read(1)
    vault.close()
    assert command("fsck", folder=folder).exit_code == 0


def test_an_old_copy_of_the_key_area_revives_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    archive = make_archive(folder)
    archive.deposit([b"one"], METADATA, None, ["a.txt"])
    archive.settle()
    archive.close()
    places = [path.name for path in folder.glob("key-area-*")]
    for place in places:
        shutil.copytree(folder / place, tmp_path / place)
    vault = open_vault(load(folder / "zdda.toml"), folder)
    vault.generations.create(vault.tenant)
    for key_area in vault.key_areas:
        for record in key_area.records():
            key_area.write(record.rewrapped(vault.generations))
    vault.generations.destroy(vault.tenant, 1)
    vault.close()
    for place in places:
        shutil.rmtree(folder / place)
        shutil.copytree(tmp_path / place, folder / place)
    vault = open_vault(load(folder / "zdda.toml"), folder)
    records = list(vault.store.records())
    assert records
    for record in records:
        with pytest.raises(NotFound, match="generation"):
            record.data_key(vault.generations)
    vault.close()


def lines_of(folder: Path) -> list[dict[str, Any]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return list(StoreCheck(stores, pki().anchors, NOW).lines())


@pytest.mark.parametrize("written", [(0,), (1,), (0, 1)])
def test_what_a_stop_in_the_middle_leaves_is_pending(written: tuple[int, ...], tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    archive = make_archive(folder)
    archive.deposit([b"one"], METADATA, None, ["a.txt"])
    archive.settle()
    archive.close()
    settings = load(folder / "zdda.toml")
    vault = open_vault(settings, folder)
    vault.generations.create(vault.tenant)
    record = next(vault.key_areas[0].records())
    for place in written:
        vault.key_areas[place].write(record.rewrapped(vault.generations))
    vault.close()
    lines = lines_of(folder)
    told = [(each["code"], each["severity"]) for each in lines if each["type"] == "finding"]
    assert told == ([("records-moving", "pending")] if len(written) == 1 else [])
    with open_catalog_to_compare(settings, folder) as (database, generations):
        differences = list(reconcile(database, generations, settings.archive.id, lines))
    assert [(each.where, each.kind, each.member) for each in differences] == [(Where.PENDING, "object", "generation")]
