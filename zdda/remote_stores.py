"""Stores on other people's servers, opened as the settings say. Nothing of a kind's client is imported for an archive
that has no store of that kind."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from zdda.fsck.stores import Blobs
from zdda.settings import StoreSettings
from zdda.storage.blob_store import BlobStore
from zdda.store_opening import Opening

if TYPE_CHECKING:
    from zdda.storage.cmis_client import CmisAddress
    from zdda.storage.sftp_files import SftpAddress

_log = structlog.get_logger(__name__)


def open_sftp(opening: Opening) -> BlobStore:
    """A folder of an SFTP server, claimed; raises ``WrongStore``, ``Unavailable``."""
    from zdda.storage.fsspec_blobs import FsspecBlobs
    from zdda.storage.remote_marker import claim
    from zdda.storage.sftp_files import connect

    address = sftp_address(opening.site, opening.folder)
    files = connect(address)
    try:
        claim(files, address.folder, opening.archive, [opening.tenant], opening.entropy(8).hex())
    finally:
        files.close()
    return FsspecBlobs(
        partial(connect, address),
        address.folder,
        connections=address.connections,
        wait_seconds=address.read_seconds,
        entropy=opening.entropy,
        crash=opening.crash,
    )


def doubt_sftp(opening: Opening) -> tuple[Blobs, str | None]:
    """The same for ``fsck``, and what is wrong with its marker; nothing is claimed."""
    from zdda.storage.fsspec_blobs import FsspecBlobs
    from zdda.storage.remote_marker import problem_in
    from zdda.storage.sftp_files import connect

    address = sftp_address(opening.site, opening.folder)
    files = connect(address)
    try:
        problem = problem_in(files, address.folder, opening.archive, [opening.tenant])
    finally:
        files.close()
    return FsspecBlobs(partial(connect, address), address.folder, connections=address.connections), problem


def sftp_address(store: StoreSettings, folder: Path) -> SftpAddress:
    """The server's folder that a store's settings name."""
    from zdda.storage.sftp_files import SftpAddress

    sftp = store.sftp
    return SftpAddress(
        host=sftp.host,
        port=sftp.port,
        user=sftp.user,
        folder=sftp.folder,
        host_keys=sftp.host_keys,
        key=None if sftp.key is None else folder / sftp.key,
        password=sftp.password.get_secret_value(),
        connect_seconds=sftp.connect_seconds,
        read_seconds=sftp.read_seconds,
        connections=sftp.connections,
    )


def open_cmis(opening: Opening) -> BlobStore:
    """A folder of a document management system, claimed; raises ``WrongStore``, ``Unavailable``."""
    from zdda.storage.cmis_blobs import CmisBlobs
    from zdda.storage.cmis_marker import claim
    from zdda.storage.cmis_repository import CmisRepository

    address = cmis_address(opening.site, opening.folder)
    repository = CmisRepository(address)
    try:
        claim(repository, address.folder, opening.archive, [opening.tenant])
    finally:
        repository.close()
    if not repository.retention:
        limits = ["the repository offers no retentions: it locks nothing"]
        _log.info("store-limits", site=opening.site.name, limits=limits)
    return CmisBlobs(address, entropy=opening.entropy, crash=opening.crash)


def doubt_cmis(opening: Opening) -> tuple[Blobs, str | None]:
    """The same for ``fsck``, and what is wrong with its marker; nothing is claimed."""
    from zdda.storage.cmis_blobs import CmisBlobs
    from zdda.storage.cmis_marker import problem_in
    from zdda.storage.cmis_repository import CmisRepository

    address = cmis_address(opening.site, opening.folder)
    repository = CmisRepository(address)
    try:
        problem = problem_in(repository, address.folder, opening.archive, [opening.tenant])
    finally:
        repository.close()
    return CmisBlobs(address), problem


def cmis_address(store: StoreSettings, folder: Path) -> CmisAddress:
    """The repository's folder that a store's settings name."""
    from zdda.storage.cmis_client import CmisAddress

    cmis = store.cmis
    return CmisAddress(
        service=cmis.service,
        repository=cmis.repository,
        folder=cmis.folder,
        user=cmis.user,
        password=cmis.password.get_secret_value(),
        certificate_authorities=None if cmis.certificate_authorities is None else folder / cmis.certificate_authorities,
        connect_seconds=cmis.connect_seconds,
        read_seconds=cmis.read_seconds,
        connections=cmis.connections,
    )
