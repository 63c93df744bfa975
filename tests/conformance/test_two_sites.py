"""``zdda.toml`` alone moves an archive to two Ceph clusters: one is killed in the middle, and nothing stops.

``SITES_TEST_DOCUMENTS``: how many documents (``make campaign-sites``: 1,000).
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.services.s3 import address_in, service_or_skip
from tests.services.shared_service import die_with_parent, free_port, listens
from tests.simulator.archive import SimulatedArchive, make_archive, prepare
from tests.simulator.pki import NOW, pki
from zdda.app import initialise
from zdda.app_stopped import open_to_doubt
from zdda.catalog.object_copies import SiteReport, site_report
from zdda.fsck.store_check import StoreCheck
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus
from zdda.settings import load
from zdda.storage.canary import Canary

DOCUMENTS = int(os.environ.get("SITES_TEST_DOCUMENTS", "60"))
_PATIENCE = 60.0 + DOCUMENTS
SITE = """
[[sites]]
name = "{name}"
kind = "s3"
s3.endpoint = "{endpoint}"
s3.bucket = "{bucket}"
s3.access_key = "{access_key}"
s3.secret_key = "{secret_key}"
s3.connect_seconds = 2
s3.attempts = 2
{records}
"""
RECORDS = '[sites.records]\nkind = "folder"\ndirectory = "records-{name}"\n'


class RunningClock:
    """Goes on from the moment of the simulated infrastructure."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def now(self) -> datetime:
        milliseconds = int((time.monotonic() - self._start) * 1000)
        return NOW.astimezone(UTC) + timedelta(milliseconds=milliseconds)


class Gateway:
    """A gateway of the second cluster that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        said = service_or_skip("second ceph")
        self.port, self._folder = free_port(), folder
        self._configuration = folder / "ceph.conf"
        text = Path(said["configuration"]).read_text("utf-8")
        text = re.sub(r"endpoint=127\.0\.0\.1:\d+", f"endpoint=127.0.0.1:{self.port}", text)
        own = "".join(f"{what} = {folder}/gateway.{end}\n" for what, end in
                      (("log file", "log"), ("pid file", "pid"), ("admin socket", "asok")))  # fmt: skip
        self._configuration.write_text(text + own, "utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = ["radosgw", "-c", str(self._configuration), "-n", "client.rgw", "-f"]
        with (self._folder / "gateway.out").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)
        until(lambda: listens(self.port), "the gateway answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    made = Gateway(folder)
    yield made
    made.kill()


def use_sites(folder: Path, port: int) -> None:
    """Nothing but ``zdda.toml`` changes."""
    prepare(folder)
    file = folder / "zdda.toml"
    text = file.read_text("utf-8").replace("[store]\nimmutable = false\n", "")
    text = text.replace('name = "medical-record"', 'name = "medical-record"\ncopies = "one"')
    for name, service in (("praha", "ceph"), ("brno", "second ceph")):
        address = address_in(service)
        text += SITE.format(
            name=name,
            endpoint=address.endpoint if name == "praha" else f"http://127.0.0.1:{port}",
            bucket=address.bucket,
            access_key=address.access_key,
            secret_key=address.secret_key,
            records=RECORDS.format(name=name),
        )
    file.write_text(text, "utf-8")
    initialise(load(file), folder)  # zdda init


def content(number: int) -> bytes:
    return b"%PDF-1.7 " + f"document {number} ".encode() * 500


class Deposited:
    """What was deposited, and what of it can be read."""

    def __init__(self, archive: SimulatedArchive) -> None:
        self.archive = archive
        self.all: list[DepositStatus] = []

    def add(self, count: int) -> None:
        for _ in range(count):
            self.all.append(self.archive.deposit([content(len(self.all))]))
            self.archive.archive.runner.wake()

    def settle(self) -> None:
        waiting = list(self.all)

        def done() -> bool:
            while waiting and self.archive.status(waiting[-1]).state is DepositState.ARCHIVED:
                waiting.pop()
            return not waiting

        until(done, "every deposit is archived")

    def read_all(self) -> None:
        for number, deposit in enumerate(self.all):
            with self.archive.archive.packages.document(deposit.package_id, 1, "somebody").chunks as chunks:
                assert b"".join(chunks) == content(number)

    def report(self, site: str) -> SiteReport:
        with self.archive.archive.database.read() as tx:
            return site_report(tx, site)

    @property
    def packages(self) -> set[UUID]:
        return {each.package_id for each in self.all}


def findings(folder: Path, site: str | None = None) -> list[dict[str, object]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder, site=site) as stores:
        return [line for line in StoreCheck(stores, pki().anchors, NOW).lines() if line["type"] == "finding"]


def test_a_site_is_killed_in_the_middle_and_nothing_stops(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Canary, "run", lambda _self: [])
    folder = tmp_path / "archive"
    use_sites(folder, gateway.port)
    archive = make_archive(folder, clock=RunningClock())
    deposited = Deposited(archive)
    archive.archive.runner.start()
    try:
        deposited.add(DOCUMENTS // 3)
        deposited.settle()
        deposited.add(DOCUMENTS // 6)  # on their way
        gateway.kill()
        deposited.add(DOCUMENTS - len(deposited.all))
        deposited.settle()
        assert deposited.report("brno").missing > 0
        assert deposited.report("praha").missing == 0
        assert archive.archive.vault.store.answering() == {"praha": True, "brno": False}
        deposited.read_all()

        gateway.start()
        until(lambda: deposited.report("brno").missing == 0, "the site is level again")
        here, there = deposited.report("praha"), deposited.report("brno")
        assert (there.objects, there.bytes, there.damaged) == (here.objects, here.bytes, 0)
        deposited.read_all()
    finally:
        archive.archive.runner.stop()
        archive.close()
    assert len(deposited.packages) == DOCUMENTS
    for site in ("praha", "brno", None):
        assert findings(folder, site) == []


def test_an_archive_starts_while_a_site_is_away(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Canary, "run", lambda _self: [])
    folder = tmp_path / "archive"
    use_sites(folder, gateway.port)
    archive = make_archive(folder, clock=RunningClock())
    deposited = Deposited(archive)
    deposited.add(1)
    archive.settle()
    archive.close()
    gateway.kill()
    archive = make_archive(folder, clock=RunningClock())
    deposited.archive = archive
    archive.archive.runner.start()
    try:
        deposited.read_all()
        deposited.add(2)
        deposited.settle()
        gateway.start()
        until(lambda: deposited.report("brno").missing == 0, "the site is level again")
    finally:
        archive.archive.runner.stop()
        archive.close()
    assert findings(folder) == []
