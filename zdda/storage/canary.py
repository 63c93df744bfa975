"""The canary: tries, with the archive's own credentials, to destroy probes that the store has locked.

``docs/operations/store-canary.md`` has the list of lies that the trials are made for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from zdda.model.clock import Clock, Entropy
from zdda.model.errors import Unavailable
from zdda.storage.canary_bucket import BucketTrials
from zdda.storage.canary_probe import FOLDER, OTHER, Probe, accepted, write_probe
from zdda.storage.s3_bucket import server_time
from zdda.storage.s3_errors import StoreRefuses, translated
from zdda.storage.s3_versions import COMPLIANCE, LATEST_LOCK

LOCKED_FOR = timedelta(days=1)
"""How long a probe is locked."""
_SWEPT_AFTER = timedelta(days=2)
_PAST = datetime(2107, 1, 1, tzinfo=UTC)
_OUTLASTS_SECONDS = 3
_PATIENCE = 5
"""So many trials without an answer, and the store is away."""
WEAKNESSES = frozenset({"past-2106", "hold-outlasts"})
"""Where the archive never goes; see the document."""


class Outcome(StrEnum):
    HELD = "held"
    WEAK = "weak"
    GAVE_WAY = "gave way"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial ended with; ``detail`` says what was found, or why it was not tried."""

    name: str
    outcome: Outcome
    detail: str = ""


