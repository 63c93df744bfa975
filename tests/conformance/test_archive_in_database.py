"""Settings alone move objects into the catalog's own database, and object records into buckets and databases."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.services.s3 import S3_STORES, address_in, fresh_bucket
from tests.simulator.archive import SimulatedArchive, make_archive, prepare
from tests.simulator.pki import NOW, pki
from tests.simulator.postgresql import BACKENDS, fresh_database
from zdda import app_stopped
from zdda.app_stopped import open_to_doubt
from zdda.blob_stores import make_stores
from zdda.database.database_blobs import DatabaseBlobs
from zdda.database.engine import open_engine
from zdda.database.purging import Purged, purge_database
from zdda.database.store_tables import records
from zdda.fsck.store_check import StoreCheck
from zdda.model.clock import system_entropy
from zdda.model.deposit import DepositState
from zdda.model.errors import InvalidInput
from zdda.settings import load
from zdda.storage.blob_store import StoreFailed, WrongStore
from zdda.storage.s3_client import S3Address
from zdda.storage.s3_key_names import key_of
from zdda.storage.s3_plain_bucket import NotErasable, PlainBucket

CONTENT = b"%PDF-1.7 a letter of discharge"
_PLACES = """
[[sites]]
name = "praha"
kind = "database"
[sites.records]
kind = "bucket"
s3 = {{ endpoint = "{endpoint}", bucket = "{bucket}", access_key = "{access_key}", secret_key = "{secret_key}" }}

[[sites]]
name = "brno"
{brno}
[sites.records]
kind = "database"
database.url = "sqlite:///records.db"
"""


def findings(folder: Path) -> list[dict[str, object]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return [line for line in StoreCheck(stores, pki().anchors, NOW).lines() if line["type"] == "finding"]


def deposited(archive: SimulatedArchive, content: bytes = CONTENT) -> None:
    deposit = archive.deposit([content, b"an attachment"])
    archive.settle()
    status = archive.status(deposit)
    assert status.state is DepositState.ARCHIVED
    assert status.package_id is not None
    with archive.archive.packages.document(status.package_id, 1, "somebody").chunks as chunks:
        assert b"".join(chunks) == content


@pytest.mark.parametrize("backend", BACKENDS)
def test_objects_lie_in_the_catalog_s_database(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "archive"
    monkeypatch.setenv("ZDDA_STORE__KIND", "database")
    with fresh_database(backend, tmp_path, migrated=False) as url:
        archive = make_archive(folder, database_url=url)
        assert isinstance(archive.archive.vault.blobs, DatabaseBlobs)
        deposited(archive)
        archive.close()
        assert not (folder / "store").exists()
        assert findings(folder) == []
        again = make_archive(folder, database_url=url)
        deposited(again, b"another")
        again.close()
        monkeypatch.setenv("ZDDA_ARCHIVE__ID", "other")
        with pytest.raises(WrongStore):
            make_archive(folder, database_url=url)


def with_places(folder: Path, address: S3Address, brno: str = 'directory = "brno"\nimmutable = false') -> None:
    prepare(folder)
    file = folder / "zdda.toml"
    places = _PLACES.format(brno=brno, **{name: getattr(address, name) for name in address.__slots__})
    text = file.read_text("utf-8").replace("[store]\nimmutable = false\n", places)
    file.write_text(text, encoding="utf-8")
    make_stores(load(file), folder, system_entropy)


@pytest.mark.parametrize("name", S3_STORES)
def test_every_site_has_its_records_where_it_likes(name: str, tmp_path: Path) -> None:
    address, folder = address_in(name), tmp_path / "archive"
    with_places(folder, address)
    archive = make_archive(folder)
    deposited(archive)
    names = [each.name for each in archive.archive.vault.store.records()]
    places = [site.records for site in archive.archive.vault.sites]
    for place in places:
        assert place is not None
        assert [each.name for each in place.records()] == names
    archive.close()
    assert findings(folder) == []

    with closing(PlainBucket(address)) as bucket:
        bucket.delete_and_look(key_of(names[0]))
    engine = open_engine(f"sqlite:///{folder / 'records.db'}")
    with engine.begin() as connection:
        connection.execute(records.update().where(records.c.package == names[1].package.bytes).values(body=b"rotten"))
    engine.dispose()
    found = {(each["code"], each["where"]) for each in findings(folder)}
    assert ("record-missing", "praha/records") in found
    assert {code for code, where in found if str(where).startswith("brno/records")} == {
        "record-malformed",
        "record-missing",
    }
    again = make_archive(folder)
    deposited(again, b"another")
    again.close()


def test_one_process_has_an_archive_whose_stores_are_all_elsewhere(tmp_path: Path) -> None:
    """What opens last takes the bucket over: a command beside the running archive must not come so far."""
    folder = tmp_path / "archive"
    with_places(folder, address_in("versitygw"), 'kind = "database"\ndatabase.url = "sqlite:///brno.db"')
    file = folder / "zdda.toml"
    file.write_text(file.read_text("utf-8") + "\n[keys]\nkey_areas = []\n", encoding="utf-8")
    archive = make_archive(folder)
    deposited(archive)
    for another in (lambda: make_archive(folder), lambda: findings(folder)):
        with pytest.raises(StoreFailed, match="this archive"):
            another()
    deposited(archive, b"another")
    archive.close()
    assert findings(folder) == []
    make_archive(folder).close()


def test_every_database_is_purged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, seen = tmp_path / "archive", []
    with_places(folder, address_in("versitygw"))
    archive = make_archive(folder)
    deposited(archive)
    archive.close()

    def noting(engine: Engine) -> Purged:
        seen.append(Path(str(engine.url.database)).name)
        return purge_database(engine)

    monkeypatch.setattr(app_stopped, "purge_database", noting)
    done = app_stopped.purged(load(folder / "zdda.toml"), folder).done
    assert seen == ["catalog.db", "records.db"]
    assert len(set(done)) == len(done) == 2
    assert findings(folder) == []


def test_records_need_a_bucket_that_forgets(tmp_path: Path) -> None:
    address, folder = fresh_bucket("versitygw"), tmp_path / "archive"
    with_places(folder, address)
    with pytest.raises(NotErasable):
        make_archive(folder)


def test_a_database_that_was_never_made_is_not_doubted_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "archive"
    make_archive(folder).close()
    monkeypatch.setenv("ZDDA_STORE__KIND", "database")
    with pytest.raises(StoreFailed):
        findings(folder)
    monkeypatch.setenv("ZDDA_STORE__DATABASE__URL", "mysql://somewhere/else")
    with pytest.raises(InvalidInput):
        findings(folder)
