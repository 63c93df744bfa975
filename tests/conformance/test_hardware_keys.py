"""An archive whose keys are in a token (SoftHSM): ``zdda.toml`` alone says so. Others judge its seal; the token is
taken out and put back while the archive runs."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pkcs11 import Attribute, Session
from typer.testing import CliRunner

from tests.simulator.softhsm import PIN, SoftToken, soft_token
from zdda.app import build, initialise, open_vault
from zdda.cli import running_demonstration
from zdda.cli.main import application
from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration
from zdda.cli.verify import verify_files
from zdda.crypto.pkcs11_token import KeyMissing, TokenAway
from zdda.fsck.custody import CustodyStatus
from zdda.model.clock import SystemClock
from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.packaging.manifest import MANIFEST_NAME, SEAL_NAME
from zdda.settings import Settings, load

__all__ = ["soft_token"]
METADATA = {"title": "Zpráva", "documentType": "report", "retentionClass": "medical-record"}


def started(soft_token: SoftToken, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Demonstration:
    """The demonstration's archive with a ``zdda.toml`` that names the token; no private key of it is in a file."""
    pin_file = folder / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(f"{PIN}\n")
    tables = soft_token.settings("key_encryption_token", "kek", pin_file)
    tables += soft_token.settings("seal_token", "seal", pin_file)
    monkeypatch.setattr(running_demonstration, "_SETTINGS", running_demonstration._SETTINGS + tables)

    def with_the_seal_in_the_token(settings: Settings, folder: Path) -> None:
        file = folder / settings.keys.seal_key
        key = load_pem_private_key(file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        soft_token.put_private_key("seal", key)
        file.unlink()
        initialise(settings, folder)

    monkeypatch.setattr(running_demonstration, "initialise", with_the_seal_in_the_token)
    return running_demonstration.start(folder / "archive")


def deposit(running: Demonstration, text: str) -> dict[str, Any]:
    parts = [
        ("metadata", (None, json.dumps(METADATA).encode(), "application/json")),
        ("document", ("a.txt", text.encode(), "text/plain")),
    ]
    with running.client(PRODUCER) as client:
        answer: dict[str, Any] = client.post("/v1/deposits", files=parts).raise_for_status().json()
    return answer


def waited(running: Demonstration, deposit_id: str, key: str, value: str) -> dict[str, Any]:
    for _ in range(600):
        with running.client(PRODUCER) as client:
            found: dict[str, Any] = client.get(f"/v1/deposits/{deposit_id}").raise_for_status().json()
        if value in json.dumps(found.get(key)):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def ready(running: Demonstration) -> int:
    with running.client(CONSUMER) as client:
        return client.get("/v1/health/ready").status_code


def command(verb: str, running: Demonstration) -> tuple[int, str]:
    done = CliRunner().invoke(application(verb), [verb, "--folder", str(running.folder)])
    return done.exit_code, done.output


def fetched(running: Demonstration, package: str, folder: Path) -> Path:
    container = folder / "package.asice"
    with running.client(CONSUMER) as client:
        container.write_bytes(client.get(f"/v1/packages/{package}/aip").raise_for_status().content)
        record = client.get(f"/v1/packages/{package}/evidence-record").raise_for_status().content
    container.with_name(container.name + ".ers").write_bytes(record)
    return container


def others_accept_the_seal(container: Path, root: Path) -> None:
    folder = container.parent
    with zipfile.ZipFile(container) as opened:
        (folder / "manifest").write_bytes(opened.read(MANIFEST_NAME))
        (folder / "seal").write_bytes(opened.read(SEAL_NAME))
    openssl = "openssl cms -verify -cades -binary -inform DER -in seal -content manifest -out verified -purpose any"
    openssl += f" -CAfile {root.with_suffix('.pem')}"
    judged = subprocess.run(openssl.split(), cwd=folder, capture_output=True, check=False)
    assert judged.returncode == 0, judged.stderr


def test_an_archive_with_its_keys_in_a_token(
    soft_token: SoftToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = started(soft_token, tmp_path, monkeypatch)
    try:
        files = {file.name for file in (running.folder / "keys").iterdir()}
        assert not {"seal.key", "key-encryption.key"} & files

        first = deposit(running, "before")
        assert first["state"] == "archived"
        container = fetched(running, first["packageId"], tmp_path)
        assert verify_files(container, None, [running.root], None, SystemClock()).status is CustodyStatus.PROVEN
        others_accept_the_seal(container, running.root)

        assert ready(running) == 200
        soft_token.take_out()
        assert ready(running) == 503
        second = deposit(running, "meanwhile")
        assert second["state"] != "archived"
        assert waited(running, second["depositId"], "deferred", "key-token-away")["state"] == "validated"
        assert fetched(running, first["packageId"], tmp_path), "reading goes on without the token"
        soft_token.put_back()
        assert waited(running, second["depositId"], "state", "archived")
        assert ready(running) == 200
    finally:
        running.stop()

    assert command("fsck", running)[0] == 0
    soft_token.take_out()
    status, told = command("fsck", running)
    assert (status, "key-token-away" in told) == (3, True), told
    with pytest.raises(TokenAway):
        build(running.settings, running.folder)
    soft_token.put_back()
    build(running.settings, running.folder).stop()


def test_a_lost_key_is_not_made_anew(soft_token: SoftToken, tmp_path: Path) -> None:
    """A new one would hide that the key to everything is gone."""
    pin_file = tmp_path / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(PIN)
    (tmp_path / "zdda.toml").write_text(soft_token.settings("key_encryption_token", "kek", pin_file))
    settings = load(tmp_path / "zdda.toml")
    initialise(settings, tmp_path)
    initialise(settings, tmp_path)

    def remove(session: Session) -> None:
        for each in list(session.get_objects({Attribute.LABEL: "kek"})):
            each.destroy()

    soft_token.write(remove)
    with pytest.raises(KeyMissing):
        initialise(settings, tmp_path)


def test_from_a_file_into_a_token_and_on(soft_token: SoftToken, tmp_path: Path) -> None:
    """``zdda keys rotate``, each time by a key that was made for it; the generations stay."""
    pin_file = tmp_path / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(PIN)
    stages = [
        "",
        soft_token.settings("key_encryption_token", "first", pin_file),
        soft_token.settings("key_encryption_token", "second", pin_file),
        '[keys]\nkey_encryption_key = "keys/another.key"\n',
    ]
    now, before, generations = tmp_path / "zdda.toml", tmp_path / "before.toml", tmp_path / "keys" / "generations.json"
    now.write_text("")
    initialise(load(now), tmp_path)

    def rotate() -> tuple[int, str]:
        done = CliRunner().invoke(
            application("keys"), ["keys", "rotate", "--before", str(before), "--folder", str(tmp_path)]
        )
        return done.exit_code, done.output

    for old, new in pairwise(stages):
        before.write_text(old)
        now.write_text(new)
        was = generations.read_bytes()
        with pytest.raises((IntegrityError, Unavailable, NotFound)):
            open_vault(load(now), tmp_path)
        soft_token.take_out()
        assert rotate()[0] == 3
        assert generations.read_bytes() == was
        soft_token.put_back()
        assert rotate() == (0, ANY)
        assert generations.read_bytes() != was
        vault = open_vault(load(now), tmp_path)
        assert vault.generations.generations(vault.tenant) == (1,)
        vault.close()
        status, told = rotate()
        assert (status, "already" in told) == (0, True)

    before.write_text(stages[-1])
    was = generations.read_bytes()
    status, told = rotate()
    assert (status, "the same key" in told) == (3, True)
    before.write_text('[keys]\ngenerations = "others.json"\n')
    assert rotate()[0] == 3
    before.write_text("")
    now.write_text("")
    assert rotate()[0] == 3, "neither unwraps"
    assert generations.read_bytes() == was
