"""Packages of the simulated archive whose documents were really validated, with fetched revocation data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.simulator.archive import ACCOUNT, SimulatedArchive, make_archive
from tests.simulator.examiners import LateExaminer, examiner_here
from tests.simulator.pki import pki
from tests.unit.signatures.test_cades import CONTENT, message
from tests.unit.validation.laboratory import NOW, world
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import Answers


def fetched(_certificates: Sequence[bytes]) -> Answers:
    """What the laboratory's issuers publish: the documents do not carry it."""
    return Answers(RevocationData(world().crls()))


def anchors() -> TrustAnchors:
    """Two: that of the laboratory, and one that no path of it needs."""
    return TrustAnchors((world().root.der, *pki().anchors.certificates))


def archive_in(
    folder: Path, trusted: TrustAnchors | None = None, at: datetime = NOW, crash: CrashPoint = no_crash
) -> SimulatedArchive:
    examiner = LateExaminer()
    archive = make_archive(folder, examiner=examiner, crash=crash)
    examiner.inner = examiner_here(archive.archive.vault.spool, trusted or anchors(), fetched, at)
    return archive


def signed() -> bytes:
    return world().with_timestamp()


def documents() -> tuple[bytes, ...]:
    """Signed with a timestamp; signed; a text of several segments; a signature over the document after it."""
    return signed(), world().basic(), b"a line\n" * 500_000, message(content=None), CONTENT


def packed(folder: Path, contents: Sequence[bytes] | None = None, crash: CrashPoint = no_crash) -> Path:
    """A sealed container in ``folder`` with these documents."""
    archive = archive_in(folder / "archive", crash=crash)
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
