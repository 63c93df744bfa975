"""The only wiring: settings → back ends → use cases."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import structlog
from fastapi import FastAPI
from sqlalchemy import Engine

from zdda import __version__
from zdda.access.packages import PackageAccess
from zdda.api.rest.application import create_application
from zdda.api.rest.deposits import DepositLimits
from zdda.archive_health import ArchiveHealth
from zdda.audit.log import sequence
from zdda.blob_stores import CanaryWork, deletion_witness, make_stores, open_guarantee, open_sites
from zdda.catalog.deposits import LEASED as DEPOSITS
from zdda.catalog.evidence import LEASED as BATCHES
from zdda.catalog.evidence import BatchState
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.signing import Signer
from zdda.database.migration import migrate
from zdda.database.session import TenantDatabase
from zdda.evidence.evidence_record import TokenStatus
from zdda.fsck.evidence_tokens import token_checker
from zdda.identity.accounts import Accounts
from zdda.ingest.amending import FinishingAmendments
from zdda.ingest.batches import BatchCloser, BatchSteps
from zdda.ingest.examination import MODULES, WorkerExaminer
from zdda.ingest.intake import Intake, Progress
from zdda.ingest.resumption import resume
from zdda.ingest.steps import SealingSteps
from zdda.ingest.validating import ValidationSteps
from zdda.ingest.validations import ValidationDesk
from zdda.ingest.workshop import IntakeLimits, Workshop
from zdda.jobs.leased_work import LeasedWork, SingleSteps
from zdda.jobs.report_writing import MODULES as WRITING
from zdda.jobs.report_writing import WorkerReportWriter
from zdda.jobs.runner import Circuit, Crew, Runner, Seldom, WorkSource
from zdda.jobs.worker_pool import WorkerLimits, WorkerPool
from zdda.key_keepers import generation_keys, make_key_encryption_key, outgoing_tls, seal_signer
from zdda.model.clock import Clock, Entropy, SystemClock, system_entropy
from zdda.model.deposit import DepositState
from zdda.model.errors import Unavailable
from zdda.model.identifiers import TenantId, tenant_id
from zdda.moving_work import moving_work
from zdda.packaging.mets import Software
from zdda.packaging.sealed_report import ReportSealer
from zdda.record_keeping import record_keeping
from zdda.retention.disposal import DisposalDesk, DisposalWork, tell
from zdda.retention.found_damage import FoundDamage
from zdda.retention.places import Everywhere
from zdda.retention.replication import Replicator
from zdda.settings import Settings
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.storage.blob_store import BlobStore, CrashPoint, no_crash
from zdda.storage.durable_files import make_folder
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.folder_guard import FolderGuard
from zdda.storage.object_store import ObjectStore
from zdda.storage.read_cache import ReadCache
from zdda.storage.site import Site
from zdda.storage.spool import Spool
from zdda.store_opening import engine_at
from zdda.trust.anchors import TrustAnchors
from zdda.trust.fetched_files import FetchedFiles
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import RevocationClient
from zdda.trust.token_completion import TokenCompleter
from zdda.trust.tsa_client import AuthorityAddress, AuthorityUnavailable, TsaClient, TsaClients

_log = structlog.get_logger(__name__)
_OFTEN, _IDLE, _NOW_AND_THEN, _SELDOM, _BEAT = 0.02, 0.25, 1.0, 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Vault:
    """What lies on disks: keys, stores, spool. Enough to read and to doubt everything, without a catalog."""

    guard: FolderGuard
    tenant: TenantId
    generations: GenerationKeys
    sites: tuple[Site, ...]
    key_areas: tuple[FilesystemKeyArea, ...]
    store: ObjectStore
    spool: Spool
    cache: ReadCache | None = None

    @property
    def blobs(self) -> BlobStore:
        """The first site's store."""
        return self.sites[0].blobs

    def close(self) -> None:
        for key_area in self.key_areas:
            key_area.close()
        for site in self.sites:
            site.close()
        if self.cache is not None:
            self.cache.close()
        self.guard.close()


@dataclass(frozen=True, slots=True)
class Archive:
    """One running archive."""

    vault: Vault
    engine: Engine
    database: TenantDatabase
    accounts: Accounts
    workshop: Workshop
    intake: Intake
    packages: PackageAccess
    disposal: DisposalDesk
    runner: Runner
    pool: WorkerPool
    http: httpx.Client
    application: FastAPI

    def start(self) -> None:
        self.runner.start()
        threading.Thread(target=self.pool.answers, name="first-worker", daemon=True).start()  # warm when it is needed

    def stop(self) -> None:
        """Running steps end; nothing is lost by being stopped in any other way."""
        self.runner.stop()
        self.pool.close()
        self.http.close()
        self.vault.close()
        self.engine.dispose()


