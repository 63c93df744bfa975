"""The versions of one object in a bucket: which is ours, how long it is locked, and that the store says so itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from zdda.model.identifiers import ContentAddress
from zdda.storage.s3_bucket import server_time
from zdda.storage.s3_errors import WriteNotKept, code_of, status_of, translated

PREFIX = "objects/"
DIGEST = "zdda-sha256"
"""Our own metadata: no store is asked for a checksum it may have accepted unverified."""
COMPLIANCE = "COMPLIANCE"
LATEST_LOCK = datetime(2106, 1, 1, tzinfo=UTC)
"""Ceph counts a retention in 32 bits of seconds: from 2106-02-07 on it wraps to 1970, and the object is free."""
NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Version:
    """What the store says of one version. ``until``: the end of a lock in compliance mode, else ``NEVER``."""

    id: str
    length: int
    digest: str
    etag: str
    until: datetime
    held: bool

    @classmethod
    def of(cls, answer: Mapping[str, Any], length: int) -> Version:
        locked = answer.get("ObjectLockMode") == COMPLIANCE
        return cls(
            id=answer.get("VersionId", ""),
            length=length,
            digest=answer.get("Metadata", {}).get(DIGEST, ""),
            etag=answer.get("ETag", "").strip('"'),
            until=answer.get("ObjectLockRetainUntilDate", NEVER).astimezone(UTC) if locked else NEVER,
            held=answer.get("ObjectLockLegalHoldStatus") == "ON",
        )


def key_of(address: ContentAddress) -> str:
    """Where an object lies."""
    return PREFIX + address.digest.hex()


def address_of(key: str) -> ContentAddress | None:
    """Whose place a key is; None for what is no object of ours."""
    try:
        address = ContentAddress.parse(f"sha256:{key.removeprefix(PREFIX)}")
    except ValueError:
        return None
    return address if key == key_of(address) else None


class Versions:
    """The versions below one bucket's ``objects/``. Whatever is put on top of ours, a deletion marker too, hides
    nothing: ours is then looked for beneath. Raises the archive's errors of a store."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def visible(self, address: ContentAddress) -> Version | None:
        """The current version where it is ours: one request."""
        return self.head(address, None)

    def ours(self, address: ContentAddress) -> Version | None:
        """Ours, be it current or beneath; of several, the one locked longest."""
        return self.visible(address) or self.beneath(address)

    def beneath(self, address: ContentAddress) -> Version | None:
        """See ``ours``; asks for every version."""
        found: list[Version] = []
        for key, version in self.listed(key_of(address)):
            if key == key_of(address):
                one = self.head(address, version)
                found += [one] if one else []
        return max(found, key=lambda each: each.until, default=None)

    def head(self, address: ContentAddress, version: str | None) -> Version | None:
        """One version, or the current one; None where it is not there or not ours."""
        which = {"Bucket": self._bucket, "Key": key_of(address)} | ({"VersionId": version} if version else {})
        with translated():
            try:
                answer = self._client.head_object(**which)
            except ClientError as error:
                if status_of(error) in (404, 405):  # 405: the version asked for is a deletion marker
                    return None
                raise
        one = Version.of(answer, int(answer["ContentLength"]))
        if one.digest != address.digest.hex():
            return None
        return one if version is None or "ObjectLockMode" in answer else self._asked(which, one)

    def _asked(self, which: Mapping[str, str], version: Version) -> Version:
        """versitygw leaves lock and hold out of its answer on a version that is not the current one."""
        with translated():
            retention = self._if_any(self._client.get_object_retention, which).get("Retention", {})
            hold = self._if_any(self._client.get_object_legal_hold, which).get("LegalHold", {})
        locked = retention.get("Mode") == COMPLIANCE
        until = retention.get("RetainUntilDate", NEVER).astimezone(UTC) if locked else NEVER
        return replace(version, until=until, held=hold.get("Status") == "ON")

    @staticmethod
    def _if_any(ask: Callable[..., dict[str, Any]], which: Mapping[str, str]) -> dict[str, Any]:
        try:
            return ask(**which)
        except ClientError as error:
            if code_of(error) in ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"):
                return {}
            raise

    def listed(self, prefix: str) -> Iterator[tuple[str, str]]:
        """(key, version) below a prefix in the order of keys, deletion markers left out."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        with translated():
            for page in pages:
                for each in page.get("Versions", []):
                    yield each["Key"], each["VersionId"]

    def all_of(self, address: ContentAddress) -> tuple[list[str], list[str], datetime | None]:
        """(versions, deletion markers, the store's time) under the object's key, whosever they are."""
        key, versions, markers, now = key_of(address), list[str](), list[str](), None
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
        with translated():
            for page in pages:
                now = server_time(page)
                versions += [each["VersionId"] for each in page.get("Versions", []) if each["Key"] == key]
                markers += [each["VersionId"] for each in page.get("DeleteMarkers", []) if each["Key"] == key]
        return versions, markers, now

    def locked(self, address: ContentAddress, version: str) -> tuple[datetime, bool]:
        """(end of the lock in whatever mode, legal hold) of one version, whosever it is."""
        which = {"Bucket": self._bucket, "Key": key_of(address), "VersionId": version}
        with translated():
            retention = self._if_any(self._client.get_object_retention, which).get("Retention", {})
            hold = self._if_any(self._client.get_object_legal_hold, which).get("LegalHold", {})
        return retention.get("RetainUntilDate", NEVER).astimezone(UTC), hold.get("Status") == "ON"

    def lock(self, address: ContentAddress, version: Version, until: datetime) -> Version:
        """Locks a version until then at least; raises ``WriteNotKept`` where the store does not say so afterwards."""
        if version.until >= until:
            return version
        retention = {"Mode": COMPLIANCE, "RetainUntilDate": until}
        which = {"Bucket": self._bucket, "Key": key_of(address), "VersionId": version.id}
        with translated():
            self._client.put_object_retention(**which, Retention=retention)
        after = self.head(address, version.id)
        if after is None or after.until != until:
            raise WriteNotKept("the store does not keep the lock that it was given")
        return after

    def hold(self, address: ContentAddress, version: Version, *, held: bool) -> None:
        """Sets or lifts the legal hold; raises ``WriteNotKept`` where the store does not say so afterwards."""
        which = {"Bucket": self._bucket, "Key": key_of(address), "VersionId": version.id}
        with translated():
            self._client.put_object_legal_hold(**which, LegalHold={"Status": "ON" if held else "OFF"})
        after = self.head(address, version.id)
        if after is None or after.held != held:
            raise WriteNotKept("the store does not keep the legal hold that it was given")
