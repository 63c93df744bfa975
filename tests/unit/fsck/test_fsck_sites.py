"""fsck of an archive with two sites: what is wrong is named with its site, and what may be elsewhere is no damage."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.simulator.archive import make_archive, prepare_two_sites
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.cli.main import application
from zdda.fsck.store_check import StoreCheck
from zdda.settings import load
from zdda.storage.durable_files import set_immutable

Line = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package of a class that lies at both sites, one of a class that lies at one."""
    prepare_two_sites(tmp_path, ('name = "long"', 'name = "long"\nstores = ["praha"]'))
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.deposit([b"two"], {"retentionClass": "long"})
    archive.settle()
    archive.close()
    return tmp_path


def doubted(folder: Path, site: str | None = None) -> tuple[list[Line], list[Line]]:
    """(objects, findings)."""
    with open_to_doubt(load(folder / "zdda.toml"), folder, site=site) as stores:
        lines = list(StoreCheck(stores, pki().anchors, NOW + timedelta(minutes=5)).lines())
    return [[line for line in lines if line["type"] == kind] for kind in ("object", "finding")]  # type: ignore[return-value]


def blobs(folder: Path, site: str) -> list[Path]:
    return sorted(path for path in (folder / site / "objects").rglob("*") if path.is_file())


def shared(folder: Path) -> Path:
    """A package at Brno that lies at Praha too."""
    return next(path for path in blobs(folder, "brno") if path.stat().st_size > 8000)


def test_two_sites_left_alone_are_clean(folder: Path) -> None:
    for site in (None, "praha"):
        objects, findings = doubted(folder, site)
        assert findings == []
        assert len(objects) == 6
    objects, _ = doubted(folder)
    assert sorted(len(line["sites"]) for line in objects) == [1, 1, 1, 2, 2, 2]  # each class has its batch


def test_a_site_alone_does_not_know_what_is_elsewhere(folder: Path) -> None:
    objects, findings = doubted(folder, "brno")
    assert {(line["code"], line["severity"], line["where"]) for line in findings if line["kind"] == "aip"} >= {
        ("copy-missing", "pending", "brno")
    }
    assert {line["severity"] for line in findings} == {"pending"}
    assert sum(line["sites"] == ["brno"] for line in objects) == 3


def test_damage_is_named_with_its_site(folder: Path) -> None:
    path = shared(folder)
    set_immutable(path, immutable=False)
    path.chmod(0o600)
    status = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, (status.st_atime, status.st_mtime))
    _, findings = doubted(folder)
    assert [(line["code"], line["where"], line["kind"]) for line in findings] == [("object-digest", "brno", "aip")]


def test_a_copy_that_is_gone_is_broken_where_the_class_needs_both(folder: Path) -> None:
    shared(folder).unlink()
    _, findings = doubted(folder)
    assert [(line["code"], line["severity"], line["where"]) for line in findings] == [
        ("copy-missing", "broken", "brno")
    ]


def test_what_no_site_has_is_missing_once(folder: Path) -> None:
    name = shared(folder).name
    for site in ("praha", "brno"):
        next(path for path in blobs(folder, site) if path.name == name).unlink()
    _, findings = doubted(folder)
    assert [(line["code"], line["where"]) for line in findings if line["kind"] == "aip"] == [("object-missing", None)]


def test_what_no_record_names_and_foreign_markers_are_named_with_their_site(folder: Path) -> None:
    (folder / "brno" / "objects" / "stray").write_bytes(b"x")
    (folder / "praha" / "zdda-store.json").unlink()
    _, findings = doubted(folder)
    assert {(line["code"], line["where"]) for line in findings} == {
        ("stray-file", "brno/objects/stray"),
        ("store-marker", "praha/zdda-store.json"),
    }


def test_a_sites_own_records_are_expected_where_its_objects_are(folder: Path) -> None:
    segment = folder / "brno-records" / "segment-000000.slots"
    segment.unlink()
    _, findings = doubted(folder)
    assert {line["code"] for line in findings} == {"record-missing"}
    assert {line["where"] for line in findings} == {"brno/records"}
    assert len(findings) == 3


def test_the_command_looks_at_one_site(folder: Path) -> None:
    run = CliRunner().invoke(application("fsck"), ["fsck", "--folder", str(folder), "--site", "praha"])
    assert "6 object" in run.output, run.output
    run = CliRunner().invoke(application("fsck"), ["fsck", "--folder", str(folder), "--site", "ostrava"])
    assert run.exit_code == 3
    assert "ostrava" in run.output + run.stderr
