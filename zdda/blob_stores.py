"""Which blob stores the settings mean, opened: one entry of ``KINDS`` for each kind. Nothing of S3 is imported for an
archive that keeps its objects in a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from zdda.database.database_blobs import DatabaseBlobs
from zdda.database.store_tables import claim_database, database_problem, make_tables
from zdda.fsck.stores import Blobs
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock, Entropy
from zdda.model.errors import InvalidInput, Unavailable
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.record_places import OpenPlace, make_records, open_records, survey_records
from zdda.remote_stores import doubt_cmis, doubt_sftp, open_cmis, open_sftp
from zdda.retention.eraser import Witness
from zdda.settings import Settings, SiteSettings, StoreSettings
from zdda.storage.awaited_site import AwaitedBlobs, AwaitedRecords
from zdda.storage.blob_store import BlobStore, CrashPoint, StoreFailed, StoreNotGuaranteed, WrongStore, no_crash
from zdda.storage.file_system_probe import on_a_mount
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.guarantee import CanaryGuarantee, Guarantee, Guarantees, NoGuarantee
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.operations_log import OperationsLog
from zdda.storage.site import Site
from zdda.storage.store_errors import StoreUnreachable
from zdda.storage.store_marker import ABSENT, check_store, claim_store, problem_of
from zdda.store_opening import Opening, s3_address

if TYPE_CHECKING:
    from zdda.storage.canary import Trial

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of store can do.

    ``make`` makes what a new archive's store needs and can be made by us; what is there stays as it is. ``open`` claims
    the store for this archive; raises ``WrongStore``, ``StoreFailed``, ``StoreNotGuaranteed``, ``Unavailable``.
    ``doubt`` opens it for ``fsck`` and says what is wrong with its marker; nothing is claimed. ``canary`` tries to
    destroy probes; None where nothing is locked.
    """

    open: Callable[[Opening], BlobStore]
    doubt: Callable[[Opening], tuple[Blobs, str | None]]
    make: Callable[[Opening], None] = lambda _opening: None
    canary: Callable[[StoreSettings, Path, Clock, Entropy], list[Trial]] | None = None


def make_stores(settings: Settings, folder: Path, entropy: Entropy) -> None:
    """Makes what every site of a new archive needs."""
    for opening in _openings(settings, folder, entropy, no_crash):
        KINDS[opening.site.kind].make(opening)
        make_records(opening)


def open_sites(settings: Settings, folder: Path, entropy: Entropy, crash: CrashPoint = no_crash) -> tuple[Site, ...]:
    """Every site, claimed for this archive; raises what ``Kind.open`` raises. Of several, one that is away is awaited,
    unless none answers."""
    opened: list[Site] = []
    awaited: list[Unavailable] = []
    try:
        openings = _openings(settings, folder, entropy, crash)
        for opening in openings:
            name, open_blobs = opening.site.name, partial(KINDS[opening.site.kind].open, opening)
            open_place = None if opening.site.records.kind == "none" else partial(open_records, opening)
            blobs: BlobStore | None = None
            try:
                blobs = open_blobs()
                opened.append(Site(name, blobs, open_place() if open_place else None))
            except (StoreFailed, StoreNotGuaranteed):
                raise
            except Unavailable as error:
                _log.error("site-away", site=name, reason=error.code)
                awaited.append(error)
                place = AwaitedRecords(open_place) if open_place else None
                opened.append(Site(name, blobs or AwaitedBlobs(open_blobs), place))
        if len(awaited) == len(openings):
            raise awaited[0]
    except BaseException:
        for site in opened:
            site.close()
        raise
    return tuple(opened)


def open_one_store(settings: Settings, folder: Path, entropy: Entropy, site: str) -> BlobStore:
    """A site's store alone; raises ``InvalidInput`` for a site that there is not, and what ``Kind.open`` raises."""
    wanted = settings.site(site).name
    (opening,) = (each for each in _openings(settings, folder, entropy, no_crash) if each.site.name == wanted)
    return KINDS[opening.site.kind].open(opening)


def open_store_to_doubt(
    settings: Settings, folder: Path, entropy: Entropy, site: str | None = None
) -> tuple[Blobs, str | None]:
    """The store of a site (of the first, where none is named) for ``fsck``, and what is wrong with its marker. Raises
    ``InvalidInput`` for a store that nobody can see from outside, and what ``Kind.open`` raises."""
    wanted = settings.each_site()[0].name if site is None else settings.site(site).name
    (opening,) = (each for each in _openings(settings, folder, entropy, no_crash) if each.site.name == wanted)
    return KINDS[opening.site.kind].doubt(opening)


