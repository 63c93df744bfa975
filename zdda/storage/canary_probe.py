"""A probe: a small locked object that the canary tries to destroy, and what is left of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from zdda.storage.s3_client import content_md5
from zdda.storage.s3_errors import code_of, status_of, translated
from zdda.storage.s3_versions import COMPLIANCE, NEVER

FOLDER = "canary/"
OTHER = {"Body": b"other", "ContentMD5": content_md5(b"other")}
"""What is put over a probe."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One version. ``until`` None: it has no lock of its own."""

    client: Any
    bucket: str
    key: str
    version: str
    body: bytes
    until: datetime | None

    @property
    def which(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "VersionId": self.version}

    def delete(self, **options: Any) -> None:
        self.client.delete_object(**self.which, **options)

    def retain(self, retention: dict[str, Any], **options: Any) -> None:
        self.client.put_object_retention(**self.which, Retention=retention, **options)

    def hold(self, *, held: bool) -> None:
        self.client.put_object_legal_hold(**self.which, LegalHold={"Status": "ON" if held else "OFF"})

    def retention(self) -> tuple[str, datetime]:
        """(mode, end) as the store tells; ("none", ``NEVER``) without."""
        with translated():
            try:
                told = self.client.get_object_retention(**self.which)["Retention"]
            except ClientError as error:
                if status_of(error) >= 500 or code_of(error) == "SlowDown":
                    return self._in_head(error)
                return "none", NEVER
        return str(told.get("Mode", "none")), told.get("RetainUntilDate", NEVER).astimezone(UTC)

    def _in_head(self, error: ClientError) -> tuple[str, datetime]:
        """A store without that call may tell the lock with the object, where the archive looks first."""
        told = self.client.head_object(**self.which)
        if "ObjectLockMode" not in told:
            raise error
        return str(told["ObjectLockMode"]), told.get("ObjectLockRetainUntilDate", NEVER).astimezone(UTC)

    def lost(self) -> str | None:
        """What is wrong with the version; None where bytes and lock are as they were."""
        with translated():
            try:
                with self.client.get_object(**self.which)["Body"] as stream:
                    data = stream.read(len(self.body) + 1)
            except ClientError as error:
                if status_of(error) >= 500:
                    raise
                return "the version is gone"
        if data != self.body:
            return "the version has other bytes"
        if self.until is None:
            return None
        mode, until = self.retention()
        if mode != COMPLIANCE:
            return f"the lock is gone (mode: {mode})"
        return None if until == self.until else f"the lock ends at {until:%Y-%m-%dT%H:%M:%SZ}"


def accepted(call: Callable[[], object]) -> bool:
    """Whether the store takes a call. Raises the archive's errors where it gives no answer to that."""
    with translated():
        try:
            call()
        except ClientError as error:
            if status_of(error) >= 500 or status_of(error) == 429 or code_of(error) == "SlowDown":
                raise
            return False
    return True


def write_probe(client: Any, bucket: str, key: str, body: bytes, until: datetime | None, **options: Any) -> Probe:
    """Puts a probe as the archive puts objects. Raises the archive's errors of a store."""
    lock = {} if until is None else {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": until}
    with translated():
        answer = client.put_object(Bucket=bucket, Key=key, Body=body, ContentMD5=content_md5(body), **lock, **options)
    return Probe(client, bucket, key, str(answer.get("VersionId", "null")), body, until)