class Canary:
    """All trials against one bucket. ``sleep`` waits so many seconds."""

    def __init__(
        self, client: Any, bucket: str, clock: Clock, entropy: Entropy, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._bucket, self._clock, self._entropy, self._sleep = client, bucket, clock, entropy, sleep
        self._now = clock.now()

    def run(self) -> list[Trial]:
        """Every trial, in the document's order. Raises ``Unavailable`` where the store does not answer: where it has
        given way in another trial, that is what counts, and the trial without an answer is one not tried."""
        self._unanswered: list[Unavailable] = []
        with translated():
            said = server_time(self._client.get_bucket_versioning(Bucket=self._bucket))
        self._now = (said or self._clock.now()).replace(microsecond=0)
        self._sweep()
        trials = [
            self._trial(name, attempt)
            for name, attempt in {
                "retention": self._retention,
                "overwrite": self._overwrite,
                "delete": self._delete,
                "marker": self._marker,
                "shorten": self._shorten,
                "downgrade": self._downgrade,
                "bypass": self._bypass,
                "clear": self._clear,
                "latest-lock": self._latest_lock,
                "past-2106": self._past_2106,
                "hold-outlasts": self._hold_outlasts,
                "multipart": self._multipart,
                "copy": self._copy,
                "lifecycle": self._lifecycle,
                "swift": self._swift,
            }.items()
        ]
        trials += self._of_bucket()
        if self._unanswered and not any(trial.outcome is Outcome.GAVE_WAY for trial in trials):
            raise self._unanswered[0]
        return trials

    def _of_bucket(self) -> list[Trial]:
        trials = BucketTrials(self._client, f"{self._bucket[:56]}-canary", self._until, self._entropy)
        names = {
            "hold": trials.hold,
            "default-removed": trials.default_removed,
            "versioning-suspended": trials.versioning_suspended,
            "bucket-deleted": trials.bucket_deleted,
        }
        try:
            trials.prepare()
        except StoreRefuses as error:
            return [Trial(name, Outcome.NOT_TRIED, f"no bucket for it: {error}") for name in names]
        return [self._trial(name, attempt) for name, attempt in names.items()]

    def _trial(self, name: str, attempt: Callable[[], str | None]) -> Trial:
        """``attempt`` gives what was lost, or None; an error of the store in a trial is no answer to it."""
        try:
            lost = attempt()
        except StoreRefuses as error:
            return Trial(name, Outcome.NOT_TRIED, str(error))
        except Unavailable as error:
            self._unanswered.append(error)
            if len(self._unanswered) >= _PATIENCE:
                raise
            return Trial(name, Outcome.NOT_TRIED, f"no answer: {error}")
        if lost is None:
            return Trial(name, Outcome.HELD)
        return Trial(name, Outcome.WEAK if name in WEAKNESSES else Outcome.GAVE_WAY, lost)

    @property
    def _until(self) -> datetime:
        return self._now + LOCKED_FOR

    def _probe(self, key: str | None = None, until: datetime | None = None, **options: Any) -> Probe:
        name = FOLDER + (key or self._entropy(16).hex())
        return write_probe(self._client, self._bucket, name, self._entropy(32), until or self._until, **options)

    def _retention(self) -> str | None:
        return self._probe().lost()

    def _overwrite(self) -> str | None:
        probe = self._probe()
        accepted(lambda: self._client.put_object(Bucket=probe.bucket, Key=probe.key, **OTHER))
        return probe.lost()

    def _delete(self) -> str | None:
        return undeleted(self._probe())

    def _marker(self) -> str | None:
        probe = self._probe()
        made: list[str] = []
        which = {"Bucket": probe.bucket, "Key": probe.key}
        accepted(lambda: made.append(self._client.delete_object(**which).get("VersionId", "")))
        lost = probe.lost()
        if lost is None and made and made[0] not in ("", probe.version):
            accepted(lambda: self._client.delete_object(**which, VersionId=made[0]))
        return lost or probe.lost()

    def _shorten(self) -> str | None:
        probe = self._probe()
        sooner = {"Mode": COMPLIANCE, "RetainUntilDate": self._until - timedelta(hours=1)}
        accepted(lambda: probe.retain(sooner))
        return probe.lost()

    def _downgrade(self) -> str | None:
        probe = self._probe()
        accepted(lambda: probe.retain({"Mode": "GOVERNANCE", "RetainUntilDate": self._until}))
        return probe.lost()

    def _bypass(self) -> str | None:
        probe = self._probe()
        sooner = {"Mode": COMPLIANCE, "RetainUntilDate": self._until - timedelta(hours=1)}
        accepted(lambda: probe.retain(sooner, BypassGovernanceRetention=True))
        return probe.lost() or undeleted(probe, BypassGovernanceRetention=True)

    def _clear(self) -> str | None:
        probe = self._probe()
        accepted(lambda: probe.retain({}))
        return probe.lost()

    def _latest_lock(self) -> str | None:
        """One probe for ever: nothing would remove it."""
        key = f"{FOLDER}latest-lock"
        probe = self._first(key, LATEST_LOCK) or self._probe("latest-lock", LATEST_LOCK)
        return probe.lost() or undeleted(probe)

    def _first(self, key: str, until: datetime) -> Probe | None:
        """An earlier canary's probe of that key that the store says is locked until then, whatever its bytes."""
        with translated():
            listed = self._client.list_object_versions(Bucket=self._bucket, Prefix=key)
            for each in listed.get("Versions", []):
                which = {"Bucket": self._bucket, "Key": key, "VersionId": each["VersionId"]}
                with self._client.get_object(**which)["Body"] as stream:
                    body = stream.read(64)
                probe = Probe(self._client, self._bucket, key, each["VersionId"], body, until)
                if probe.retention() == (COMPLIANCE, until):
                    return probe
        return None

    def _past_2106(self) -> str | None:
        if self._first(f"{FOLDER}past-2106", _PAST) is not None:
            return None
        probe = self._probe("past-2106")
        accepted(lambda: probe.retain({"Mode": COMPLIANCE, "RetainUntilDate": _PAST}))
        return None if probe.retention() == (COMPLIANCE, _PAST) else probe.lost()

    def _hold_outlasts(self) -> str | None:
        with translated():
            said = server_time(self._client.get_bucket_versioning(Bucket=self._bucket))
        until = (said or self._clock.now()) + timedelta(seconds=_OUTLASTS_SECONDS)
        probe = self._probe(until=until, ObjectLockLegalHoldStatus="ON")
        self._sleep(_OUTLASTS_SECONDS + 1)
        lost = undeleted(probe)
        if lost is None:
            accepted(lambda: probe.hold(held=False))
        return lost

    def _multipart(self) -> str | None:
        key, body, later = FOLDER + self._entropy(16).hex(), self._entropy(32), self._later
        which = {"Bucket": self._bucket, "Key": key}
        with translated():
            lock = {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": later}
            upload = {**which, "UploadId": self._client.create_multipart_upload(**which, **lock)["UploadId"]}
            part = self._client.upload_part(**upload, PartNumber=1, Body=body)
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            made = self._client.complete_multipart_upload(**upload, MultipartUpload=parts)
        return self._locked_afterwards(Probe(self._client, self._bucket, key, made["VersionId"], body, later))

    def _copy(self) -> str | None:
        probe, key, later = self._probe(), FOLDER + self._entropy(16).hex(), self._later
        lock = {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": later}
        with translated():
            source = {"Bucket": self._bucket, "Key": probe.key, "VersionId": probe.version}
            self._client.copy_object(Bucket=self._bucket, Key=key, CopySource=source, **lock)
            version = self._client.head_object(Bucket=self._bucket, Key=key)["VersionId"]
        return self._locked_afterwards(Probe(self._client, self._bucket, key, version, probe.body, later))

    @property
    def _later(self) -> datetime:
        """Later than what a default of the bucket may give."""
        return self._until + timedelta(hours=1)

    def _locked_afterwards(self, probe: Probe) -> str | None:
        """Locks it as ``Versions.lock`` does where the store has left the lock out."""
        if probe.retention() != (COMPLIANCE, self._later):
            accepted(lambda: probe.retain({"Mode": COMPLIANCE, "RetainUntilDate": self._later}))
        return probe.lost() or undeleted(probe)

    def _lifecycle(self) -> str | None:
        probe = self._probe()
        with translated():
            expiry = self._client.head_object(**probe.which).get("Expiration")
            if expiry:
                return f"the store lets a locked object expire ({expiry})"
            try:
                rules = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket).get("Rules", [])
            except ClientError:
                return None  # none, or not known there
        for rule in rules:
            if rule.get("Status") == "Enabled" and {"Expiration", "NoncurrentVersionExpiration"} & rule.keys():
                return "a rule of the bucket lets objects expire"
        return None

    def _swift(self) -> str | None:
        """Where the Swift API is served, ``/swift/info`` is; else it is an object of a bucket that nobody may see."""
        told: list[bytes] = []

        def ask() -> None:
            with self._client.get_object(Bucket="swift", Key="info")["Body"] as stream:
                told.append(stream.read(4096))

        accepted(ask)
        return "the Swift API answers" if told and b'"swift"' in told[0] else None

    def _sweep(self) -> None:
        """Removes probes whose lock has ended, as far as the account may."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=FOLDER)
        with translated():
            for page in pages:
                for each in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    if each["LastModified"] < self._now - _SWEPT_AFTER and "-" not in each["Key"]:
                        which = {"Bucket": self._bucket, "Key": each["Key"], "VersionId": each["VersionId"]}
                        if not accepted(lambda which=which: self._client.delete_object(**which)):  # type: ignore[misc]
                            return


def undeleted(probe: Probe, **options: Any) -> str | None:
    """Tries to delete the version; what is wrong with the probe then."""
    said = accepted(lambda: probe.delete(**options))
    return probe.lost() or ("the store says that it has deleted the version" if said else None)


def guaranteed(trials: Sequence[Trial]) -> bool:
    """Whether no trial made the store give way, and the most of them were tried."""
    return all(trial.outcome is not Outcome.GAVE_WAY for trial in trials) and any(
        trial.name == "delete" and trial.outcome is Outcome.HELD for trial in trials
    )