def open_records_to_doubt(settings: Settings, folder: Path, entropy: Entropy, site: str) -> OpenPlace | None:
    """The site's own place of object records for ``fsck``, called ``<site>/records``, if it has one. Raises
    ``StoreFailed`` and ``Unavailable`` as the places do."""
    (opening,) = (each for each in _openings(settings, folder, entropy, no_crash) if each.site.name == site)
    return survey_records(opening)


def databases_of_sites(settings: Settings) -> tuple[str, ...]:
    """The addresses of databases, besides the catalog's own, that hold objects or their records."""
    stores = [site.database.url for site in settings.each_site() if site.kind == "database"]
    places = [site.records.database.url for site in settings.each_site() if site.records.kind == "database"]
    return tuple(dict.fromkeys(url.get_secret_value() for url in stores + places if url.get_secret_value()))


def open_guarantee(settings: Settings, folder: Path, clock: Clock, entropy: Entropy) -> Guarantee:
    """Whether the sites may be trusted with what needs guaranteed stores; nothing is asked yet."""
    return Guarantees({site.name: _guarantee(site, folder, clock, entropy) for site in settings.each_site()})


def _guarantee(site: SiteSettings, folder: Path, clock: Clock, entropy: Entropy) -> Guarantee:
    canary = KINDS[site.kind].canary
    if canary is None:
        return NoGuarantee(f"a store of kind {site.kind} guarantees nothing")
    return CanaryGuarantee(partial(canary, site, folder, clock, entropy), clock, partial(_tell, site.name))


def fly_canary(settings: Settings, folder: Path, clock: Clock, entropy: Entropy, site: str) -> list[Trial]:
    """What a site's store does when its probes are to be destroyed; raises ``InvalidInput`` for a site that there is
    not and for a store that locks nothing, ``Unavailable``."""
    chosen = settings.site(site)
    canary = KINDS[chosen.kind].canary
    if canary is None:
        raise InvalidInput("only a store in a bucket can be tried")
    return canary(chosen, folder, clock, entropy)


def deletion_witness(settings: Settings, folder: Path) -> Witness:
    """Quotes, of sites whose gateway has a log that can be read here, what it says of each request that deleted."""
    logs = {
        site.name: OperationsLog(folder / site.s3.operations_log)
        for site in settings.each_site()
        if site.kind == "s3" and site.s3.operations_log is not None
    }

    def witness(site: Site, _address: ContentAddress, evidence: dict[str, str]) -> dict[str, str]:
        log = logs.get(site.name)
        if log is None or "requests" not in evidence:
            return evidence
        found = log.entries(evidence["requests"].split())
        return evidence | {f"log {identifier}": entry for identifier, entry in found.items()}

    return witness


class CanaryWork(WorkSource):
    """Lets canaries fly for as long as the archive runs."""

    def __init__(self, guarantee: Guarantee) -> None:
        self._guarantee = guarantee

    def run_one(self) -> bool:
        self._guarantee.try_if_due()
        return False


def _openings(settings: Settings, folder: Path, entropy: Entropy, crash: CrashPoint) -> Sequence[Opening]:
    archive, tenant = settings.archive.id, tenant_id(settings.archive.tenant)
    catalog = settings.database.url.get_secret_value()
    sites = settings.each_site()
    return [Opening(site, folder, archive, tenant, entropy, catalog, crash, len(sites) == 1) for site in sites]


def _tell(site: str, event: str, found: Collection[str]) -> None:
    (_log.info if event == "store-held" else _log.error)(event, site=site, found=list(found))


def _open_memory(_opening: Opening) -> BlobStore:
    return MemoryBlobs()


def _doubt_memory(_opening: Opening) -> tuple[Blobs, str | None]:
    raise InvalidInput("a store in memory cannot be checked from outside")


def _directory(opening: Opening) -> Path:
    """Raises ``StoreUnreachable`` for a folder whose server is not mounted: it must not be taken for an empty store."""
    directory = opening.folder / opening.site.directory
    if opening.site.mounted and not on_a_mount(directory, opening.folder):
        raise StoreUnreachable("the store's folder is not on a mounted file system")
    return directory


