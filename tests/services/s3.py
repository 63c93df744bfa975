"""Real S3 stores for tests, and buckets that nobody else has."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

from tests.services.absence import absent
from tests.services.ceph import ceph
from tests.services.ceph_second import second_ceph
from tests.services.moto import moto
from tests.services.shared_service import ServiceAbsent
from tests.services.versitygw import versitygw
from zdda.storage.s3_bucket import make_bucket
from zdda.storage.s3_client import S3Address, connect

S3_STORES = ("ceph", "versitygw")


@cache
def service_or_skip(name: str) -> dict[str, str]:
    """What the server says of itself; skips the test where its programs are absent, which in CI is a failure."""
    try:
        return {"ceph": ceph, "second ceph": second_ceph, "versitygw": versitygw, "moto": moto}[name]()
    except ServiceAbsent as error:
        absent(str(error))


def address_in(name: str, bucket: str | None = None) -> S3Address:
    """A bucket of that server by name; of a new name where none is given. It is not made yet."""
    said = service_or_skip(name)
    return S3Address(
        endpoint=said["endpoint"],
        bucket=bucket or f"test-{uuid.uuid4().hex[:16]}",
        access_key=said["access_key"],
        secret_key=said["secret_key"],
        read_seconds=20.0,
    )


def fresh_bucket(name: str) -> S3Address:
    """A new bucket of that server as an archive wants it."""
    address = address_in(name)
    make_bucket(_client(name), address.bucket)
    return address


@cache
def _client(name: str) -> Any:
    return connect(address_in(name))
