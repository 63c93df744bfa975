"""A bucket that can hold an archive: versioning, object lock, a default retention; whose it is; nothing unfinished."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from zdda.storage.blob_store import StoreNotGuaranteed, WrongStore
from zdda.storage.s3_client import content_md5
from zdda.storage.s3_errors import WriteNotKept, code_of, translated
from zdda.storage.store_marker import NAME, marker, problem_of

DEFAULT_DAYS = 1
"""Of a bucket we make: what protects an object between its last byte and its own retention."""
LONGEST_DEFAULT_DAYS = 24_855
"""Above it Ceph's 32-bit seconds wrap."""
_UNFINISHED = timedelta(days=1)
_NONE = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchLifecycleConfiguration", "NotImplemented"})


def make_bucket(client: Any, bucket: str) -> None:
    """Makes the bucket with versioning, object lock and a default retention; one that is there stays as it is."""
    with translated():
        try:
            client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        except ClientError as error:
            if code_of(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
            return
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": DEFAULT_DAYS}}
        client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )


def bucket_exists(client: Any, bucket: str) -> bool:
    """Raises what ``translated`` raises for any answer but yes and no."""
    with translated():
        try:
            client.get_bucket_versioning(Bucket=bucket)
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                return False
            raise
    return True


def check_bucket(client: Any, bucket: str) -> None:
    """Raises ``StoreNotGuaranteed`` for a bucket whose settings let objects go."""
    with translated():
        if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            raise StoreNotGuaranteed("the bucket keeps no versions")
        _check_lock(_asked(client.get_object_lock_configuration, bucket).get("ObjectLockConfiguration", {}))
        for rule in _asked(client.get_bucket_lifecycle_configuration, bucket).get("Rules", []):
            if rule.get("Status") == "Enabled" and {"Expiration", "NoncurrentVersionExpiration"} & rule.keys():
                raise StoreNotGuaranteed("a lifecycle rule of the bucket lets objects expire")


def _asked(ask: Any, bucket: str) -> dict[str, Any]:
    """What the bucket has of that kind; nothing where the store says there is none."""
    try:
        return dict(ask(Bucket=bucket))
    except ClientError as error:
        if code_of(error) in _NONE:
            return {}
        raise


def _check_lock(configuration: dict[str, Any]) -> None:
    if configuration.get("ObjectLockEnabled") != "Enabled":
        raise StoreNotGuaranteed("the bucket has no object lock")
    default = configuration.get("Rule", {}).get("DefaultRetention", {})
    days = default.get("Days", 0) + 365 * default.get("Years", 0)
    if default.get("Mode") != "COMPLIANCE" or not 1 <= days <= LONGEST_DEFAULT_DAYS:
        raise StoreNotGuaranteed(
            f"the bucket has no default retention in compliance mode of 1 to {LONGEST_DEFAULT_DAYS} days"
        )


def claim_bucket(client: Any, bucket: str, archive: str, tenants: Iterable[str]) -> None:
    """Marks a bucket as this archive's, or checks that it is; raises ``WrongStore``."""
    wanted = list(tenants)
    with translated():
        if read_marker(client, bucket) is None:
            body = marker(archive, wanted)
            client.put_object(
                Bucket=bucket, Key=NAME, Body=body, ContentMD5=content_md5(body), ContentType="application/json"
            )
        found = read_marker(client, bucket)
    if found is None:
        raise WriteNotKept("the store does not give back its marker")
    problem = problem_of(found, archive, wanted)
    if problem is not None:
        raise WrongStore(problem)


def read_marker(client: Any, bucket: str) -> bytes | None:
    """The *first* marker that was ever written there; None where there is none."""
    with translated():
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=NAME)
        versions = [each for page in pages for each in page.get("Versions", []) if each["Key"] == NAME]
        if not versions:
            return None
        oldest = min(reversed(versions), key=lambda each: each["LastModified"])  # the youngest is listed first
        answer = client.get_object(Bucket=bucket, Key=NAME, VersionId=oldest["VersionId"])
        with answer["Body"] as body:
            data: bytes = body.read(1024 * 1024)
    return data


def sweep_uploads(client: Any, bucket: str) -> int:
    """Ends multipart uploads that nobody finished within a day, by the store's own clock; how many."""
    ended = 0
    with translated():
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            now = server_time(page)
            for upload in page.get("Uploads", []):
                if now is not None and upload["Initiated"] < now - _UNFINISHED:
                    client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                    ended += 1
    return ended


def server_time(answer: dict[str, Any]) -> datetime | None:
    """The moment in the answer's ``Date``; None where it has none that can be read."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
