"""Erasing an object in a bucket: every version and deletion marker under its key, after its lock, then a look.

What is true when everything stops: some versions are gone and the others are whole, each still under its address; a
repeated erasure deletes the rest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import CrashPoint
from zdda.storage.erase_permit import Deletion, ErasePermit, Erasure, NotErased, StillHeld
from zdda.storage.s3_bucket import server_time
from zdda.storage.s3_errors import StoreUnreachable, translated
from zdda.storage.s3_versions import Versions, key_of

ERASE_POINTS = ("erase.before-delete", "erase.version-deleted", "erase.listed-empty")
METHOD = "versions-deleted"


class S3Eraser:
    """Deletes versions by their identifiers, never past a lock: governance is not bypassed, holds are not lifted."""

    def __init__(self, client: Any, bucket: str, versions: Versions, crash: CrashPoint) -> None:
        self._client, self._bucket, self._versions, self._crash = client, bucket, versions, crash

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        """Also what others put under the key. One copy that is locked or held keeps all of them."""
        versions, markers, now = self._versions.all_of(address)
        if now is None:
            raise StoreUnreachable("the store's answer has no date")
        locks = [self._versions.locked(address, version) for version in versions]
        permit.allows(address, max((until for until, _ in locks), default=None), now)
        if any(held for _, held in locks):
            raise StillHeld("the object is under legal hold")
        self._crash("erase.before-delete")
        requests = []
        for version in (*versions, *markers):
            requests.append(self._delete(address, version))
            self._crash("erase.version-deleted")
        left, left_markers, now = self._versions.all_of(address)
        if left or left_markers or now is None:
            raise NotErased("the store still lists versions of what it deleted")
        self._crash("erase.listed-empty")
        outcome = Erasure.ERASED if versions else Erasure.ABSENT
        evidence = {"bucket": self._bucket, "key": key_of(address)}
        if requests:
            evidence |= {"versions": " ".join((*versions, *markers)), "requests": " ".join(requests)}
        return Deletion(address, outcome, METHOD, now, evidence=evidence)

    def _delete(self, address: ContentAddress, version: str) -> str:
        """The store's own identifier of the request: its log of operations names it."""
        with translated():
            answer = self._client.delete_object(Bucket=self._bucket, Key=key_of(address), VersionId=version)
        said = str(answer["ResponseMetadata"].get("RequestId", ""))
        return said.partition(",")[0]  # versitygw says it twice


def bucket_time(client: Any, bucket: str) -> datetime:
    """The store's ``Date``; raises ``StoreUnreachable`` for an answer without one."""
    with translated():
        now = server_time(client.get_bucket_versioning(Bucket=bucket))
    if now is None:
        raise StoreUnreachable("the store's answer has no date")
    return now