def open_vault(
    settings: Settings,
    folder: Path,
    clock: Clock = SystemClock(),  # noqa: B008 - without state
    entropy: Entropy = system_entropy,
    crash: CrashPoint = no_crash,
    *,
    cached: bool = False,
) -> Vault:
    """Opens keys, stores and spool below ``folder``; raises ``IntegrityError`` and what ``open_sites`` raises.
    ``cached``: with the cache of the settings, for those who want the objects and do not doubt the stores."""
    tenant = tenant_id(settings.archive.tenant)
    generations = generation_keys(settings.keys, folder, entropy, clock)
    with ExitStack() as opened:
        guard = opened.enter_context(closing(FolderGuard(folder)))  # before anything that has no guard of its own
        sites = open_sites(settings, folder, entropy, crash)
        for site in sites:
            opened.callback(site.close)
        key_areas = tuple(FilesystemKeyArea(folder / path, entropy, crash=crash) for path in settings.keys.key_areas)
        cache = _open_cache(settings, folder) if cached else None
        store = ObjectStore(sites, key_areas, generations, _alarm, cache)
        waiting = settings.spool
        spool = Spool(folder / waiting.directory, waiting.minimum_free, crash, most_bytes=waiting.most_bytes)
        opened.pop_all()
    return Vault(guard, tenant, generations, sites, key_areas, store, spool, cache)


def _open_cache(settings: Settings, folder: Path) -> ReadCache | None:
    """None where the settings want none; what an earlier one left is removed then."""
    directory, limit = folder / settings.cache.directory, settings.cache.bytes
    if limit:
        return ReadCache(directory, limit, settings.cache.largest_object)
    if directory.is_dir():
        ReadCache(directory, 0).close()
    return None


def initialise(settings: Settings, folder: Path) -> None:
    """Makes what a new archive needs below ``folder``: key-encryption key, the tenant's first generation, stores,
    spool, catalog. What is there already stays as it is."""
    tenant = tenant_id(settings.archive.tenant)
    make_folder((folder / settings.keys.generations).parent)
    make_key_encryption_key(settings.keys, folder, system_entropy)
    generations = generation_keys(settings.keys, folder, system_entropy, SystemClock())
    if tenant not in generations.tenants():
        generations.create(tenant)
    make_stores(settings, folder, system_entropy)
    open_vault(settings, folder).close()
    open_database(settings, folder).dispose()


def open_database(settings: Settings, folder: Path) -> Engine:
    """The catalog's engine, migrated. A relative SQLite path is below ``folder``."""
    engine = engine_at(settings.database.url.get_secret_value(), folder)
    migrate(engine)
    return engine


@contextmanager
def open_accounts(settings: Settings, folder: Path) -> Iterator[Accounts]:
    """The tenant's accounts, without the rest of the archive."""
    with open_catalog(settings, folder) as database:
        yield Accounts(database, SystemClock(), system_entropy)


def anchors_from(folder: Path, files: tuple[Path, ...]) -> TrustAnchors:
    """Trust anchors from PEM or DER files."""
    return TrustAnchors.load((folder / file).read_bytes() for file in files)


@contextmanager
def open_catalog(settings: Settings, folder: Path) -> Iterator[TenantDatabase]:
    """The tenant's catalog, without the rest of the archive."""
    engine = open_database(settings, folder)
    try:
        yield TenantDatabase(engine, tenant_id(settings.archive.tenant))
    finally:
        engine.dispose()


