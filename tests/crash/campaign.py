"""Kills a serving archive with SIGKILL, again and again, while Producers deposit; then compares their journals with it.

    python -m tests.crash.campaign --kills 500 --journal FOLDER

The folder holds the archive, the Producers' journals and how far the campaign has come: the same command goes on
where it was stopped. It stops by itself after an hour. The timestamp authority lives here and survives.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import socket
import sqlite3
import ssl
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.crash.nursery import Nursery
from tests.crash.outcome import check_outcome
from tests.crash.producer import Producer
from zdda.app import initialise, open_accounts
from zdda.cli.running_demonstration import _SETTINGS
from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.server import LoopbackServer, application
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.identity.accounts import Role
from zdda.model.clock import SystemClock, system_entropy
from zdda.settings import load

CLIENTS = 8
STATES = ("received", "validated", "sealed", "stored")
LONGEST = 3600.0
PASSWORD = "campaign-password"
SITES = (("main", "store"), ("second", "store-2"))
_SITE = '\n[[sites]]\nname = "{0}"\ndirectory = "{1}"\nrecords = {{ kind = "folder", directory = "{1}-records" }}\n'


@dataclass
class Progress:
    """How far a campaign has come."""

    authority_port: int
    port: int
    kills: int = 0
    hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))


class Campaign:
    """One folder's campaign."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder, self._archive = folder, folder / "archive"
        self._random = random.Random(seed)
        self._file = folder / "progress.json"
        self.progress = self._load()
        self._loopback = LoopbackServer(self.progress.authority_port)
        clock = SystemClock()
        self.authority = DemonstrationAuthority(
            clock, system_entropy, self._loopback.base_url, self._archive / "authority"
        )
        timestamps = DemonstrationTimestamps(self.authority.timestamping, clock, system_entropy)
        self._loopback.start(application(self.authority, timestamps))
        if not (self._archive / "zdda.toml").exists():
            self._make_archive()
        self._nursery = Nursery(self._archive, folder / "server.log")
        self._server: int | None = None
        self.asked_again = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.progress.port}"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.root_certificate())

    def run(self, kills: int) -> None:
        """Kills until ``kills`` have been made in all, under load; then lets everything end. Half-way a second site
        comes in: what the first one holds is replicated there under the other kills."""
        deadline = time.monotonic() + LONGEST
        self._begin_second_half(kills)
        self._start()
        stop = threading.Event()
        journals = [self.folder / f"producer-{number}.jsonl" for number in range(CLIENTS)]
        producers = [Producer(self.url, self.context(), PASSWORD, journal, stop) for journal in journals]
        threads = [threading.Thread(target=producer.run) for producer in producers]
        for thread in threads:
            thread.start()
        try:
            while self.progress.kills < kills and time.monotonic() < deadline:
                self._wait_for_a_moment()
                self._kill()
                self._begin_second_half(kills)
                self._start()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self._settle()
        self.asked_again = sum(producer.ask_again() for producer in producers)
        for producer in producers:
            producer.close()
        self.stop()

    def stop(self) -> None:
        """Ends the server as an operator does."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        self._end(signal.SIGKILL)
        self._nursery.close()
        self._loopback.stop()

    def check(self) -> Counter[str]:
        """Every journal against the archive; raises ``AssertionError``, returns what was counted."""
        counted = check_outcome(self._archive, sorted(self.folder.glob("producer-*.jsonl")), self.authority)
        return counted + Counter(asked_again=self.asked_again)

    def _begin_second_half(self, kills: int) -> None:
        file = self._archive / "zdda.toml"
        text = file.read_text("utf-8")
        if self.progress.kills * 2 >= kills and "[[sites]]" not in text:
            partial = file.with_suffix(".new")
            text = re.sub(r"^\[store\]\n(?:[^\[\n].*\n)*", "", text, flags=re.MULTILINE)
            partial.write_text(text + "".join(_SITE.format(*each) for each in SITES), "utf-8")
            partial.rename(file)
        if "[[sites]]" in file.read_text("utf-8"):
            initialise(load(file), self._archive)  # as an operator does who names a new site; safe to repeat

    def _wait_for_a_moment(self) -> None:
        """Until some deposit is in the state that was hit least (five seconds at most), then a random instant."""
        wanted = min(STATES, key=lambda state: self.progress.hits[state])
        for _ in range(1000):
            if wanted in self._states():
                break
            time.sleep(0.005)
        time.sleep(self._random.uniform(0.0, 0.05))  # the moment of a kill is what is random here

    def _kill(self) -> None:
        self._end(signal.SIGKILL)
        for state in self._states():
            self.progress.hits[state] += 1
        self.progress.kills += 1
        self._save()

    def _end(self, how: signal.Signals) -> None:
        if self._server is not None:
            os.killpg(self._server, how)
            self._nursery.ended()
            self._server = None

    def _states(self) -> set[str]:
        with sqlite3.connect(f"file:{self._archive / 'catalog.db'}?mode=ro", uri=True, timeout=10) as database:
            rows = database.execute("SELECT DISTINCT state FROM deposits WHERE state NOT IN ('archived', 'rejected')")
            return {row[0] for row in rows}

    def _start(self) -> None:
        self._server = self._nursery.start()
        with httpx.Client(verify=self.context(), timeout=10, trust_env=False) as client:
            for _ in range(600):
                try:
                    if client.get(f"{self.url}/v1/health/live").status_code == 200:
                        return
                except httpx.HTTPError:
                    time.sleep(0.05)
        raise TimeoutError("the archive does not come up")

    def _settle(self) -> None:
        for _ in range(3000):
            if not self._states() and not self._missing():
                return
            time.sleep(0.1)
        raise TimeoutError(f"deposits do not end: {self._states()}, {self._missing()} copies are missing")

    def _missing(self) -> int:
        with sqlite3.connect(f"file:{self._archive / 'catalog.db'}?mode=ro", uri=True, timeout=10) as database:
            (count,) = database.execute("SELECT count(*) FROM object_copies WHERE state <> 'present'").fetchone()
            return int(count)

    def _load(self) -> Progress:
        if self._file.exists():
            return Progress(**json.loads(self._file.read_text()))
        self.folder.mkdir(parents=True, exist_ok=True)
        return Progress(_free_port(), _free_port())

    def _save(self) -> None:
        partial = self._file.with_suffix(".new")
        partial.write_text(json.dumps(asdict(self.progress)))
        partial.rename(self._file)

    def _make_archive(self) -> None:
        trust, keys = self._archive / "trust", self._archive / "keys"
        for made in (trust, keys):
            made.mkdir(parents=True, exist_ok=True)
        (trust / "demonstration-root.cer").write_bytes(self.authority.root_certificate())
        for name, credential in (("seal", self.authority.issue_seal()), ("tls", self.authority.issue_tls_server())):
            (keys / f"{name}.key").write_bytes(credential.key_pem())
            (keys / f"{name}.pem").write_bytes(credential.chain_pem())
        text = _SETTINGS.format(port=self.progress.port, authority=self._loopback.base_url)
        (self._archive / "zdda.toml").write_text(text, encoding="utf-8")
        settings = load(self._archive / "zdda.toml")
        initialise(settings, self._archive)
        with open_accounts(settings, self._archive) as accounts:
            accounts.create("kis", PASSWORD, [Role.PRODUCER])
        self._save()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(arguments: list[str] | None = None) -> int:
    """The campaign's command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--journal", type=Path, required=True)
    given = parser.parse_args(arguments)
    campaign = Campaign(given.journal)
    try:
        campaign.run(given.kills)
        counted: dict[str, Any] = dict(campaign.check())
    finally:
        campaign.stop()
        campaign.close()
    progress = campaign.progress
    print(f"kills {progress.kills}, deposits hit by state {progress.hits}, {counted}")
    enough = progress.kills >= given.kills and (given.kills < 500 or min(progress.hits.values()) >= 10)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
