"""Every document of the public corpus that can be read: archived, taken out, and its sealed verdict made again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.test_etsi_reports import AT, documents
from tests.simulator.archive import ACCOUNT, prepare
from tests.unit.access.archived_documents import anchors, archive_in
from zdda.fsck.replay import PackageReplay
from zdda.packaging.aip_reader import open_aip
from zdda.signatures.errors import FormatError
from zdda.trust.anchors import TrustAnchors

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def trusted(shared: Path) -> TrustAnchors:
    """All anchors of the corpus at once, so that many paths are found, and those of the laboratory."""
    files = sorted((shared / "corpus" / "anchors").glob("*.der"))
    found = []
    for file in files:
        try:
            found += TrustAnchors.load([file.read_bytes()]).certificates
        except FormatError:
            continue
    return TrustAnchors(tuple(found)) + anchors()


def packages(shared: Path, trusted: TrustAnchors, folder: Path, kind: str) -> Iterator[bytes]:
    """One container for each document; documents that the intake policy does not let in are left out."""
    prepare(folder)
    settings = folder / "zdda.toml"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("years = 5\n", 'years = 5\ntotal_failed = "flag"\n'), "utf-8")
    archive = archive_in(folder, trusted, AT)
    try:
        deposits = [archive.deposit((path.read_bytes(),)) for path in documents(shared, kind)]
        archive.settle()
        for deposit in deposits:
            status = archive.status(deposit)
            if status.state == "archived":
                with archive.archive.packages.aip(status.package_id, ACCOUNT).chunks as chunks:
                    yield b"".join(chunks)
    finally:
        archive.close()


@pytest.mark.parametrize(("kind", "least"), [("pades", 120), ("cades", 60)])
def test_the_same_bytes(shared: Path, trusted: TrustAnchors, tmp_path: Path, kind: str, least: int) -> None:
    made, anchored = 0, 0
    for container in packages(shared, trusted, tmp_path, kind):
        package = open_aip(io.BytesIO(container))
        found = PackageReplay(package, TrustAnchors(tuple(reversed(trusted.certificates)))).document(1)
        assert found.same_version
        assert found.sealed == found.made, (package.documents[0].facts, found.differences[:5])
        made += 1
        report: Any = package.report(1)
        anchored += sum(item["pathStatus"] not in (None, "no-path") for item in report["signatures"])
    assert made >= least
    assert anchored >= 40, "with hardly any path the test would test little"
