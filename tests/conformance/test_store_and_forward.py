"""A store that is away, lies or fails while deposits come in: they wait in the spool and say why, nobody gets a
receipt, and when it is back everything goes out in order, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.s3 import fresh_bucket
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.faulty_store import Answer, FaultyStore, Forward, Request, Rule, honest, refusal
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus
from zdda.storage.canary import Canary


class Scene:
    """An archive, and a proxy before its store."""

    def __init__(self, archive: SimulatedArchive, proxy: FaultyStore) -> None:
        self.archive, self.proxy = archive, proxy

    def when(self, rule: Rule) -> None:
        self.proxy.rule = rule
        self.proxy.seen.clear()

    def settle(self, deposits: list[DepositStatus], seconds: float = 20.0) -> None:
        """Works until all are archived."""
        until = time.monotonic() + seconds
        while not all(self.status(each).state is DepositState.ARCHIVED for each in deposits):
            assert time.monotonic() < until, [self.status(each) for each in deposits]
            self.archive.settle()
            time.sleep(0.05)

    def status(self, deposit: DepositStatus) -> DepositStatus:
        return self.archive.status(deposit)

    def read(self, deposit: DepositStatus) -> bytes:
        package = self.status(deposit).package_id
        assert package is not None
        with self.archive.archive.packages.document(package, 1, "somebody").chunks as chunks:
            return b"".join(chunks)


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The parameter, if there is one, is how many seconds an answer may stand still."""
    address = fresh_bucket("versitygw")
    with FaultyStore(address.endpoint) as proxy:
        monkeypatch.setattr(Canary, "_hold_outlasts", lambda _self: None)
        values = {
            "KIND": "s3",
            "S3__ENDPOINT": proxy.endpoint,
            "S3__BUCKET": address.bucket,
            "S3__ACCESS_KEY": address.access_key,
            "S3__SECRET_KEY": address.secret_key,
            "S3__READ_SECONDS": getattr(request, "param", "0.5"),
            "S3__ATTEMPTS": "2",
        }
        for name, value in values.items():
            monkeypatch.setenv(f"ZDDA_STORE__{name}", value)
        archive = make_archive(tmp_path / "archive")
        made = Scene(archive, proxy)
        yield made
        made.archive.close()


def on_write(change: Callable[[Request, Forward], Answer]) -> Rule:
    return lambda request, forward: change(request, forward) if request.writes_object else forward(request)


FAULTS: dict[str, tuple[str, Rule]] = {
    "refuses": ("store-refuses", lambda _request, _forward: refusal(403, "AccessDenied")),
    "expired credentials": ("store-refuses", lambda _request, _forward: refusal(400, "ExpiredToken")),
    "clocks a day apart": ("store-refuses", lambda _request, _forward: refusal(403, "RequestTimeTooSkewed")),
    "throttles": ("store-busy", lambda _request, _forward: refusal(503, "SlowDown")),
    "full": ("store-full", lambda _request, _forward: refusal(507, "InsufficientStorage")),
    "silent": ("store-unreachable", lambda _request, _forward: Answer(stall=0.7)),
    "wrong ETag": ("write-not-kept", on_write(lambda request, forward: forward(request).with_headers(etag='"0"'))),
    "loses what it acknowledged": (
        "write-not-kept",
        lambda request, forward: (
            refusal(404, "NoSuchKey") if request.method == "HEAD" and request.key else forward(request)
        ),
    ),
}


@pytest.mark.parametrize(
    ("name", "scene"), [(each, "0.5" if each == "silent" else "10") for each in FAULTS], indirect=["scene"]
)
def test_a_deposit_waits_out_the_fault_and_says_why(name: str, scene: Scene) -> None:
    reason, rule = FAULTS[name]
    scene.when(rule)
    first, second = scene.archive.deposit([b"the first"]), scene.archive.deposit([b"the second"])
    scene.archive.settle()
    for each in (first, second):
        status = scene.status(each)
        if name == "wrong ETag" and status.state is DepositState.STORED:
            continue  # the bytes arrived: a second try, if its time has come by now, finds them whole
        assert status.state is DepositState.SEALED
        assert status.receipt is None
        assert status.deferral is not None
        assert status.deferral.reason == reason
    scene.when(honest)
    scene.settle([first, second])
    assert scene.read(first) == b"the first"
    assert scene.read(second) == b"the second"
    assert len(list(scene.archive.archive.vault.blobs.addresses())) == len(
        {record.address for record in scene.archive.archive.vault.store.records()}
    )


def test_an_object_that_arrived_without_an_answer_is_stored_once(scene: Scene) -> None:
    scene.when(on_write(lambda request, forward: replace(forward(request), stall=0.7)))
    deposit = scene.archive.deposit([b"arrived"])
    scene.settle([deposit])
    assert scene.read(deposit) == b"arrived"
    assert len(list(scene.archive.archive.vault.blobs.addresses())) == len(
        {record.address for record in scene.archive.archive.vault.store.records()}
    )


def test_what_waits_goes_out_in_order_once_and_asks_the_store_little_meanwhile(scene: Scene) -> None:
    scene.when(lambda _request, _forward: refusal(503, "SlowDown"))
    deposits = [scene.archive.deposit([b"number %d" % number]) for number in range(12)]
    until = time.monotonic() + 4
    while time.monotonic() < until:
        scene.archive.settle()
        time.sleep(0.02)
    assert len(scene.proxy.seen) <= 2 * 2 * 4  # attempts, calls of a put, tries after 0, 1 and 3 seconds and a spare
    assert all(scene.status(each).state is DepositState.SEALED for each in deposits)
    scene.when(honest)
    scene.settle(deposits)
    stored = [dict(scene.status(each).history)["stored"] for each in deposits]
    assert stored == sorted(stored)
    written = Counter(request.key for request in scene.proxy.seen if request.writes_object)
    assert set(written.values()) == {1}


def test_validation_and_sealing_go_on_while_the_store_is_away(scene: Scene) -> None:
    scene.when(lambda _request, _forward: refusal(503, "SlowDown"))
    scene.archive.deposit([b"before"])
    scene.archive.settle()
    scene.proxy.seen.clear()
    begun = time.monotonic()
    later = scene.archive.deposit([b"meanwhile"])
    scene.archive.settle()
    if time.monotonic() - begun < 0.5:
        assert scene.proxy.seen == []
    status = scene.status(later)
    assert status.state is DepositState.SEALED
    assert status.deferral is not None
    assert scene.archive.archive.intake.wait(later.deposit_id, 30).receipt is None


def test_after_a_restart_what_waited_goes_out(scene: Scene) -> None:
    scene.when(on_write(lambda _request, _forward: refusal(503, "SlowDown")))
    deposits = [scene.archive.deposit([b"number %d" % number]) for number in range(3)]
    scene.archive.settle()
    folder = scene.archive.folder
    scene.archive.close()
    scene.archive = make_archive(folder)
    scene.when(honest)
    scene.settle(deposits)
    assert [scene.read(each) for each in deposits] == [b"number %d" % number for number in range(3)]