def build(
    settings: Settings,
    folder: Path,
    clock: Clock = SystemClock(),  # noqa: B008 - without state
    entropy: Entropy = system_entropy,
    crash: CrashPoint = no_crash,
) -> Archive:
    """Opens everything and wires it; nothing works yet (``start``). Refuses what ``resume`` refuses."""
    vault = open_vault(settings, folder, clock, entropy, crash, cached=True)
    engine = open_database(settings, folder)
    database = TenantDatabase(engine, vault.tenant)
    http = httpx.Client(trust_env=False, verify=outgoing_tls(settings.keys))
    trust = settings.trust
    files = FetchedFiles(folder / trust.cache, trust.cache_bytes) if trust.cache_bytes else None
    revocation = RevocationClient(http, trust.revocation_hosts, trust.revocation_private_hosts, clock, files=files)
    signer = seal_signer(settings.keys, folder)
    workers = settings.workers
    limits = WorkerLimits(workers.cpu_seconds, workers.wall_seconds, workers.memory)
    pool = WorkerPool(workers.processes, limits, (*MODULES, *WRITING))
    progress = Progress()
    bell: list[Callable[[], None]] = []
    documents = anchors_from(folder, settings.trust.documents)
    authorities = anchors_from(folder, settings.trust.authorities)
    of_seal = _of_seal(signer, revocation, anchors_from(folder, settings.trust.seal), clock)
    workshop = Workshop(
        tenant=vault.tenant,
        database=database,
        spool=vault.spool,
        store=vault.store,
        generations=vault.generations,
        signer=signer,
        seal_validation_data=of_seal,
        examiner=WorkerExaminer(pool, vault.spool, documents, revocation.ask, clock, revocation.fetch_issuers),
        authorities=_authorities(settings, folder, http, clock, entropy),
        complete_token=_provable(TokenCompleter(authorities, revocation.fetch, clock, of_seal), authorities, clock),
        classes={each.name: each.retention_class() for each in settings.retention},
        limits=IntakeLimits(
            settings.intake.max_document_bytes, settings.intake.max_deposit_bytes, settings.intake.max_documents
        ),
        clock=clock,
        entropy=entropy,
        software=Software("ZDDA", __version__),
        wake=lambda: bell[0](),
        ended=progress.ended,
        guarantee=open_guarantee(settings, folder, clock, entropy),
        crash=crash,
    )
    try:
        resume(workshop, _owners())
    except BaseException:
        vault.close()
        engine.dispose()
        raise
    disposal = _disposal(settings, folder, vault, workshop)
    runner = _runner(settings, workshop, vault, DisposalWork(disposal))
    bell.append(runner.wake)
    accounts = Accounts(database, clock, entropy)
    intake = Intake(workshop, progress)
    writer = WorkerReportWriter(pool)
    packages = PackageAccess(database, vault.store, clock, writer, ReportSealer(signer, of_seal, clock))
    validations = ValidationDesk(workshop, writer)
    health = ArchiveHealth(engine, vault.store, runner, pool, signer)
    application = create_application(intake, packages, validations, health, accounts, _limits(settings))
    return Archive(
        vault, engine, database, accounts, workshop, intake, packages, disposal, runner, pool, http, application
    )


def _disposal(settings: Settings, folder: Path, vault: Vault, workshop: Workshop) -> DisposalDesk:
    areas = [(path.as_posix(), area) for path, area in zip(settings.keys.key_areas, vault.key_areas, strict=True)]
    caches = [vault.cache] if vault.cache is not None else []
    return DisposalDesk(
        database=workshop.database,
        store=vault.store,
        everywhere=Everywhere.of(areas, vault.sites, vault.spool, caches),
        generations=vault.generations,
        signer=workshop.signer,
        timestamp=workshop.authorities.timestamp,
        clock=workshop.clock,
        entropy=workshop.entropy,
        crash=workshop.crash,
        alarm=tell,
        witness=deletion_witness(settings, folder),
        complete_token=workshop.complete_token,
        may_seal=workshop.seal_validation_data,
    )


class _Audit(WorkSource):
    """Chains what waits in the audit's outbox. A ``WorkSource`` of the runner."""

    def __init__(self, database: TenantDatabase) -> None:
        self._database = database

    def run_one(self) -> bool:
        return sequence(self._database) > 0


