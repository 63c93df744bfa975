"""A whole archive in this process: real stores, keys, catalog and steps; no worker processes, no network, no threads.

Documents are not opened (every one is NO_SIGNATURE unless another examiner is given); timestamps come from the
infrastructure of ``tests.simulator.pki``, whose keys live as long as the process: reopen a folder in the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tests.simulator.pki import NOW, pki
from zdda import __version__
from zdda.access.packages import PackageAccess
from zdda.app import Vault, _owners, _runner, initialise, open_database, open_vault
from zdda.blob_stores import open_guarantee
from zdda.crypto.signing import SoftwareSigner
from zdda.database.session import TenantDatabase
from zdda.ingest.intake import Intake, Progress
from zdda.ingest.resumption import resume
from zdda.ingest.workshop import Examination, Examiner, IntakeLimits, Workshop
from zdda.jobs.runner import Runner
from zdda.model.clock import Clock, system_entropy
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectName
from zdda.model.views import DepositStatus
from zdda.packaging.mets import Software
from zdda.settings import Settings, load
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.trust.revocation import RevocationData

ACCOUNT = "kis"
METADATA = {"title": "Propouštěcí zpráva", "documentType": "discharge-report", "retentionClass": "medical-record"}
TENANT = TenantId("hospital")
_SETTINGS = """\
environment = "demonstration"

[archive]
id = "simulated"
tenant = "hospital"

[database]
url = "{database}"

[spool]
minimum_free = 0

[store]
immutable = false

[evidence]
batch_seconds = 0
batch_size = {batch_size}

[trust]
documents = ["trust/root.cer"]
authorities = ["trust/root.cer"]
seal = ["trust/root.cer"]

[scrub]
bytes_per_second = 0

[[retention]]
name = "medical-record"
mark = "S"
years = 5

[[retention]]
name = "patient"
mark = "S"
years = 5
revocation_wait_hours = 48

[[retention]]
name = "long"
mark = "A"
years = 50
"""


class TickingClock:
    """Each look is a millisecond later than the one before, so that no two moments of an archive are the same."""

    def __init__(self, moment: datetime = NOW) -> None:
        self._moment = moment

    def now(self) -> datetime:
        self._moment += timedelta(milliseconds=1)
        return self._moment


class UnsignedDocuments:
    """See ``Examiner``: every document is a PDF without signatures."""

    def examine(
        self,
        spool_file: str,
        key: bytes,
        name: ObjectName,
        media_type: str,
        siblings: Sequence[tuple[str, ObjectName]] = (),
    ) -> Examination:
        carried = {
            "role": "certificate",
            "sha256": f"{name.sequence:064x}",
            "subject": "CN=Simulated",
            "validFrom": "2026-01-01T00:00:00.000Z",
            "validUntil": "2027-01-01T00:00:00.000Z",
        }
        report = {"format": "zdda-simulated-report/1", "document": name.sequence, "validationData": [carried]}
        return Examination("fmt/276", "Acrobat PDF 1.7", "NO_SIGNATURE", report, ())


class InProcessAuthority:
    """See ``TimestampAuthorities``: tokens of the simulated infrastructure, complete as they come."""

    def __init__(self, token: Callable[[bytes], bytes]) -> None:
        self._token = token

    def timestamp(self, imprint: bytes) -> bytes:
        return self._token(imprint)


@dataclass(frozen=True, slots=True)
class Assembled:
    """The parts, named as those of ``zdda.app.Archive``."""

    settings: Settings
    vault: Vault
    engine: Engine
    database: TenantDatabase
    workshop: Workshop
    intake: Intake
    packages: PackageAccess
    runner: Runner


@dataclass(frozen=True, slots=True)
class SimulatedArchive:
    """One open archive. Only one at a time opens a folder: ``close`` before fsck or a copy."""

    folder: Path
    archive: Assembled

    def deposit(
        self,
        contents: Sequence[bytes],
        metadata: dict[str, Any] | None = None,
        key: str | None = None,
        names: Sequence[str] | None = None,
    ) -> DepositStatus:
        """Receives one deposit: the first content is the main document, the others are attachments."""
        reception = self.archive.intake.begin(ACCOUNT, key, "simulated")
        try:
            reception.metadata(json.dumps({**METADATA, **(metadata or {})}).encode())
            for number, content in enumerate(contents, 1):
                role = "main" if number == 1 else "attachment"
                name = names[number - 1] if names else f"{number}.pdf"
                writer = reception.open_document(role, name, "application/pdf")
                writer.write(content)
                writer.close()
            return reception.commit()
        except BaseException:
            reception.abort()
            raise

    def settle(self) -> None:
        """Does everything that is due; what was deferred stays so until the database's clock has moved on."""
        self.archive.runner.run_until_idle()

    def status(self, deposit: DepositStatus) -> DepositStatus:
        return self.archive.intake.status(deposit.deposit_id)

    def close(self) -> None:
        self.archive.vault.close()
        self.archive.engine.dispose()


