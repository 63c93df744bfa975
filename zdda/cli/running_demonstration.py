"""The demonstration: a whole archive with an authority of its own, and what it shows."""

from __future__ import annotations

import json
import secrets
import shutil
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from rich.console import Console
from rich.table import Column, Table

from zdda.api.server import server_config
from zdda.app import Archive, build, initialise
from zdda.cli.verify import verify_files
from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.documents import DemonstrationDocument, demonstration_documents
from zdda.demonstration.server import LoopbackServer, application
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.fsck.custody import CustodyStatus
from zdda.identity.accounts import Role
from zdda.jobs.worker import settle_collector
from zdda.model.clock import SystemClock, system_entropy
from zdda.settings import Settings, load

PRODUCER, CONSUMER = "kis", "auditor"
_SETTINGS = """\
# Made by `zdda demonstrate`: an archive to look at, never one to keep things in.
environment = "demonstration"

[archive]
id = "demonstration"
tenant = "hospital"

[listen]
port = {port}

[store]
immutable = false  # so that the folder can simply be removed

[evidence]
batch_seconds = 0

[[evidence.authorities]]
url = "{authority}/tsa"

[trust]
documents = ["trust/demonstration-root.cer"]
authorities = ["trust/demonstration-root.cer"]
seal = ["trust/demonstration-root.cer"]
revocation_hosts = ["127.0.0.1"]
revocation_private_hosts = ["127.0.0.1"]

[[retention]]
name = "medical-record"
mark = "S"
years = 5
total_failed = "flag"
"""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A running demonstration: the archive behind HTTPS, the authority beside it."""

    folder: Path
    settings: Settings
    archive: Archive
    authority: DemonstrationAuthority
    timestamps: DemonstrationTimestamps
    url: str
    passwords: dict[str, str]
    _loopback: LoopbackServer
    _server: uvicorn.Server
    _thread: threading.Thread

    @property
    def root(self) -> Path:
        """The trust anchor's file."""
        return self.folder / "trust" / "demonstration-root.cer"

    def client(self, account: str) -> httpx.Client:
        """An HTTPS client that trusts the demonstration's authority alone."""
        context = ssl.create_default_context(cadata=self.authority.root_certificate())
        return httpx.Client(
            base_url=self.url, auth=(account, self.passwords[account]), verify=context, timeout=60, trust_env=False
        )

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.archive.stop()
        self._loopback.stop()


def start(folder: Path, port: int = 0) -> Demonstration:
    """Makes ``folder`` anew and starts everything on loopback; ``port`` 0: any that is free."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    clock = SystemClock()
    loopback = LoopbackServer()
    authority = DemonstrationAuthority(clock, system_entropy, loopback.base_url, folder / "authority")
    timestamps = DemonstrationTimestamps(authority.timestamping, clock, system_entropy)
    loopback.start(application(authority, timestamps))
    https = LoopbackServer(port)
    _write_files(folder, authority, loopback.base_url, https.port)
    settings = load(folder / "zdda.toml")
    initialise(settings, folder)
    archive = build(settings, folder)
    passwords = {PRODUCER: secrets.token_urlsafe(15), CONSUMER: secrets.token_urlsafe(15)}
    archive.accounts.create(PRODUCER, passwords[PRODUCER], [Role.PRODUCER])
    archive.accounts.create(CONSUMER, passwords[CONSUMER], [Role.CONSUMER])
    settle_collector()
    archive.start()
    listen = settings.listen
    config = server_config(
        archive.application, listen.host, https.port, folder / listen.tls_key, folder / listen.tls_certificates
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [https.listening()]}, daemon=True)
    thread.start()
    url = f"https://localhost:{https.port}"
    return Demonstration(folder, settings, archive, authority, timestamps, url, passwords, loopback, server, thread)


def show(running: Demonstration, console: Console) -> bool:
    """Deposits the four documents, prints what became of them, verifies the first; whether all went as it should."""
    stranger = DemonstrationAuthority(SystemClock(), system_entropy, "http://127.0.0.1:1", name="UNKNOWN DEMONSTRATION")
    documents = demonstration_documents(
        running.authority.issue_signer("MUDr. Jana Ukázková"), stranger.issue_signer("Neznámý"), running.timestamps
    )
    table = Table("document", "verdict", "state", Column("package", no_wrap=True), title="Deposits over HTTPS")
    receipts = []
    with running.client(PRODUCER) as client:
        for document in documents:
            answer = _deposit(client, document)
            table.add_row(document.title, answer["verdict"], answer["state"], answer["packageId"])
            receipts.append(answer)
    console.print(table)
    verdicts = [receipt["verdict"] for receipt in receipts]
    expected = ["TOTAL_PASSED", "TOTAL_FAILED", "NO_SIGNATURE", "INDETERMINATE"]
    proven = _verify(running, receipts[0]["packageId"], console)
    console.print(f"Interface: {running.url}/docs")
    console.print("Try it (the certificate's authority is in the folder):")
    console.print(
        f"  curl --cacert {running.root.with_suffix('.pem')} -u {CONSUMER}:{running.passwords[CONSUMER]} "
        f"{running.url}/v1/packages/{receipts[0]['packageId']}",
        soft_wrap=True,
        highlight=False,
    )
    return verdicts == expected and proven


def _deposit(client: httpx.Client, document: DemonstrationDocument) -> dict[str, str]:
    metadata = {"title": document.title, "documentType": "discharge-report", "retentionClass": "medical-record"}
    response = client.post(
        "/v1/deposits",
        files=[
            ("metadata", (None, json.dumps(metadata).encode(), "application/json")),
            ("document", (document.name, document.content, "application/pdf")),
        ],
        headers={"Idempotency-Key": secrets.token_hex(16)},
    )
    response.raise_for_status()
    answer: dict[str, str] = response.json()
    return {"verdict": "", **answer}


def _verify(running: Demonstration, package: str, console: Console) -> bool:
    out = running.folder / "out"
    out.mkdir(exist_ok=True)
    container = out / f"{package}.asice"
    with running.client(CONSUMER) as client:
        container.write_bytes(client.get(f"/v1/packages/{package}/aip").raise_for_status().content)
        record = client.get(f"/v1/packages/{package}/evidence-record").raise_for_status().content
    container.with_name(container.name + ".ers").write_bytes(record)
    report = verify_files(container, None, [running.root], None, SystemClock())
    console.print(f"Verified offline from {container}: [bold]{report.status}[/]", soft_wrap=True)
    if report.status is not CustodyStatus.PROVEN:
        for check in report.checks:
            console.print(f"  {check.name}: {check.outcome} {check.message}", highlight=False)
    return report.status is CustodyStatus.PROVEN


def _write_files(folder: Path, authority: DemonstrationAuthority, authority_url: str, port: int) -> None:
    """Settings, trust anchor, seal and TLS credentials of the demonstration."""
    (folder / "zdda.toml").write_text(_SETTINGS.format(port=port, authority=authority_url), encoding="utf-8")
    trust, keys = folder / "trust", folder / "keys"
    trust.mkdir()
    keys.mkdir(mode=0o700)
    (trust / "demonstration-root.cer").write_bytes(authority.root_certificate())
    (trust / "demonstration-root.pem").write_bytes(authority.root.chain_pem())
    for name, credential in (("seal", authority.issue_seal()), ("tls", authority.issue_tls_server())):
        (keys / f"{name}.key").write_bytes(credential.key_pem())
        (keys / f"{name}.key").chmod(0o600)
        (keys / f"{name}.pem").write_bytes(credential.chain_pem())