def _runner(settings: Settings, workshop: Workshop, vault: Vault, *in_the_background: WorkSource) -> Runner:
    vault.store.tell_damage_to(FoundDamage(workshop.database, workshop.clock))
    owner = f"{_owners()}{workshop.entropy(4).hex()}"
    threads = settings.workers.threads
    validation = LeasedWork(
        workshop.database,
        DEPOSITS,
        (DepositState.RECEIVED,),
        ValidationSteps(workshop),
        owner,
        group=2 * threads,
        threads=threads,
    )
    sealing_states = (DepositState.VALIDATED, DepositState.SEALED)
    sealing = LeasedWork(
        workshop.database,
        DEPOSITS,
        sealing_states,
        SealingSteps(workshop),
        owner,
        group=2 * threads,
        ready=lambda: sealing_states[: 1 if workshop.stores_away() else 2],
    )
    trying = LeasedWork(
        workshop.database,
        DEPOSITS,
        (DepositState.SEALED,),
        SealingSteps(workshop),
        owner,
        ready=lambda: sealing_states[1:] if workshop.stores_away() and workshop.forwarding.turn() else (),
    )
    closer = BatchCloser(workshop, settings.evidence.batch_size, timedelta(seconds=settings.evidence.batch_seconds))
    on_the_way = (BatchState.CLOSED, BatchState.TIMESTAMPED, BatchState.STORED)
    batches = LeasedWork(workshop.database, BATCHES, on_the_way, SingleSteps(BatchSteps(workshop)), owner)
    wait = settings.evidence.batch_seconds
    often = min(_IDLE, max(_OFTEN, wait / 4)) if wait else _IDLE  # without a wait, bells tell
    crews = [
        Crew(Circuit([validation, sealing, closer], [Seldom(_Audit(workshop.database))]), 1, often, helpers=1),
        Crew(batches, 2, _IDLE),
        Crew(CanaryWork(workshop.guarantee), 1, _BEAT),
        Crew(trying, 1, _IDLE),
        *(Crew(work, 1, _BEAT) for work in in_the_background),
    ]
    for site in vault.sites:
        others = [other for other in vault.sites if other is not site]
        replicator = Replicator(workshop.database, vault.store, site, others, workshop.clock, workshop.crash)
        crews.append(Crew(replicator, 1, _NOW_AND_THEN if others else _BEAT))
    if len(vault.sites) > 1:
        moving = moving_work(workshop, vault.store, vault.sites, settings.scrub.bytes_per_second)
        crews += [Crew(source, 1, _SELDOM) for source in moving]
    crews.append(Crew(FinishingAmendments(workshop), 1, _BEAT))
    crews.append(Crew(record_keeping(settings, workshop, vault.sites, vault.key_areas), 1, _SELDOM))
    return Runner(crews, _BEAT)


def _authorities(settings: Settings, folder: Path, http: httpx.Client, clock: Clock, entropy: Entropy) -> TsaClients:
    anchors = anchors_from(folder, settings.trust.authorities)
    evidence = settings.evidence
    return TsaClients(
        [
            TsaClient(
                AuthorityAddress(
                    each.url, each.policy, each.username, each.password.get_secret_value() if each.password else None
                ),
                anchors,
                http,
                clock,
                entropy,
                evidence.timeout_seconds,
                timedelta(seconds=evidence.clock_tolerance_seconds),
            )
            for each in evidence.authorities
        ]
    )


def _of_seal(
    signer: Signer, revocation: RevocationClient, anchors: TrustAnchors, clock: Clock
) -> Callable[[], RevocationData]:
    """The revocation data of the seal's path. With anchors for it in the settings, nothing is sealed that no verifier
    could prove: raises ``SealNotValid`` while the certificate is expired, revoked, or nobody says that it is not."""
    chain = (signer.certificate, *signer.chain)

    def fetch() -> RevocationData:
        data = revocation.fetch(chain)
        if anchors.certificates:
            status = validate_path(signer.certificate, chain, anchors, clock.now(), data).status
            if status is not PathStatus.VALID:
                raise SealNotValid(f"the seal's certificate is not valid now ({status})")
        return data

    return fetch


class SealNotValid(Unavailable):
    """Packages wait: what would be sealed now could not be proven later."""

    code = "seal-not-valid"


def _provable(complete: TokenCompleter, anchors: TrustAnchors, clock: Clock) -> Callable[[bytes], bytes]:
    """Completes tokens and keeps only those that the offline verifier takes: what is stored is never changed again."""

    def completed(token: bytes, /) -> bytes:
        der = complete(token)
        check = token_checker(anchors, clock.now())(der, parse_timestamp_token(der).imprint, None)
        if check.status is not TokenStatus.TRUSTED:
            raise AuthorityUnavailable(f"the completed token would not be proven: {check.message}")
        return der

    return completed


def _limits(settings: Settings) -> DepositLimits:
    intake = settings.intake
    room_for_headers = 64 * 1024 * intake.max_documents + 2 * 1024 * 1024
    return DepositLimits(
        max_body_bytes=intake.max_deposit_bytes + room_for_headers,
        max_documents=intake.max_documents,
        max_concurrent=intake.max_concurrent,
        max_concurrent_account=intake.max_concurrent_account,
        wait_seconds=intake.wait_seconds,
        idle_seconds=intake.idle_seconds,
        minimum_rate=intake.minimum_rate,
    )


def _owners() -> str:
    """How the names of this machine's workers begin. One process a machine has the vault open: when it is opened,
    whoever worked here before is dead."""
    return f"{socket.gethostname()}/"


def _alarm(what: str, name: object) -> None:
    _log.error("damaged", what=what, object=str(name))
