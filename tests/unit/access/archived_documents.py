"""Packages of the simulated archive whose documents were really validated, with fetched revocation data."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.simulator.archive import ACCOUNT, SimulatedArchive, make_archive
from tests.simulator.pki import pki
from tests.unit.signatures.test_cades import CONTENT, message
from tests.unit.validation.laboratory import NOW, world
from zdda.ingest.examination import WorkerExaminer
from zdda.ingest.workshop import Examination
from zdda.model.clock import FixedClock
from zdda.model.objects import ObjectName
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import Answers


class PoolHere:
    """The worker pool's interface without processes."""

    def call(self, function: str, argument: Any) -> Any:
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(argument)


class LateExaminer:
    """See ``Examiner``: the real one, made once the archive's spool is there."""

    inner: WorkerExaminer

    def examine(
        self,
        spool_file: str,
        key: bytes,
        name: ObjectName,
        media_type: str,
        siblings: Sequence[tuple[str, ObjectName]] = (),
    ) -> Examination:
        return self.inner.examine(spool_file, key, name, media_type, siblings)


def fetched(_certificates: Sequence[bytes]) -> Answers:
    """What the laboratory's issuers publish: the documents do not carry it."""
    return Answers(RevocationData(world().crls()))


def anchors() -> TrustAnchors:
    """Two: that of the laboratory, and one that no path of it needs."""
    return TrustAnchors((world().root.der, *pki().anchors.certificates))


def archive_in(folder: Path, trusted: TrustAnchors | None = None, at: datetime = NOW) -> SimulatedArchive:
    examiner = LateExaminer()
    archive = make_archive(folder, examiner=examiner)
    spool = archive.archive.vault.spool
    examiner.inner = WorkerExaminer(PoolHere(), spool, trusted or anchors(), fetched, FixedClock(at))  # type: ignore[arg-type]
    return archive


def signed() -> bytes:
    return world().with_timestamp()


def documents() -> tuple[bytes, ...]:
    """Signed with a timestamp; signed; a text of several segments; a signature over the document after it."""
    return signed(), world().basic(), b"a line\n" * 500_000, message(content=None), CONTENT


def packed(folder: Path, contents: Sequence[bytes] | None = None) -> Path:
    """A sealed container in ``folder`` with these documents."""
    archive = archive_in(folder / "archive")
    try:
        deposit = archive.deposit(contents or documents())
        archive.settle()
        status = archive.status(deposit)
        assert status.state == "archived", (status.state, (status.rejection or {}).get("code"))
        content = archive.archive.packages.aip(status.package_id, ACCOUNT)
        path = folder / "package.asice"
        with content.chunks as chunks:
            path.write_bytes(b"".join(chunks))
        return path
    finally:
        archive.close()
