"""The canary's trials of a bucket's settings, in a bucket that holds nothing but probes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from zdda.model.clock import Entropy
from zdda.storage.canary_probe import FOLDER, OTHER, Probe, accepted, write_probe
from zdda.storage.s3_bucket import DEFAULT_DAYS, bucket_exists, make_bucket
from zdda.storage.s3_errors import StoreRefuses, translated

_RULE = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": DEFAULT_DAYS}}


class BucketTrials:
    """Each trial gives what was lost, or None, and puts the bucket's settings back."""

    def __init__(self, client: Any, bucket: str, until: datetime, entropy: Entropy) -> None:
        self._client, self._bucket, self._until, self._entropy = client, bucket, until, entropy

    def prepare(self) -> None:
        """Makes the bucket where it is not there; raises ``StoreRefuses`` where the account may not."""
        if not bucket_exists(self._client, self._bucket):
            make_bucket(self._client, self._bucket)

    def default_removed(self) -> str | None:
        probe = self._probe(self._until)
        accepted(lambda: self._configure({}))
        try:
            said = accepted(probe.delete)
            return probe.lost() or ("the store says that it has deleted the version" if said else None)
        finally:
            self._restore()

    def hold(self) -> str | None:
        """Without a default: it alone would keep the object."""
        if not accepted(lambda: self._configure({})):
            raise StoreRefuses("the bucket's default retention cannot be taken away for it")
        try:
            probe = self._probe(None)
            self._hold(probe)
            said = accepted(probe.delete)
            lost = probe.lost() or ("the store says that it has deleted the version" if said else None)
            if lost is None:
                accepted(lambda: probe.hold(held=False))
                accepted(probe.delete)
            return lost
        finally:
            self._restore()

    def versioning_suspended(self) -> str | None:
        probe = self._probe(self._until)
        if accepted(lambda: self._version("Suspended")):
            try:
                accepted(lambda: self._client.put_object(Bucket=self._bucket, Key=probe.key, **OTHER))
                accepted(lambda: self._client.delete_object(Bucket=self._bucket, Key=probe.key))
                return probe.lost()
            finally:
                with translated():
                    self._version("Enabled")
        return probe.lost()

    def bucket_deleted(self) -> str | None:
        probe = self._probe(self._until)
        said = accepted(lambda: self._client.delete_bucket(Bucket=self._bucket))
        return probe.lost() or ("the store says that it has deleted the bucket" if said else None)

    def _probe(self, until: datetime | None) -> Probe:
        key = FOLDER + self._entropy(16).hex()
        return write_probe(self._client, self._bucket, key, self._entropy(32), until)

    def _hold(self, probe: Probe) -> None:
        with translated():
            probe.hold(held=True)

    def _version(self, status: str) -> None:
        self._client.put_bucket_versioning(Bucket=self._bucket, VersioningConfiguration={"Status": status})

    def _configure(self, rule: dict[str, Any]) -> None:
        wanted = {"ObjectLockEnabled": "Enabled"} | ({"Rule": rule} if rule else {})
        self._client.put_object_lock_configuration(Bucket=self._bucket, ObjectLockConfiguration=wanted)

    def _restore(self) -> None:
        with translated():
            self._configure(_RULE)
