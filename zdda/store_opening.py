"""What stores and places of object records are opened with: the settings of their site, buckets, databases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from zdda.database.engine import open_engine
from zdda.model.clock import Entropy
from zdda.model.identifiers import TenantId
from zdda.settings import S3Connection, SiteSettings
from zdda.storage.blob_store import CrashPoint, no_crash

if TYPE_CHECKING:
    from zdda.storage.s3_client import S3Address


@dataclass(frozen=True, slots=True)
class Opening:
    """What a kind of store is opened with. ``site`` holds the store's own settings; relative paths are below
    ``folder``; ``catalog`` is the address of the catalog's database. ``alone``: the archive has no other site."""

    site: SiteSettings
    folder: Path
    archive: str
    tenant: TenantId
    entropy: Entropy
    catalog: str
    crash: CrashPoint = no_crash
    alone: bool = True

    def engine(self, url: str) -> Engine:
        """A database; the catalog's own where no address is given."""
        return engine_at(url or self.catalog, self.folder)


def engine_at(url: str, folder: Path) -> Engine:
    """Raises ``InvalidInput`` for a database of another kind. A relative SQLite path is below ``folder``."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and not Path(parsed.database).is_absolute():
        parsed = parsed.set(database=str(folder / parsed.database))
    return open_engine(parsed.render_as_string(hide_password=False))


def s3_address(s3: S3Connection, folder: Path) -> S3Address:
    """The bucket that settings name."""
    from zdda.storage.s3_client import S3Address

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
