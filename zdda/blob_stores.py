"""Which blob store the settings mean, opened. Nothing of S3 is imported for an archive that keeps its objects in a
folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from zdda.fsck.stores import Blobs
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock, Entropy
from zdda.model.errors import InvalidInput
from zdda.model.identifiers import TenantId
from zdda.settings import Settings
from zdda.storage.blob_store import BlobStore, CrashPoint, no_crash
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.guarantee import CanaryGuarantee, Guarantee, NoGuarantee
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.store_marker import ABSENT, check_store, claim_store, problem_of

if TYPE_CHECKING:
    from zdda.storage.canary import Trial
    from zdda.storage.s3_client import S3Address

_log = structlog.get_logger(__name__)


def make_store(settings: Settings, folder: Path) -> None:
    """Makes what a new archive's store needs and can be made by us: its bucket. One that is there stays as it is."""
    if settings.store.kind == "s3":
        from zdda.storage.s3_bucket import bucket_exists, make_bucket
        from zdda.storage.s3_client import connect

        address = s3_address(settings, folder)
        client = connect(address)
        try:
            if not bucket_exists(client, address.bucket):
                make_bucket(client, address.bucket)
        finally:
            client.close()


def open_store(settings: Settings, folder: Path, tenant: TenantId, crash: CrashPoint = no_crash) -> BlobStore:
    """The store, claimed for this archive; raises ``WrongStore``, ``StoreFailed``, ``StoreNotGuaranteed``,
    ``Unavailable``."""
    if settings.store.kind == "memory":
        return MemoryBlobs()
    if settings.store.kind == "s3":
        from zdda.storage.s3_blobs import S3Blobs
        from zdda.storage.s3_bucket import claim_bucket
        from zdda.storage.s3_client import connect

        address = s3_address(settings, folder)
        client = connect(address)
        try:
            claim_bucket(client, address.bucket, settings.archive.id, [tenant])
        finally:
            client.close()
        return S3Blobs(address, part_bytes=settings.store.s3.part_bytes, crash=crash)
    directory = folder / settings.store.directory
    claim_store(directory, settings.archive.id, [tenant])
    return FilesystemBlobs(directory, immutable=settings.store.immutable, crash=crash)


def open_store_to_doubt(settings: Settings, folder: Path, tenant: TenantId) -> tuple[Blobs, str | None]:
    """The store for ``fsck``, and what is wrong with its marker; nothing is claimed. Raises ``InvalidInput`` for a
    store that nobody can see from outside, and what ``open_store`` raises."""
    if settings.store.kind == "memory":
        raise InvalidInput("a store in memory cannot be checked from outside")
    if settings.store.kind == "s3":
        from zdda.storage.s3_blobs import S3Blobs
        from zdda.storage.s3_bucket import read_marker
        from zdda.storage.s3_client import connect

        address = s3_address(settings, folder)
        client = connect(address)
        try:
            data = read_marker(client, address.bucket)
        finally:
            client.close()
        problem = ABSENT if data is None else problem_of(data, settings.archive.id, [tenant])
        return S3Blobs(address, part_bytes=settings.store.s3.part_bytes), problem
    directory = folder / settings.store.directory
    problem = check_store(directory, settings.archive.id, [tenant])
    return FilesystemBlobs(directory, immutable=settings.store.immutable), problem


def open_guarantee(settings: Settings, folder: Path, clock: Clock, entropy: Entropy) -> Guarantee:
    """Whether the store may be trusted with what needs a guaranteed one; nothing is asked yet."""
    if settings.store.kind != "s3":
        return NoGuarantee(f"a store of kind {settings.store.kind} guarantees nothing")
    return CanaryGuarantee(lambda: fly_canary(settings, folder, clock, entropy), clock, _tell)


def fly_canary(settings: Settings, folder: Path, clock: Clock, entropy: Entropy) -> list[Trial]:
    """What the store does when its probes are to be destroyed; raises ``InvalidInput`` for a store that locks nothing,
    ``Unavailable``."""
    if settings.store.kind != "s3":
        raise InvalidInput("only a store in a bucket can be tried")
    from zdda.storage.canary import Canary
    from zdda.storage.s3_client import connect

    address = s3_address(settings, folder)
    client = connect(address)
    try:
        return Canary(client, address.bucket, clock, entropy).run()
    finally:
        client.close()


class CanaryWork(WorkSource):
    """Lets canaries fly for as long as the archive runs."""

    def __init__(self, guarantee: Guarantee) -> None:
        self._guarantee = guarantee

    def run_one(self) -> bool:
        self._guarantee.try_if_due()
        return False


def _tell(event: str, found: list[str]) -> None:
    (_log.info if event == "store-held" else _log.error)(event, found=found)


def s3_address(settings: Settings, folder: Path) -> S3Address:
    """The bucket that the settings name."""
    from zdda.storage.s3_client import S3Address

    s3 = settings.store.s3
    authorities = s3.certificate_authorities
    return S3Address(
        endpoint=s3.endpoint,
        bucket=s3.bucket,
        access_key=s3.access_key.get_secret_value(),
        secret_key=s3.secret_key.get_secret_value(),
        region=s3.region,
        certificate_authorities=None if authorities is None else folder / authorities,
        connect_seconds=s3.connect_seconds,
        read_seconds=s3.read_seconds,
        attempts=s3.attempts,
        connections=s3.connections,
    )