def _make_folder(opening: Opening) -> None:
    claim_store(_directory(opening), opening.archive, [opening.tenant])


def _open_folder(opening: Opening) -> BlobStore:
    directory = _directory(opening)
    if opening.alone:
        claim_store(directory, opening.archive, [opening.tenant])
    elif (problem := check_store(directory, opening.archive, [opening.tenant])) == ABSENT:
        raise StoreUnreachable("the site's folder holds no store: is it mounted? zdda init makes a new one")
    elif problem is not None:
        raise WrongStore(problem)
    blobs = FilesystemBlobs(
        directory,
        immutable=opening.site.immutable,
        passes=opening.site.overwrite_passes,
        crash=opening.crash,
    )
    if limits := blobs.limits():
        _log.info("store-limits", site=opening.site.name, limits=limits)
    return blobs


def _doubt_folder(opening: Opening) -> tuple[Blobs, str | None]:
    directory = _directory(opening)
    problem = check_store(directory, opening.archive, [opening.tenant])
    return FilesystemBlobs(directory, immutable=opening.site.immutable), problem


def _make_bucket(opening: Opening) -> None:
    from zdda.storage.s3_bucket import bucket_exists, make_bucket
    from zdda.storage.s3_client import connect

    address = s3_address(opening.site.s3, opening.folder)
    client = connect(address)
    try:
        if not bucket_exists(client, address.bucket):
            make_bucket(client, address.bucket)
    finally:
        client.close()


def _open_bucket(opening: Opening) -> BlobStore:
    from zdda.storage.s3_blobs import S3Blobs
    from zdda.storage.s3_bucket import claim_bucket
    from zdda.storage.s3_client import connect

    address = s3_address(opening.site.s3, opening.folder)
    client = connect(address)
    try:
        claim_bucket(client, address.bucket, opening.archive, [opening.tenant])
    finally:
        client.close()
    return S3Blobs(address, part_bytes=opening.site.s3.part_bytes, crash=opening.crash)


def _doubt_bucket(opening: Opening) -> tuple[Blobs, str | None]:
    from zdda.storage.s3_blobs import S3Blobs
    from zdda.storage.s3_bucket import read_marker
    from zdda.storage.s3_client import connect

    address = s3_address(opening.site.s3, opening.folder)
    client = connect(address)
    try:
        data = read_marker(client, address.bucket)
    finally:
        client.close()
    problem = ABSENT if data is None else problem_of(data, opening.archive, [opening.tenant])
    return S3Blobs(address, part_bytes=opening.site.s3.part_bytes), problem


def _fly_in_bucket(store: StoreSettings, folder: Path, clock: Clock, entropy: Entropy) -> list[Trial]:
    from zdda.storage.canary import Canary
    from zdda.storage.s3_client import connect

    address = s3_address(store.s3, folder)
    client = connect(address)
    try:
        return Canary(client, address.bucket, clock, entropy).run()
    finally:
        client.close()


def _make_tables(opening: Opening) -> None:
    engine = opening.engine(opening.site.database.url.get_secret_value())
    try:
        make_tables(engine)
    finally:
        engine.dispose()


def _open_database(opening: Opening) -> BlobStore:
    engine = opening.engine(opening.site.database.url.get_secret_value())
    try:
        claim_database(engine, opening.archive, [opening.tenant])
        return DatabaseBlobs(engine, opening.entropy, crash=opening.crash)
    except BaseException:
        engine.dispose()
        raise


def _doubt_database(opening: Opening) -> tuple[Blobs, str | None]:
    engine = opening.engine(opening.site.database.url.get_secret_value())
    try:
        problem = database_problem(engine, opening.archive, [opening.tenant])
        return DatabaseBlobs(engine, opening.entropy), problem
    except BaseException:
        engine.dispose()
        raise


KINDS: Mapping[str, Kind] = {
    "filesystem": Kind(_open_folder, _doubt_folder, _make_folder),
    "s3": Kind(_open_bucket, _doubt_bucket, _make_bucket, _fly_in_bucket),
    "sftp": Kind(open_sftp, doubt_sftp),
    "database": Kind(_open_database, _doubt_database, _make_tables),
    "cmis": Kind(open_cmis, doubt_cmis),
    "memory": Kind(_open_memory, _doubt_memory),
}
"""By ``store.kind``."""
