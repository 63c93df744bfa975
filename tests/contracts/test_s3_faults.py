"""What the archive makes of an S3 store that refuses, fails, lies or is not set up: real ones, and a proxy in front."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.test_blob_store import DATA, UNTIL, address_of, put
from tests.services.ceph import administer
from tests.services.s3 import S3_STORES, address_in, fresh_bucket, service_or_skip
from tests.services.shared_service import free_port
from tests.simulator.faulty_store import Answer, FaultyStore, Forward, Request, Rule, honest, refusal
from tests.simulator.tls import self_signed
from zdda.storage.blob_store import BlobDamaged, StoreNotGuaranteed, WrongStore
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.s3_bucket import check_bucket, claim_bucket, make_bucket
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_errors import (
    StoreBusy,
    StoreFull,
    StoreRefuses,
    StoreUnreachable,
    WriteNotKept,
)


class Behind:
    """A store behind a proxy; ``rule`` applies from when it is set."""

    def __init__(self, proxy: FaultyStore, store: S3Blobs) -> None:
        self.proxy, self.store = proxy, store

    def when(self, rule: Rule) -> None:
        self.proxy.rule = rule
        self.proxy.seen.clear()


@contextmanager
def behind(name: str = "ceph") -> Iterator[Behind]:
    address = fresh_bucket(name)
    with FaultyStore(address.endpoint) as proxy:
        hurried = replace(address, endpoint=proxy.endpoint, read_seconds=1.0, attempts=2)
        with closing(S3Blobs(hurried)) as store:
            yield Behind(proxy, store)


@pytest.fixture
def faulty() -> Iterator[Behind]:
    with behind() as made:
        yield made


def always(answer: Answer) -> Rule:
    return lambda _request, _forward: answer


def on_write(change: Callable[[Request, Forward], Answer]) -> Rule:
    return lambda request, forward: change(request, forward) if request.writes_object else forward(request)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", StoreRefuses),
        (400, "ExpiredToken", StoreRefuses),
        (403, "RequestTimeTooSkewed", StoreRefuses),
        (507, "InsufficientStorage", StoreFull),
        (503, "SlowDown", StoreBusy),
        (500, "InternalError", StoreBusy),
        (400, "BadDigest", WriteNotKept),
        (418, "Teapot", StoreRefuses),
    ],
)
def test_a_refusal_has_a_meaning_and_stores_nothing(
    status: int, code: str, expected: type[Exception], faulty: Behind
) -> None:
    faulty.when(on_write(lambda _request, _forward: refusal(status, code)))
    with pytest.raises(expected):
        put(faulty.store)
    faulty.when(honest)
    assert list(faulty.store.addresses()) == []
    put(faulty.store)


def test_throttling_is_waited_out_and_not_for_ever(faulty: Behind) -> None:
    faulty.when(always(refusal(503, "SlowDown")))
    with pytest.raises(StoreBusy):
        faulty.store.stat(address_of(DATA))
    assert len(faulty.proxy.seen) == 2
    left = [refusal(503, "SlowDown")]
    faulty.when(on_write(lambda request, forward: left.pop() if left else forward(request)))
    assert faulty.store.stat(put(faulty.store)).retain_until == UNTIL
    assert not left


@pytest.mark.parametrize("reached", [False, True], ids=["before the store", "after the store"])
def test_silence_is_unreachable_and_a_repeated_put_completes(reached: bool, faulty: Behind) -> None:
    def silent(request: Request, forward: Forward) -> Answer:
        return replace(forward(request) if reached else Answer(), stall=1.5)

    faulty.when(on_write(silent))
    with pytest.raises(StoreUnreachable):
        put(faulty.store)
    faulty.when(honest)
    assert faulty.store.stat(put(faulty.store)).retain_until == UNTIL
    assert list(faulty.store.addresses()) == [address_of(DATA)]


def test_nobody_there_is_unreachable() -> None:
    address = S3Address(f"http://127.0.0.1:{free_port()}", "bucket", "key", "secret", connect_seconds=0.5, attempts=1)
    with pytest.raises(StoreUnreachable):
        S3Blobs(address)


def test_a_host_that_never_takes_the_connection_is_unreachable() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # they fill the queue: who comes now hears nothing
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        port, begun = listening.getsockname()[1], time.monotonic()
        address = S3Address(f"http://127.0.0.1:{port}", "bucket", "key", "secret", connect_seconds=0.5, attempts=1)
        with pytest.raises(StoreUnreachable):
            S3Blobs(address)
        assert time.monotonic() - begun < 5
        for each in waiting:
            each.close()


def test_silence_in_the_middle_of_an_answer_is_unreachable(faulty: Behind) -> None:
    address = put(faulty.store)
    faulty.when(lambda request, forward: replace(forward(request), cut=100, hang=1.5))
    with pytest.raises(StoreUnreachable):
        faulty.store.open(address)
    faulty.when(honest)
    with faulty.store.open(address) as stream:
        assert stream.read() == DATA


def test_an_answer_that_breaks_off_is_asked_for_again_and_never_given_in_part(faulty: Behind) -> None:
    address, left = put(faulty.store), [1]

    def cut(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return replace(answer, cut=100) if request.method == "GET" and (left.pop() if left else 0) else answer

    faulty.when(cut)
    with faulty.store.open(address) as stream:
        assert stream.read() == DATA
    assert not left
    faulty.when(lambda request, forward: replace(forward(request), cut=100))
    with pytest.raises(StoreUnreachable):
        faulty.store.open(address)


def test_a_store_that_answers_whole_for_a_range_is_found_out(faulty: Behind) -> None:
    large = bytes(range(256)) * 12_000
    address = put(faulty.store, large)

    def whole(request: Request, forward: Forward) -> Answer:
        return replace(forward(request).with_headers(content_range=""), status=200, body=large)

    faulty.when(whole)
    with faulty.store.open(address) as stream:
        assert stream.read(1000) == large[:1000]
        stream.seek(2_500_000)
        with pytest.raises(StoreUnreachable):
            stream.read(1)


def _without(headers: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in {each.lower() for each in names}}


def test_a_wrong_etag_is_a_write_that_was_not_kept(faulty: Behind) -> None:
    faulty.when(on_write(lambda request, forward: forward(request).with_headers(etag='"0"')))
    with pytest.raises(WriteNotKept):
        put(faulty.store)


def test_an_object_that_is_lost_after_the_answer_was_not_written(faulty: Behind) -> None:
    given = Answer(200, {"etag": f'"{_md5(DATA)}"', "x-amz-version-id": "1"})
    faulty.when(on_write(lambda _request, _forward: given))
    with pytest.raises(WriteNotKept):
        put(faulty.store)
    faulty.when(honest)
    put(faulty.store)


def _md5(data: bytes) -> str:
    import hashlib

    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("told", [{"etag": '"0"'}, {"content_length": "7"}, {"x_amz_meta_zdda_sha256": "0"}])
def test_what_is_read_back_after_a_write_is_compared(told: dict[str, str], faulty: Behind) -> None:
    def other(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return answer.with_headers(**told) if request.method == "HEAD" and answer.status == 200 else answer

    faulty.when(other)
    with pytest.raises(WriteNotKept):
        put(faulty.store)


def test_other_bytes_under_the_address_are_damage_and_stay(faulty: Behind) -> None:
    address = put(faulty.store)

    def old(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return replace(answer, body=b"o" * len(answer.body)) if request.method == "GET" and request.key else answer

    faulty.when(old)
    with pytest.raises(BlobDamaged):
        put(faulty.store)
    faulty.when(honest)
    assert list(faulty.store.addresses()) == [address]


def test_a_lock_that_the_store_never_keeps_is_a_write_that_was_not_kept(faulty: Behind) -> None:
    def unlocked(request: Request, forward: Forward) -> Answer:
        if request.asks("GET", "retention"):
            return refusal(404, "NoSuchObjectLockConfiguration")
        answer = forward(request)
        return replace(answer, headers=_without(answer.headers, "x-amz-object-lock-mode"))

    faulty.when(unlocked)
    with pytest.raises(WriteNotKept):
        put(faulty.store)


def test_a_legal_hold_that_the_store_ignores_is_said(faulty: Behind) -> None:
    address = put(faulty.store)
    faulty.when(lambda request, forward: Answer() if request.asks("PUT", "legal-hold") else forward(request))
    with pytest.raises(WriteNotKept):
        faulty.store.hold(address, held=True)


def test_a_bucket_that_is_gone_is_no_object_that_is_gone(faulty: Behind) -> None:
    faulty.when(always(refusal(404, "NoSuchBucket")))
    for ask in (faulty.store.open, faulty.store.stat):
        with pytest.raises(StoreRefuses):
            ask(address_of(DATA))


def test_a_certificate_that_is_not_trusted_is_no_store(tmp_path: Path) -> None:
    address, certificate = fresh_bucket("ceph"), self_signed(tmp_path)
    with FaultyStore(address.endpoint, certificate=certificate) as proxy:
        https = replace(address, endpoint=proxy.endpoint, attempts=1)
        with pytest.raises(StoreUnreachable, match="certificate"):
            S3Blobs(https)
        with closing(S3Blobs(replace(https, certificate_authorities=certificate[0]))) as store:
            put(store)


@pytest.mark.parametrize("name", S3_STORES)
def test_credentials_that_the_store_does_not_know_are_refused(name: str) -> None:
    with pytest.raises(StoreRefuses, match="credentials"):
        S3Blobs(replace(address_in(name), access_key="nobody"))


def test_credentials_withdrawn_while_the_archive_runs_are_refused() -> None:
    configuration, made = service_or_skip("ceph")["configuration"], fresh_bucket("ceph")
    user = ("--uid=archive", "--access-key=PASSING", "--secret-key=passing")
    administer(configuration, "key", "create", *user, "--key-type=s3")
    with closing(S3Blobs(replace(made, access_key="PASSING", secret_key="passing", attempts=1))) as store:
        put(store)
        administer(configuration, "key", "rm", *user[:2], "--key-type=s3")
        with pytest.raises(StoreRefuses):
            put(store, b"another")


def test_a_full_store_takes_no_more_and_gives_what_it_has() -> None:
    configuration, made = service_or_skip("ceph")["configuration"], address_in("ceph")
    said = administer(configuration, "user", "create", f"--uid={made.bucket}", "--display-name=full")
    keys = json.loads(said)["keys"][0]
    mine = replace(made, access_key=keys["access_key"], secret_key=keys["secret_key"], attempts=1)
    make_bucket(connect(mine), mine.bucket)
    with closing(S3Blobs(mine)) as store:
        address = put(store)
        quota = (f"--uid={made.bucket}", "--quota-scope=user")
        administer(configuration, "quota", "set", *quota, "--max-objects=1")
        administer(configuration, "quota", "enable", *quota)
        with pytest.raises(StoreFull):
            _until_refused(store)
        with store.open(address) as stream:
            assert stream.read() == DATA


def _until_refused(store: S3Blobs) -> None:
    """The gateway looks at the quota again after a while."""
    for number in range(60):
        put(store, b"%d" % number)
        time.sleep(0.5)


@pytest.mark.parametrize("name", S3_STORES)
def test_a_bucket_that_is_not_set_up_is_refused(name: str) -> None:
    address = address_in(name)
    client = connect(address)
    client.create_bucket(Bucket=address.bucket)
    with pytest.raises(StoreNotGuaranteed):
        S3Blobs(address)
    locked = address_in(name)
    client.create_bucket(Bucket=locked.bucket, ObjectLockEnabledForBucket=True)
    with pytest.raises(StoreNotGuaranteed, match="default retention"):
        S3Blobs(locked)
    with pytest.raises(StoreRefuses, match="bucket is not there"):
        S3Blobs(address_in(name))


def test_a_bucket_whose_objects_expire_is_refused() -> None:
    address = fresh_bucket("ceph")
    client = connect(address)
    rule = {
        "ID": "x",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    client.put_bucket_lifecycle_configuration(Bucket=address.bucket, LifecycleConfiguration={"Rules": [rule]})
    with pytest.raises(StoreNotGuaranteed, match="lifecycle"):
        check_bucket(client, address.bucket)
    rule["Status"] = "Disabled"
    client.put_bucket_lifecycle_configuration(Bucket=address.bucket, LifecycleConfiguration={"Rules": [rule]})
    check_bucket(client, address.bucket)


@pytest.mark.parametrize("name", S3_STORES)
def test_a_bucket_belongs_to_one_archive(name: str) -> None:
    address = fresh_bucket(name)
    client = connect(address)
    claim_bucket(client, address.bucket, "first", ["hospital"])
    claim_bucket(client, address.bucket, "first", ["hospital"])
    for archive, tenant in (("second", "hospital"), ("first", "clinic")):
        with pytest.raises(WrongStore):
            claim_bucket(client, address.bucket, archive, [tenant])
    client.put_object(Bucket=address.bucket, Key="zdda-store.json", Body=b"{}")
    claim_bucket(client, address.bucket, "first", ["hospital"])
