"""What works on an archive that is stopped: its stores are held alone meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from zdda.app import Vault, anchors_from, build, open_catalog, open_database, open_vault
from zdda.blob_stores import databases_of_sites, open_records_to_doubt, open_store_to_doubt
from zdda.crypto.generations import GenerationKeys
from zdda.database.purging import Purged, purge_database
from zdda.database.session import TenantDatabase
from zdda.fsck.revalidation import MODULES as REVALIDATION
from zdda.fsck.revalidation import Placed, Revalidated, Revalidation, copied
from zdda.fsck.store_check import StoreCheck
from zdda.fsck.stores import Place, SiteStore, Stores
from zdda.ingest.amending import add_validation, has_validation
from zdda.ingest.rebuild import CatalogRebuild, RebuildReport
from zdda.ingest.repair import CatalogRepair, repair_records
from zdda.ingest.repair_copies import Sites
from zdda.ingest.repair_records import Place as RecordPlace
from zdda.ingest.repair_report import RepairReport
from zdda.ingest.workshop import Workshop
from zdda.jobs.worker_pool import WorkerLimits, WorkerPool
from zdda.key_keepers import generation_keys
from zdda.model.clock import Clock, SystemClock, system_entropy
from zdda.model.errors import Conflict, IntegrityError, InvalidInput, NotFound
from zdda.model.identifiers import tenant_id
from zdda.model.objects import ObjectKind
from zdda.retention.disposal import DisposalDesk
from zdda.settings import Settings
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.folder_guard import FolderGuard
from zdda.storage.key_area_survey import KeyAreaSurvey
from zdda.storage.site import Site
from zdda.store_opening import engine_at
from zdda.trust.anchors import TrustAnchors

Progress = Callable[[int, int], None]
"""Called with how many are done, and how many there are."""


@contextmanager
def open_to_doubt(
    settings: Settings,
    folder: Path,
    clock: Clock = SystemClock(),  # noqa: B008 - without state
    site: str | None = None,
) -> Iterator[Stores]:
    """Keys and stores below ``folder`` for ``fsck``, kept from the archive meanwhile, those of all sites or of the one
    named; no damage in the key area keeps them from being opened. Raises ``StoreFailed`` while the archive runs,
    ``IntegrityError`` or ``NotFound`` without the keys, and what ``open_store_to_doubt`` raises."""
    tenant = tenant_id(settings.archive.tenant)
    generations = generation_keys(settings.keys, folder, system_entropy, clock)
    generations.current(tenant)
    with ExitStack() as opened:
        opened.enter_context(closing(FolderGuard(folder)))
        places: list[Place] = []
        for path in settings.keys.key_areas:
            survey = KeyAreaSurvey(folder / path)
            opened.callback(survey.close)
            places.append(survey)
        sites: list[SiteStore] = []
        own: dict[str, str] = {}
        for each in settings.each_site() if site is None else [settings.site(site)]:
            blobs, marker = open_store_to_doubt(settings, folder, system_entropy, each.name)
            opened.callback(blobs.close)
            sites.append(SiteStore(each.name, blobs, marker))
            records = open_records_to_doubt(settings, folder, system_entropy, each.name)
            if records is not None:
                opened.callback(records.close)
                places.append(records)
                own[records.name] = each.name
        placements = {each.name: each.retention_class().placement for each in settings.retention}
        partial = len(sites) < len(settings.each_site())
        yield Stores(settings.archive.id, tenant, generations, sites, places, own, placements, partial)


def own_anchors(settings: Settings, folder: Path) -> TrustAnchors:
    """What the archive's own seals and timestamps are judged by."""
    return anchors_from(folder, settings.trust.seal) + anchors_from(folder, settings.trust.authorities)


@contextmanager
def open_catalog_to_compare(settings: Settings, folder: Path) -> Iterator[tuple[TenantDatabase, GenerationKeys]]:
    """The tenant's catalog, and the keys that its digests are made under."""
    generations = generation_keys(settings.keys, folder, system_entropy, SystemClock())
    with open_catalog(settings, folder) as database:
        yield database, generations


def rebuild_catalog(settings: Settings, folder: Path, progress: Progress) -> RebuildReport:
    """Fills an empty catalog from the stores; raises ``CatalogNotEmpty``, and what ``open_vault`` raises."""
    with closing(open_vault(settings, folder)) as vault:
        engine = open_database(settings, folder)
        try:
            database = TenantDatabase(engine, vault.tenant)
            return CatalogRebuild(database, vault.store, vault.generations, SystemClock(), progress).run()
        finally:
            engine.dispose()


