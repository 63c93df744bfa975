"""Packages against the standards' own schemas and against validators that other people wrote."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "packaging"))

from package_samples import CONTENTS, PACKAGE, PDF, built, inputs_of

KINDS: dict[str, tuple[tuple[bytes, str, str], ...]] = {
    "two documents": CONTENTS,
    "one PDF": ((PDF, "application/pdf", "a.pdf"),),
    "unknown format": ((b"\x00\x01", "application/octet-stream", "a"),),
    "thirty documents": tuple((bytes([n]) * 5000, "text/plain", f"{n}.txt") for n in range(30)),
}


@cache
def members(kind: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(built(inputs_of(KINDS[kind]))[0])) as source:
        return {name: source.read(name) for name in source.namelist()}


def schema_of(shared: Path, name: str) -> etree.XMLSchema:
    sys.path.insert(0, str(shared / "reference"))
    try:
        import schemas  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    found: Any = schemas.schema(name)
    assert isinstance(found, etree.XMLSchema)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_xml_validates(kind: str, shared: Path) -> None:
    wanted = {
        "METS.xml": "eark/mets1_12.xsd",
        "premis.xml": "eark/premis-v3-0.xsd",
        "ASiCManifest001.xml": "en_31916201v010101.xsd",
    }
    seen = set()
    for name, data in members(kind).items():
        schema = wanted.get(name.rpartition("/")[2])
        if schema:
            schema_of(shared, schema).assertValid(etree.fromstring(data))
            seen.add(name)
    assert len(seen) == 4


def test_mets_extension_attributes_are_of_the_schema(shared: Path) -> None:
    """METS lets attributes of other namespaces through unread: here they are checked one by one."""
    extension = schema_of(shared, "eark/DILCISExtensionMETS.xsd")
    namespace = "{https://DILCIS.eu/XML/METS/CSIPExtensionMETS}"
    names = {
        found.get("name")
        for found in etree.parse(str(shared / "reference/eark/DILCISExtensionMETS.xsd")).iter("{*}attribute")
    }
    assert extension is not None
    for name, data in members("two documents").items():
        if name.endswith("METS.xml"):
            for found in etree.fromstring(data).iter():
                used = {str(key).removeprefix(namespace) for key in found.attrib if str(key).startswith(namespace)}
                assert used <= names


@pytest.mark.foreign
@pytest.mark.parametrize("kind", KINDS)
def test_commons_ip_passes_the_package_folder(kind: str, shared: Path, tmp_path: Path) -> None:
    """The folder bears the OBJID as its name, as an export writes it (rule CSIP1)."""
    folder = tmp_path / f"urn:uuid:{PACKAGE}"
    for name, data in members(kind).items():
        inside = name.removeprefix(f"{PACKAGE}/")
        if inside != name:
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            (folder / inside).write_bytes(data)
    command = [str(shared / "foreign/commons-ip.sh"), str(folder), "2.2.0"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.strip().endswith("PASS")
    assert "ERROR" not in run.stdout


@pytest.mark.foreign
def test_info_zip_tests_the_container(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(built()[0])
    try:
        run = subprocess.run(["unzip", "-t", "a.zip"], cwd=tmp_path, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("unzip is not installed")
    assert run.returncode == 0, run.stdout
    assert str(UUID(str(PACKAGE))) in run.stdout