def prepare(folder: Path, database_url: str | None = None, batch_size: int = 1000) -> Settings:
    """Writes settings, anchors, seal and keys of a new archive; what is there stays. Nothing is opened."""
    if not (folder / "zdda.toml").exists():
        for name in ("trust", "keys"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        text = _SETTINGS.format(database=database_url or "sqlite:///catalog.db", batch_size=batch_size)
        seal = pki().authority.issue_seal()
        (folder / "trust" / "root.cer").write_bytes(pki().authority.root_certificate())
        (folder / "keys" / "seal.key").write_bytes(seal.key_pem())
        (folder / "keys" / "seal.pem").write_bytes(seal.chain_pem())
        (folder / "zdda.toml").write_text(text, encoding="utf-8")
        settings = load(folder / "zdda.toml")
        initialise(settings, folder)
        return settings
    settings = load(folder / "zdda.toml")
    if any(each.kind == "filesystem" and not (folder / each.directory).exists() for each in settings.sites):
        initialise(settings, folder)  # as for every site that is named anew
    return settings


SITES = ("praha", "brno")
_SITE = """
[[sites]]
name = "{0}"
directory = "{0}"
immutable = false
records = {{ kind = "folder", directory = "{0}-records" }}
"""


def prepare_two_sites(folder: Path, *changes: tuple[str, str]) -> None:
    """``prepare``, then instead of the one store two sites in folders, each with a place of records of its own;
    ``changes``: what else is put in place of what in the settings' text."""
    prepare(folder)
    file = folder / "zdda.toml"
    text = file.read_text("utf-8")
    for old, new in (("[store]\nimmutable = false\n", ""), *changes):
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text + "".join(_SITE.format(name) for name in SITES), "utf-8")


def make_archive(
    folder: Path,
    *,
    crash: CrashPoint = no_crash,
    database_url: str | None = None,
    clock: Clock | None = None,
    examiner: Examiner | None = None,
    batch_size: int = 1000,
    timestamp: Callable[[bytes], bytes] | None = None,
    resuming: bool = True,
) -> SimulatedArchive:
    """Makes an archive in ``folder``, or opens the one that is there, as a restart does: its spool is swept.

    Without ``resuming`` nothing is checked and no work taken up: what a rebuild does with an empty catalog.
    ``timestamp`` gives the completed token over an imprint, or raises as an authority's client does.
    """
    settings = prepare(folder, database_url, batch_size)
    moments = clock or TickingClock()
    vault = open_vault(settings, folder, moments, system_entropy, crash, cached=True)
    engine = open_database(settings, folder)
    database = TenantDatabase(engine, vault.tenant)
    authority = pki().authority
    progress = Progress()
    workshop = Workshop(
        tenant=vault.tenant,
        database=database,
        spool=vault.spool,
        store=vault.store,
        generations=vault.generations,
        signer=SoftwareSigner.load(
            (folder / settings.keys.seal_key).read_bytes(), (folder / settings.keys.seal_certificates).read_bytes()
        ),
        seal_validation_data=lambda: RevocationData((authority.crl("root"), authority.crl("issuing"))),
        examiner=examiner or UnsignedDocuments(),
        authorities=InProcessAuthority(timestamp or pki().token),
        complete_token=lambda token: token,
        classes={each.name: each.retention_class() for each in settings.retention},
        limits=IntakeLimits(
            settings.intake.max_document_bytes, settings.intake.max_deposit_bytes, settings.intake.max_documents
        ),
        clock=moments,
        entropy=system_entropy,
        software=Software("ZDDA", __version__),
        ended=progress.ended,
        guarantee=open_guarantee(settings, folder, moments, system_entropy),
        crash=crash,
    )
    if resuming:
        try:
            resume(workshop, _owners())
        except BaseException:
            vault.close()
            engine.dispose()
            raise
    runner = _runner(settings, workshop, vault)
    packages = PackageAccess(database, vault.store, moments)
    parts = Assembled(settings, vault, engine, database, workshop, Intake(workshop, progress), packages, runner)
    return SimulatedArchive(folder, parts)
