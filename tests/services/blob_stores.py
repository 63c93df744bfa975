"""Every kind of store that the contract suites run on, empty and opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from tests.services.s3 import S3_STORES, fresh_bucket
from tests.services.sshd import mounted, sftp_folder
from tests.simulator.cmis_server import PASSWORD, USER, CmisServer
from tests.simulator.postgresql import BACKENDS, fresh_database
from zdda.database.database_blobs import DatabaseBlobs
from zdda.database.engine import open_engine
from zdda.database.store_tables import make_tables
from zdda.model.clock import system_entropy
from zdda.storage.blob_store import BlobStore
from zdda.storage.cmis_blobs import CmisBlobs
from zdda.storage.cmis_client import CmisAddress
from zdda.storage.durable_files import set_immutable
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.fsspec_blobs import FsspecBlobs
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.remote_files import FsspecFiles
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.sftp_files import SftpAddress, connect

DATABASES = tuple(f"database-{backend}" for backend in BACKENDS)
KINDS_OF_STORES = (
    "memory",
    "filesystem",
    "filesystem-immutable",
    "filesystem-sshfs",
    "sftp",
    "fsspec-local",
    "cmis",
    "cmis-retention",
    *DATABASES,
    *S3_STORES,
)


@contextmanager
def empty_store(kind: str, folder: Path) -> Iterator[BlobStore]:
    """A new store of that kind; ``folder`` does not exist yet."""
    if kind == "memory":
        yield MemoryBlobs()
    elif kind in S3_STORES:
        with closing(S3Blobs(fresh_bucket(kind))) as in_bucket:
            yield in_bucket
    elif kind in DATABASES:
        folder.mkdir()
        with fresh_database(kind.removeprefix("database-"), folder, migrated=False) as url:
            make_tables(open_engine(url))
            with closing(DatabaseBlobs(open_engine(url), system_entropy)) as in_database:
                yield in_database
    elif kind == "sftp":
        with closing(sftp_store(sftp_folder())) as on_server:
            yield on_server
    elif kind == "fsspec-local":
        local = partial(FsspecFiles, LocalFileSystem(skip_instance_cache=True))
        with closing(FsspecBlobs(local, str(folder))) as in_folder:
            yield in_folder
    elif kind.startswith("cmis"):
        with (
            CmisServer(retention=kind.endswith("retention")) as server,
            closing(CmisBlobs(cmis_address(server))) as in_repository,
        ):
            yield in_repository
    elif kind == "filesystem-sshfs":
        with mounted(folder), closing(FilesystemBlobs(folder)) as on_server:
            yield on_server
    else:
        with closing(FilesystemBlobs(folder, immutable=kind.endswith("immutable"))) as blobs:
            yield blobs
        for path in folder.rglob("*"):
            if path.is_file():
                set_immutable(path, immutable=False)


def sftp_store(address: SftpAddress, **options: Any) -> FsspecBlobs:
    """A store in a server's folder."""
    return FsspecBlobs(partial(connect, address), address.folder, connections=address.connections, **options)


def cmis_address(server: CmisServer, **options: Any) -> CmisAddress:
    """A folder of a repository of ours."""
    return CmisAddress(server.service, "repo", "/archive", USER, PASSWORD, connect_seconds=2.0, **options)
