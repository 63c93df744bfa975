"""After a package was destroyed and the database purged, no byte anywhere tells what was in it or opens the rest."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

from tests.simulator.archive import TENANT, SimulatedArchive, make_archive
from tests.simulator.disposing import LATER, desk_of, packages_of, stores_say
from tests.simulator.pki import NOW, pki
from tests.simulator.postgresql import fresh_database
from zdda.app_stopped import open_to_doubt, purged
from zdda.catalog.tables import deposits
from zdda.database.engine import open_engine
from zdda.fsck.store_check import StoreCheck
from zdda.model.clock import FixedClock
from zdda.model.errors import NotFound
from zdda.model.objects import ObjectKind, ObjectName
from zdda.settings import load
from zdda.storage.object_record import ObjectRecord

MARKS = {
    "content": os.urandom(48),
    "title": b"Zprava-o-nikom-7318",
    "file name": b"dokument-nikoho-7318.pdf",
    "subject": b"7318264150",
}
_RELATIONS = (
    "SELECT pg_relation_filepath(oid) FROM pg_class "
    "WHERE relkind IN ('r', 'i', 't') AND pg_relation_filepath(oid) IS NOT NULL"
)


@dataclass(frozen=True)
class Destroyed:
    """What must be found nowhere; ``record``: an old copy of the object record; ``stored``: of the object."""

    folder: Path
    secrets: dict[str, bytes]
    record: ObjectRecord
    stored: bytes
    stays: UUID


def prepared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str | None = None, *, purging: bool = True
) -> Destroyed:
    """Two packages; the one with the marks is destroyed and the database purged. ``log-copied``: SQLite's log then."""
    archive = make_archive(folder, database_url=url)
    status = archive.deposit(
        [MARKS["content"] * 50],
        {
            "title": MARKS["title"].decode(),
            "subjects": [{"type": "rodne-cislo", "value": MARKS["subject"].decode()}],
            "externalId": {"producer": "kis", "id": "marked"},
        },
        "marked",
        names=[MARKS["file name"].decode()],
    )
    secrets = dict(MARKS)
    with archive.archive.database.read() as tx:
        secrets["key on its way, wrapped"] = tx.execute(select(deposits.c.wrapped_data_key)).scalar_one()
    archive.deposit([b"%PDF neighbour" * 100], {}, "neighbour")
    archive.settle()
    vault = archive.archive.vault
    record = vault.store.record(ObjectName(TENANT, status.package_id, ObjectKind.AIP))
    secrets["key"] = record.data_key(vault.generations)
    secrets["key, wrapped"] = record.wrapped_data_key
    secrets["key, wrapped, as text"] = base64.b64encode(record.wrapped_data_key)
    with vault.blobs.open(record.address) as stream:
        stored = stream.read()
    secrets["object"] = stored[1000:1100]
    with archive.archive.database.read() as tx:  # what the test looks for is there before
        everything = b"".join(each.read_bytes() for each in files_of(folder))
        assert secrets["key, wrapped, as text"] in everything
        assert secrets["object"] in everything
        assert url is not None or secrets["title"] in everything
    stores_say(monkeypatch, LATER)
    desk_of(archive).dispose([status.package_id], "archivist")
    (stays,) = packages_of(archive)
    with closing(sqlite3.connect(folder / "catalog.db")) as other:  # so that closing the archive leaves its log there
        other.execute("SELECT * FROM sqlite_master").fetchall()
        archive.close()
        if purging:
            purged(load(folder / "zdda.toml"), folder)
        (folder / "log-copied").write_bytes(b"".join(each.read_bytes() for each in folder.glob("catalog.db-wal")))
    return Destroyed(folder, secrets, record, stored, stays)


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def found_in(paths: Iterator[Path], secrets: dict[str, bytes]) -> list[tuple[str, str]]:
    found = []
    for path in paths:
        data = path.read_bytes()
        found += [(name, path.name) for name, secret in secrets.items() if secret in data]
    return found


def test_no_byte_of_it_is_left_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores, spool, key areas, keys, the database's file and log."""
    destroyed = prepared(tmp_path, monkeypatch)
    assert found_in(files_of(tmp_path), destroyed.secrets) == []
    assert not any(path.name.endswith("-wal") and path.stat().st_size for path in files_of(tmp_path))


@pytest.mark.parametrize("purging", [True, False])
def test_no_byte_of_it_is_left_in_postgresql_tables(
    purging: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its write-ahead log is another matter: what is recycled keeps old bytes until it is written again. Without
    purging, dead rows tell everything."""
    with fresh_database("postgresql", tmp_path) as url:
        destroyed = prepared(tmp_path / "archive", monkeypatch, url, purging=purging)
        assert found_in(files_of(tmp_path / "archive"), destroyed.secrets) == []
        engine = open_engine(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))
            data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
            relations = connection.execute(text(_RELATIONS)).scalars().all()
        engine.dispose()
        found = found_in((data / each for each in relations if (data / each).exists()), destroyed.secrets)
        assert len(relations) > 50
        assert {name for name, _ in found} >= {"title", "subject", "file name"} if not purging else found == []


def test_without_purging_the_log_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    destroyed = prepared(tmp_path, monkeypatch, purging=False)
    assert {"title", "key, wrapped, as text"} <= {name for name, _ in found_in(files_of(tmp_path), destroyed.secrets)}


def test_neighbours_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path, monkeypatch)
    with open_to_doubt(load(tmp_path / "zdda.toml"), tmp_path, FixedClock(NOW)) as stores:
        lines = list(StoreCheck(stores, pki().anchors, NOW).lines())
    assert [line["package"] for line in lines if line["type"] == "package"]
    codes = {line["code"] for line in lines if line["type"] == "finding"}
    assert codes <= {"amendment-untrusted"}  # the simulated seal has ended by then


def test_an_old_copy_of_everything_revives_nothing_once_its_generation_is_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and object are put back as they were."""
    destroyed = prepared(tmp_path, monkeypatch)
    with closing(make_archive(tmp_path, resuming=False)) as archive:
        assert revived(archive, destroyed) is not None  # the danger is real before
        generations = archive.archive.vault.generations
        generations.create(TENANT)
        old = destroyed.record.generation
        move_survivors(archive, old)
        generations.destroy(TENANT, old)
        assert revived(archive, destroyed) is None
        with closing(archive.archive.vault.store.open(ObjectName(TENANT, destroyed.stays, ObjectKind.AIP))) as stream:
            assert stream.read()


def revived(archive: SimulatedArchive, destroyed: Destroyed) -> bytes | None:
    try:
        return destroyed.record.data_key(archive.archive.vault.generations)
    except NotFound:
        return None


def move_survivors(archive: SimulatedArchive, old: int) -> None:
    """Every record that is left is sealed under the new generation."""
    vault = archive.archive.vault
    for each in list(vault.store.records()):
        assert each.generation == old
        sealed = vault.store.seal_record(
            each.name, each.address, each.length, each.sha512, each.data_key(vault.generations), each.retain_until
        )
        for area in vault.key_areas:
            area.write(sealed)
