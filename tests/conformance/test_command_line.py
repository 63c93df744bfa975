"""The verbs as a person uses them, against a running archive."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from zdda.cli.main import application
from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration, start

RUN = CliRunner()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    demonstration = start(tmp_path_factory.mktemp("command-line") / "archive")
    yield demonstration
    demonstration.stop()


def client_of(running: Demonstration, account: str, *arguments: str, url: str | None = None) -> Result:
    options = ["--url", url or running.url, "--user", account, "--password", running.passwords[account]]
    return RUN.invoke(application(), [*arguments, *options, "--cacert", str(running.root.with_suffix(".pem"))])


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "zpráva.txt"
    file.write_text("obsah", encoding="utf-8")
    return file


def deposited(running: Demonstration, document: Path) -> dict[str, str]:
    done = client_of(
        running, PRODUCER, "deposit", str(document), "--title", "t", "--retention-class", "medical-record", "--json"
    )
    assert done.exit_code == 0, done.output
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def test_deposit_and_fetch_and_verify(running: Demonstration, document: Path, tmp_path: Path) -> None:
    package = deposited(running, document)["packageId"]
    shown = client_of(running, CONSUMER, "fetch", package)
    assert json.loads(shown.stdout)["documents"][0]["name"] == "zpráva.txt"
    target = tmp_path / "back.txt"
    assert client_of(running, CONSUMER, "fetch", package, "--document", "1", "-o", str(target)).exit_code == 0
    assert target.read_text("utf-8") == "obsah"
    assert client_of(running, CONSUMER, "fetch", package, "--document", "1", "-o", str(target)).exit_code == 2
    container = tmp_path / "p.asice"
    assert client_of(running, CONSUMER, "fetch", package, "--aip", "-o", str(container)).exit_code == 0
    assert container.with_name("p.asice.ers").exists()
    report = client_of(running, CONSUMER, "fetch", package, "--report")
    assert json.loads(report.stdout)[0]["verdict"] == "NO_SIGNATURE"
    record = tmp_path / "r.ers"
    done = client_of(running, CONSUMER, "fetch", package, "--evidence-record", "-o", str(record))
    assert done.exit_code == 0
    assert record.read_bytes() == container.with_name("p.asice.ers").read_bytes()
    listed = json.loads(client_of(running, CONSUMER, "fetch", package, "--amendments").stdout)
    assert [each["kind"] for each in listed] == ["sealing-storing-evidence"]
    sealed = tmp_path / "first.p7m"
    assert client_of(running, CONSUMER, "fetch", package, "--amendment", "1", "-o", str(sealed)).exit_code == 0
    assert hashlib.sha256(sealed.read_bytes()).hexdigest() == listed[0]["sha256"]
    verified = RUN.invoke(application(), ["verify", str(container), "--trust-anchor", str(running.root)])
    assert verified.exit_code == 0
    assert RUN.invoke(application(), ["verify", str(container)]).exit_code == 2
    assert not list(tmp_path.glob("*.part"))


def test_a_metadata_file_and_attachments(running: Demonstration, document: Path, tmp_path: Path) -> None:
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps({"title": "t", "documentType": "d", "retentionClass": "medical-record"}))
    attachment = tmp_path / "a.png"
    attachment.write_bytes(b"\x89PNG")
    done = client_of(
        running, PRODUCER, "deposit", str(document), "--metadata", str(metadata), "--attachment", str(attachment)
    )
    assert done.exit_code == 0
    assert done.stdout.startswith("archived")


def test_a_refusal_is_shown_and_has_its_status(running: Demonstration, document: Path) -> None:
    refused = client_of(running, PRODUCER, "deposit", str(document), "--title", "t", "--retention-class", "unknown")
    assert refused.exit_code == 1
    assert "retention-class-unknown" in refused.output
    assert client_of(running, PRODUCER, "deposit", str(document)).exit_code == 2
    assert client_of(running, CONSUMER, "fetch", "00000000-0000-0000-0000-000000000000").exit_code == 1


def test_the_same_key_gives_the_same_receipt(running: Demonstration, document: Path) -> None:
    arguments = ["deposit", str(document), "--title", "t", "--retention-class", "medical-record", "--json"]
    arguments += ["--idempotency-key", "command-line-1"]
    first, second = (client_of(running, PRODUCER, *arguments) for _ in range(2))
    assert first.stdout == second.stdout


def test_settings_are_shown_with_secrets_masked(running: Demonstration) -> None:
    shown = RUN.invoke(application(), ["config", "show", "--folder", str(running.folder)])
    assert shown.exit_code == 0
    value = json.loads(shown.stdout)
    assert value["archive"]["tenant"] == "hospital"
    assert set(value["database"]["url"]) == {"*"}


@pytest.mark.parametrize("text", ["surprise = 1", "[archive]\nsurprise = 1", "not toml", "[listen]\nport = 99999999"])
def test_settings_that_make_no_sense_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "zdda.toml").write_text(text)
    shown = RUN.invoke(application(), ["config", "show", "--folder", str(tmp_path)])
    assert shown.exit_code == 3
    assert "settings-invalid" in shown.output


def test_an_unknown_environment_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zdda.toml").write_text("")
    monkeypatch.setenv("ZDDA_SURPRISE", "1")
    assert RUN.invoke(application(), ["config", "show", "--folder", str(tmp_path)]).exit_code == 3
    monkeypatch.delenv("ZDDA_SURPRISE")
    monkeypatch.setenv("ZDDA_LISTEN__PORT", "9443")
    shown = RUN.invoke(application(), ["config", "show", "--folder", str(tmp_path)])
    assert json.loads(shown.stdout)["listen"]["port"] == 9443


def test_init_makes_everything_once_and_serve_serves(running: Demonstration, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    made = RUN.invoke(application(), ["init", "--folder", str(folder), "--account", "kis:producer"])
    assert made.exit_code == 0, made.output
    password = made.stdout.splitlines()[0].split("\t")[1]
    key = (folder / "keys" / "key-encryption.key").read_bytes()
    again = RUN.invoke(application(), ["init", "--folder", str(folder)])
    assert again.exit_code == 0
    assert (folder / "keys" / "key-encryption.key").read_bytes() == key
    assert RUN.invoke(application(), ["init", "--folder", str(folder), "--account", "x:king"]).exit_code == 2
    for name in ("seal", "tls"):
        for ending in ("key", "pem"):
            shutil.copy(running.folder / "keys" / f"{name}.{ending}", folder / "keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "ZDDA_LISTEN__PORT": str(port), "ZDDA_STORE__IMMUTABLE": "false"}
    command = [sys.executable, "-m", "zdda.cli.main", "serve", "--folder", str(folder)]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        with running.client(PRODUCER) as template:
            context = template._transport._pool._ssl_context  # type: ignore[attr-defined]
        transport = httpx.HTTPTransport(verify=context, retries=8)  # waits for the server in growing steps
        with httpx.Client(base_url=f"https://localhost:{port}", transport=transport, timeout=60) as client:
            assert client.get("/v1/health/ready").json()["status"] == "ready"
            unknown = client.get("/v1/deposits/00000000-0000-7000-8000-000000000000", auth=("kis", password))
            assert unknown.status_code == 404
            assert "openapi" in client.get("/docs").text
    finally:
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=60)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line["event"] == "request" and "correlation_id" in line for line in lines)


def test_a_wrong_command_line_of_verify_is_not_taken_for_an_answer() -> None:
    command = [sys.executable, "-m", "zdda.cli.main", "verify", "--nonsense"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 3
    assert subprocess.run([*command[:-2], "fetch", "--nonsense"], capture_output=True, check=False).returncode == 2
