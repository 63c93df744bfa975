"""A site: a store of objects under a name, with a place of object records of its own where it has one."""

from __future__ import annotations

from dataclasses import dataclass

from zdda.storage.blob_store import BlobStore
from zdda.storage.key_area import KeyArea

MAIN = "main"
"""The one site of an archive whose settings name no sites."""


@dataclass(frozen=True, slots=True)
class Site:
    """``records``: the site's own place of object records; None where its records lie in the archive's own places
    only."""

    name: str
    blobs: BlobStore
    records: KeyArea | None = None

    def close(self) -> None:
        """Lets go of folders and connections."""
        self.blobs.close()
        close = getattr(self.records, "close", None)
        if close is not None:
            close()
