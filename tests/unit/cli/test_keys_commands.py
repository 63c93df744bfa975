"""``zdda keys`` as an operator uses it: on a folder of an archive that does not run."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from zdda.app import initialise, open_catalog
from zdda.audit.tables import audit_outbox
from zdda.cli.main import application
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.identifiers import tenant_id
from zdda.settings import load

GOLDEN = Path(__file__).parents[2] / "golden" / "crypto"
CERTIFICATE, RECOVERY = GOLDEN / "recovery-certificate-1.pem", GOLDEN / "recovery-key-1.pem"
TENANT = tenant_id("default")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "zdda.toml").write_text("")
    initialise(load(tmp_path / "zdda.toml"), tmp_path)
    return tmp_path


def run(folder: Path, *arguments: object, answer: str | None = None) -> Result:
    return CliRunner().invoke(
        application("keys"), ["keys", *map(str, arguments), "--folder", str(folder)], input=answer
    )


def status(folder: Path) -> dict[str, Any]:
    done = run(folder, "status", "--json")
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def keys_of(folder: Path) -> GenerationKeys:
    wrapper = LocalKeyWrapper.load(folder / "keys" / "key-encryption.key", system_entropy)
    return GenerationKeys(folder / "keys" / "generations.json", wrapper, system_entropy, SystemClock())


def audited(folder: Path) -> list[dict[str, Any]]:
    with open_catalog(load(folder / "zdda.toml"), folder) as database, database.read() as tx:
        rows = tx.execute(select(audit_outbox.c.event).order_by(audit_outbox.c.ordinal)).all()
    return [json.loads(event) for (event,) in rows]


def test_generations_and_copies_are_told_without_secrets(folder: Path) -> None:
    made, out = run(folder, "generation"), folder / "generation-1.p7m"
    assert (made.exit_code, "generation 2 is made" in made.output) == (0, True)
    done = run(folder, "export", "--generation", 1, "--recipient", CERTIFICATE, "--out", out)
    assert done.exit_code == 0, done.output
    assert out.stat().st_mode & 0o777 == 0o600
    told = status(folder)
    assert told["wrappedBy"] == "file keys/key-encryption.key"
    one, two = told["tenants"]["default"]["generations"]
    assert (one["copies"], two["copies"], told["tenants"]["default"]["current"]) == (2, 1, 2)
    assert one["exports"][0]["sha256"] in done.output
    keys_of(folder).destroy(TENANT, 1)
    for_people = run(folder, "status").output
    assert re.search("generation 1, made .*: destroyed ", for_people)
    assert one["exports"][0]["recipient"] in for_people, "the copy that is still to be destroyed is named"
    everything = made.output + done.output + for_people + json.dumps(status(folder))
    kept = json.loads((folder / "keys" / "generations.json").read_bytes())["tenants"]["default"]
    secret = [kept["contentIdKey"], *(each["key"] for each in kept["generations"])]
    secret.append(base64.b64encode((folder / "keys" / "key-encryption.key").read_bytes()).decode())
    assert not [each for each in secret if each in everything]
    assert [each["event"] for each in audited(folder)] == ["generation-made", "generation-exported"]


def test_a_lost_file_of_generations_is_made_again_from_exports(folder: Path) -> None:
    run(folder, "generation")
    for number in (1, 2):
        out = folder / f"{number}.p7m"
        assert run(folder, "export", "--generation", number, "--recipient", CERTIFICATE, "--out", out).exit_code == 0
    before = keys_of(folder)
    for each in (folder / "keys").glob("generations.json*"):
        each.unlink()
    assert run(folder, "status").exit_code == 3
    for number in (2, 1, 1):
        done = run(folder, "import", folder / f"{number}.p7m", "--recovery-key", RECOVERY)
        assert done.exit_code == 0, done.output
    after = keys_of(folder)
    assert after.generations(TENANT) == (1, 2)
    for number in (1, 2):
        assert after.authenticate(TENANT, number, b"m") == before.authenticate(TENANT, number, b"m")
    assert after.content_id(TENANT, b"s" * 32) == before.content_id(TENANT, b"s" * 32)
    assert [each["event"] for each in audited(folder)][-2:] == ["generation-restored"] * 2


def test_what_cannot_be_done_changes_nothing(folder: Path, tmp_path: Path) -> None:
    out = folder / "there.p7m"
    out.write_bytes(b"rubbish")
    before = (folder / "keys" / "generations.json").read_bytes()
    another = GOLDEN / "generation-export-1.p7m"
    for arguments, why in (
        (("export", "--generation", 1, "--recipient", CERTIFICATE, "--out", out), "there already"),
        (("export", "--generation", 2, "--recipient", CERTIFICATE, "--out", folder / "new.p7m"), "not-found"),
        (("export", "--generation", 1, "--recipient", RECOVERY, "--out", folder / "new.p7m"), "invalid-input"),
        (("export", "--generation", 1, "--recipient", folder / "none", "--out", folder / "new.p7m"), "cannot be read"),
        (("import", out, "--recovery-key", RECOVERY), "integrity"),
        (("import", another, "--recovery-key", RECOVERY), "nemocnice"),
        (("import", another, "--recovery-key", CERTIFICATE), "invalid-input"),
    ):
        done = run(folder, *arguments)
        assert (done.exit_code, why in done.output) == (3, True), done.output
    assert (folder / "keys" / "generations.json").read_bytes() == before
    assert not (folder / "new.p7m").exists()


def test_a_recovery_key_may_have_a_password(folder: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key, out, password = folder / "locked.pem", folder / "1.p7m", folder / "password"
    plain = load_pem_private_key(RECOVERY.read_bytes(), None)
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"tajemstvi")))
    password.write_text("tajemstvi\n")
    assert run(folder, "export", "--generation", 1, "--recipient", CERTIFICATE, "--out", out).exit_code == 0
    asked = run(folder, "import", out, "--recovery-key", key, answer="tajemstvi\n")
    assert (asked.exit_code, "tajemstvi" in asked.output) == (0, False)
    assert run(folder, "import", out, "--recovery-key", key, answer="jine\n").exit_code == 3
    assert run(folder, "import", out, "--recovery-key", key, "--password-file", password).exit_code == 0
