"""Disposal in a simulated archive, years later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.simulator.archive import SimulatedArchive
from tests.simulator.pki import new_pki
from zdda.catalog.tables import packages
from zdda.model.clock import Clock, FixedClock, system_entropy
from zdda.model.errors import Unavailable
from zdda.retention.disposal import DisposalDesk
from zdda.retention.eraser import Witness
from zdda.retention.places import CopyCache, Everywhere
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.filesystem_blobs import FilesystemBlobs

LATER = datetime(2032, 6, 1, 12, tzinfo=UTC)
"""When what was deposited in 2026 for five years may go."""


@dataclass
class Alarms:
    """What somebody has to look at."""

    heard: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, code: str, about: str) -> None:
        self.heard.append((code, about))

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.heard]


def stores_say(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """From now on every file system's clock stands there."""
    monkeypatch.setattr(FilesystemBlobs, "own_time", lambda _self: moment)


def no_authority(_imprint: bytes) -> bytes:
    raise Unavailable("no timestamp authority answers")


def stamping_at(moment: datetime) -> Callable[[bytes], bytes]:
    """An authority whose clock stands there; its tokens are checked by nobody here."""
    return new_pki(now=moment).token


def desk_of(
    archive: SimulatedArchive,
    now: datetime = LATER,
    *,
    clock: Clock | None = None,
    timestamp: Callable[[bytes], bytes] | None = None,
    alarms: Alarms | None = None,
    crash: CrashPoint = no_crash,
    caches: tuple[CopyCache, ...] = (),
    witness: Witness = lambda _site, _address, evidence: evidence,
) -> DisposalDesk:
    """The desk; clock and authority stand at ``now`` where none are given."""
    vault = archive.archive.vault
    areas = [(f"area {number}", area) for number, area in enumerate(vault.key_areas, 1)]
    return DisposalDesk(
        database=archive.archive.database,
        store=vault.store,
        everywhere=Everywhere.of(areas, vault.sites, vault.spool, caches),
        generations=vault.generations,
        signer=archive.archive.workshop.signer,
        timestamp=timestamp or stamping_at(now),
        clock=clock or FixedClock(now),
        entropy=system_entropy,
        crash=crash,
        alarm=alarms or Alarms(),
        witness=witness,
    )


def packages_of(archive: SimulatedArchive) -> list[UUID]:
    """Every package by name."""
    with archive.archive.database.read() as tx:
        return list(tx.execute(select(packages.c.package_id).order_by(packages.c.package_id)).scalars())