def repair_archive(
    settings: Settings,
    folder: Path,
    progress: Progress,
    clock: Clock = SystemClock(),  # noqa: B008 - without state
    crash: CrashPoint = no_crash,
) -> RepairReport:
    """Brings catalog and stores level; raises what ``open_vault`` and ``open_to_doubt`` raise, ``Unavailable``."""
    sites = Sites(
        [each.name for each in settings.each_site()],
        {each.name: each.retention_class().placement for each in settings.retention},
    )
    with open_catalog(settings, folder) as database:
        with closing(open_vault(settings, folder, clock)) as vault:
            areas = zip(settings.keys.key_areas, vault.key_areas, strict=True)
            places = [RecordPlace(str(path), area) for path, area in areas]
            places += [
                RecordPlace(f"{each.name} records", each.records, each.name)
                for each in vault.sites
                if each.records is not None
            ]
            blobs = {each.name: each.blobs for each in vault.sites}
            written = repair_records(database, places, blobs, vault.store, vault.generations, clock, crash)
        with open_to_doubt(settings, folder, clock) as stores:
            lines = list(StoreCheck(stores, own_anchors(settings, folder), clock.now(), progress).lines())
        with closing(open_vault(settings, folder, clock)) as vault:
            archive, spool = settings.archive.id, set(vault.spool.names())
            repair = CatalogRepair(database, vault.store, vault.generations, archive, sites, spool, clock, crash)
            return repair.run(lines, written)


class Keep(StrEnum):
    """Which new reports become amendments of their packages: all, or those of packages in which a verdict flips."""

    ALL = "all"
    FLIPS = "flips"


@dataclass(frozen=True, slots=True)
class Rules:
    """What documents are validated again by: ``anchors`` None for those of the settings, ``policy`` (TOML) None for the
    shipped one, at the moment ``at``."""

    at: datetime
    anchors: TrustAnchors | None = None
    policy: bytes | None = None


def revalidation(
    settings: Settings, folder: Path, rules: Rules, progress: Progress, keep: Keep | None = None
) -> Iterator[dict[str, Any]]:
    """What flips in every package (see ``Revalidated``), and what could not be looked at. With ``keep``, also the
    ``amendment`` of each ``package`` that got one; asked again by the same rules, none does.

    Raises what ``open_vault`` raises; to keep, what ``build`` raises, ``SealNotValid`` while no seal could be proven,
    ``Unavailable``: nothing is lost that was told by then.
    """
    with _opened(settings, folder, keep is not None) as (vault, workshop):
        limits = WorkerLimits(settings.workers.cpu_seconds, settings.workers.wall_seconds, settings.workers.memory)
        anchors = anchors_from(folder, settings.trust.documents) if rules.anchors is None else rules.anchors
        records = [each for each in vault.store.records() if each.name.kind is ObjectKind.AIP]
        with closing(WorkerPool(1, limits, REVALIDATION)) as pool:
            run = Revalidation(pool, _placed(vault.sites), vault.generations, anchors, rules.at, rules.policy)
            for done, each in enumerate(records):
                progress(done, len(records))
                revalidated = run.package(each)
                yield from revalidated.found
                if workshop is not None and keep is not None:
                    yield from _kept(workshop, revalidated, keep)
        progress(len(records), len(records))


@contextmanager
def disposing(settings: Settings, folder: Path) -> Iterator[DisposalDesk]:
    """The desk of an archive that is stopped, with all that a start checks; raises what ``build`` raises."""
    archive = build(settings, folder)
    try:
        yield archive.disposal
    finally:
        archive.stop()


def purged(settings: Settings, folder: Path) -> Purged:
    """What was cleared in the databases of the catalog, of stores and of object records. The stores are held meanwhile,
    so that no archive runs; raises what ``open_vault`` raises, ``PurgeIncomplete``."""
    with closing(open_vault(settings, folder)):
        found = _purged(open_database(settings, folder))
        for url in databases_of_sites(settings):
            found = found.and_also(_purged(engine_at(url, folder)))
    return found


def _purged(engine: Engine) -> Purged:
    try:
        return purge_database(engine)
    finally:
        engine.dispose()


def _placed(sites: Sequence[Site]) -> Placed:
    if len(sites) == 1 and isinstance(folder := sites[0].blobs, FilesystemBlobs):
        return lambda address: nullcontext(folder.path(address))
    return partial(copied, [site.blobs for site in sites])


@contextmanager
def _opened(settings: Settings, folder: Path, to_write: bool) -> Iterator[tuple[Vault, Workshop | None]]:
    """The stores; to write also what amendments are made with, opened with all that a start checks and takes up."""
    if not to_write:
        with closing(open_vault(settings, folder)) as vault:
            yield vault, None
        return
    archive = build(settings, folder)
    try:
        archive.workshop.seal_validation_data()
        yield archive.vault, archive.workshop
    finally:
        archive.stop()


def _kept(workshop: Workshop, revalidated: Revalidated, keep: Keep) -> Iterator[dict[str, Any]]:
    if revalidated.renewed is None:
        return
    flipped = any("error" not in each for each in revalidated.found)
    # What was kept of an earlier run is not left standing as the last word on a package.
    if keep is Keep.FLIPS and not flipped and not has_validation(workshop, revalidated.package):
        return
    package = str(revalidated.package)
    try:
        amendment = add_validation(workshop, revalidated.package, revalidated.renewed)
    except (NotFound, Conflict, IntegrityError, InvalidInput) as error:
        yield {"package": package, "document": None, "error": f"{error.code}: {error}"}
        return
    if amendment is not None:
        yield {"package": package, "amendment": str(amendment)}
