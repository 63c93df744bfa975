"""The spool's disk is full: the Producer is told so, nothing is left, and everything goes on when there is room."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from tests.crash.promises import settle
from tests.simulator.archive import ACCOUNT, METADATA, SimulatedArchive, make_archive
from zdda.api.rest.application import create_application
from zdda.api.rest.deposits import DepositLimits
from zdda.catalog.tables import deposits
from zdda.identity.accounts import Accounts, Role
from zdda.ingest.validations import ValidationDesk
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.deposit import DepositState
from zdda.validation.forms import written

MIB = 1024 * 1024
PASSWORD = "correct horse battery"
Post = Callable[..., httpx.Response]


class Ready:
    """See ``Health``: everything is well."""

    def ready(self) -> dict[str, str | None]:
        return {}

    def sites(self) -> dict[str, bool]:
        return {}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SimulatedArchive]:
    """An archive whose spool is a file system of 2 MiB."""
    spool = tmp_path / "spool"
    spool.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(spool)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        made = make_archive(tmp_path)
        yield made
        made.close()
    finally:
        subprocess.run(["umount", str(spool)], check=True)


@pytest.fixture
def post(archive: SimulatedArchive) -> Post:
    parts = archive.archive
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(parts.database, SystemClock(), system_entropy, cheap)
    accounts.create(ACCOUNT, PASSWORD, [Role.PRODUCER])
    limits = DepositLimits(64 * MIB, 10, 4, 0)
    application = create_application(
        parts.intake, parts.packages, ValidationDesk(parts.workshop, written), Ready(), accounts, limits
    )

    async def send(*contents: bytes) -> httpx.Response:
        documents = [
            ("document" if not number else "attachment", (f"{number}.pdf", content, "application/pdf"))
            for number, content in enumerate(contents)
        ]
        files = [("metadata", (None, json.dumps(METADATA).encode(), "application/json")), *documents]
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://archive") as client:
            return await client.post("/v1/deposits", files=files, auth=(ACCOUNT, PASSWORD))

    return lambda *contents: anyio.run(send, *contents)


def count(archive: SimulatedArchive) -> int:
    with archive.archive.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(deposits)).scalar_one())


@pytest.mark.parametrize("contents", [(5 * MIB,), (MIB, 3 * MIB), (MIB, MIB, MIB)])
def test_a_deposit_without_room_is_told_507_and_leaves_nothing(
    contents: tuple[int, ...], archive: SimulatedArchive, post: Post
) -> None:
    answer = post(*(os.urandom(length) for length in contents))
    assert answer.status_code == 507
    assert answer.json()["type"] == "urn:zdda:problem:spool-full"
    assert int(answer.headers["retry-after"]) > 0
    assert archive.archive.vault.spool.names() == []
    assert count(archive) == 0
    assert post(b"there is room for this").status_code == 202
    settle(archive)
    with archive.archive.database.read() as tx:
        assert tx.execute(select(deposits.c.state)).scalars().all() == [DepositState.ARCHIVED]


def test_an_accepted_deposit_waits_for_room_and_loses_nothing(archive: SimulatedArchive) -> None:
    """There is room for the documents, and none for the sealed container beside them."""
    content = os.urandom(MIB + MIB // 4)
    status = archive.deposit([content])
    before = archive.archive.vault.spool.names()
    for _ in range(2):
        settle(archive)
        waiting = archive.status(status)
        assert waiting.state is DepositState.VALIDATED
        assert waiting.deferral is not None
        assert waiting.deferral.reason == "spool-full"
        assert archive.archive.vault.spool.names() == before
    subprocess.run(["mount", "-o", "remount,size=8m", str(archive.folder / "spool")], check=True)
    settle(archive)
    assert archive.status(status).state is DepositState.ARCHIVED
    with archive.archive.packages.document(status.package_id, 1, ACCOUNT).chunks as chunks:
        assert b"".join(chunks) == content
    assert archive.archive.vault.spool.names() == []
