"""The main job, as ``make run`` shows it, judged by others: openssl, commons-ip, and our own verifier offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from zdda.cli.main import application
from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration, show, start
from zdda.cli.verify import verify_files
from zdda.demonstration.documents import demonstration_documents
from zdda.evidence.evidence_record import parse
from zdda.fsck.custody import CustodyStatus
from zdda.model.clock import SystemClock
from zdda.packaging.manifest import MANIFEST_NAME, SEAL_NAME

KINDS = ("passed", "failed", "unsigned", "untrusted")


@dataclass(frozen=True)
class Fetched:
    """A package as a Consumer holds it."""

    container: Path
    record: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    demonstration = start(tmp_path_factory.mktemp("demonstration") / "archive")
    yield demonstration
    demonstration.stop()


@pytest.fixture(scope="module")
def fetched(running: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fetched]:
    """One package of each kind."""
    folder = tmp_path_factory.mktemp("fetched")
    signer = running.authority.issue_signer("Jana Ukázková")
    stranger = type(running.authority)(SystemClock(), lambda n: bytes(range(n)), "http://127.0.0.1:1")
    documents = demonstration_documents(signer, stranger.issue_signer("Cizí"), running.timestamps)
    found = {}
    for kind, document in zip(KINDS, documents, strict=True):
        metadata = {"title": "Zpráva", "documentType": "report", "retentionClass": "medical-record"}
        parts = [
            ("metadata", (None, json.dumps(metadata).encode(), "application/json")),
            ("document", (document.name, document.content, "application/pdf")),
        ]
        with running.client(PRODUCER) as client:
            package = client.post("/v1/deposits", files=parts).raise_for_status().json()["packageId"]
        found[kind] = _fetch(running, package, folder)
    return found


def _fetch(running: Demonstration, package: str, folder: Path) -> Fetched:
    container = folder / f"{package}.asice"
    record = container.with_name(container.name + ".ers")
    with running.client(CONSUMER) as client:
        container.write_bytes(client.get(f"/v1/packages/{package}/aip").raise_for_status().content)
        record.write_bytes(client.get(f"/v1/packages/{package}/evidence-record").raise_for_status().content)
    return Fetched(container, record)


def test_the_show_goes_as_it_should(running: Demonstration) -> None:
    assert show(running, Console(quiet=True))


@pytest.mark.parametrize("kind", KINDS)
def test_custody_is_proven_offline(kind: str, running: Demonstration, fetched: dict[str, Fetched]) -> None:
    package = fetched[kind]
    assert verify_files(package.container, None, [running.root], None, SystemClock()).status is CustodyStatus.PROVEN
    without = verify_files(package.container, None, [], None, SystemClock())
    assert without.status is CustodyStatus.NOT_PROVABLE


def test_what_a_package_rests_on_is_listed_and_watched(running: Demonstration, fetched: dict[str, Fetched]) -> None:
    package = fetched["passed"].container.stem
    with running.client(CONSUMER) as client:
        (document,) = client.get(f"/v1/packages/{package}/signatures").raise_for_status().json()
        rests_on = client.get(f"/v1/packages/{package}/certificates").raise_for_status().json()
    (signature,), (timestamp,) = document["signatures"], document["timestamps"]
    assert (signature["indication"], signature["changesAfterSigning"]) == ("TOTAL_PASSED", "nothing")
    by_role = {
        role: [each for each in rests_on if each["role"] == role] for role in ("certificate", "crl", "timestamp")
    }
    signer = next(each for each in by_role["certificate"] if each["sha256"] == signature["signingCertificate"])
    assert "Jana Ukázková" in signer["subject"]
    assert signer["serves"] == [{"document": 1, "signature": signature["identifier"]}]
    assert {use["signature"] for each in by_role["certificate"] for use in each["serves"]} >= {timestamp["identifier"]}
    assert by_role["timestamp"][0]["validFrom"] == timestamp["time"]
    options = ["certificates", "--folder", str(running.folder), "--json"]
    soon = CliRunner().invoke(application("certificates"), [*options, "--expiring", "90y"])
    assert soon.exit_code == 1
    told = {each["sha256"]: each for each in map(json.loads, soon.output.splitlines())}
    assert told[signer["sha256"]]["packages"] >= 1
    assert CliRunner().invoke(application("certificates"), [*options, "--expiring", "0d"]).exit_code == 0
    assert CliRunner().invoke(application("certificates"), [*options, "--expiring", "soon"]).exit_code == 2
    shown = CliRunner().invoke(application("certificates"), [*options[:-1], "--expiring", "90y"])
    assert "Jana" in shown.output


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_accepts_the_seal(
    kind: str, running: Demonstration, fetched: dict[str, Fetched], tmp_path: Path
) -> None:
    with zipfile.ZipFile(fetched[kind].container) as container:
        (tmp_path / "manifest").write_bytes(container.read(MANIFEST_NAME))
        (tmp_path / "seal").write_bytes(container.read(SEAL_NAME))
    command = [
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        "seal",
        "-content",
        "manifest",
        "-out",
        "/dev/null",
        "-purpose",
        "any",
        "-CAfile",
    ]
    done = subprocess.run(
        ["openssl", *command, str(running.root.with_suffix(".pem"))], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_openssl_accepts_the_batch_timestamp(
    running: Demonstration, fetched: dict[str, Fetched], tmp_path: Path
) -> None:
    token = parse(fetched["passed"].record.read_bytes())["archive_time_stamp_sequence"][0][0]["time_stamp"].dump()
    (tmp_path / "token").write_bytes(token)
    (root,) = {row.root for row in _batches(running) if row.token == token}
    command = ["openssl", "ts", "-verify", "-digest", root.hex(), "-in", "token", "-token_in", "-CAfile"]
    done = subprocess.run(
        [*command, str(running.root.with_suffix(".pem"))], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Verification: OK" in done.stdout + done.stderr


def _batches(running: Demonstration) -> list[object]:
    from sqlalchemy import select

    from zdda.catalog.tables import evidence_batches

    with running.archive.database.read() as tx:
        return list(tx.execute(select(evidence_batches.c.root, evidence_batches.c.token)))


@pytest.mark.foreign
@pytest.mark.parametrize("kind", KINDS)
def test_commons_ip_accepts_the_package_folder(
    kind: str, fetched: dict[str, Fetched], shared: Path, tmp_path: Path
) -> None:
    """E-ARK CSIP 2.2.0 wants the folder named as OBJID (CSIP1): ``urn:uuid:…``."""
    with zipfile.ZipFile(fetched[kind].container) as container:
        (folder,) = {name.split("/")[0] for name in container.namelist() if "/" in name} - {"META-INF"}
        container.extractall(tmp_path)
    named = tmp_path / f"urn:uuid:{folder}"
    (tmp_path / folder).rename(named)
    command = [str(shared / "foreign" / "commons-ip.sh"), str(named), "2.2.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("PASS"), done.stdout
    shutil.rmtree(named)


def test_a_wrong_password_is_told_apart_from_nothing(running: Demonstration) -> None:
    with running.client(PRODUCER) as client:
        answer = client.get("/v1/health/ready", auth=httpx.BasicAuth("nobody", "wrong"))
        assert answer.status_code == 200
        assert client.get(f"/v1/deposits/{'0' * 8}-0000-7000-8000-{'0' * 12}", auth=("kis", "wrong")).status_code == 401
