from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.archive import SimulatedArchive, make_archive, prepare
from zdda.app import initialise
from zdda.app_stopped import rebuild_catalog
from zdda.catalog.object_copies import CopyState, due_copies, move_copy, site_report
from zdda.ingest.levelling import SiteInUse
from zdda.model.clock import SystemClock
from zdda.model.errors import Unavailable
from zdda.retention.replication import Replicator
from zdda.settings import load
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea

_SITE = '\n[[sites]]\nname = "{0}"\ndirectory = "{1}"\nimmutable = false\n'
SITES = _SITE.format("main", "store") + _SITE.format("brno", "store-brno")
ONE = _SITE.format("main", "store")


def with_sites(folder: Path, classes: str = "", sites: str = SITES) -> None:
    prepare(folder)
    file = folder / "zdda.toml"
    text = file.read_text("utf-8").split("\n[[sites]]")[0].replace("[store]\nimmutable = false\n", "")
    file.write_text(text.replace('name = "long"', f'name = "long"\n{classes}') + sites, "utf-8")
    initialise(load(file), folder)


def counts(archive: SimulatedArchive, site: str) -> tuple[int, int]:
    with archive.archive.database.read() as tx:
        report = site_report(tx, site)
    return report.objects, report.missing


def test_a_new_site_is_to_get_what_lies_at_the_others(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    archive.close()
    with_sites(tmp_path)
    archive = make_archive(tmp_path)
    assert (counts(archive, "main"), counts(archive, "brno")) == ((3, 0), (0, 3))
    archive.close()
    archive = make_archive(tmp_path)  # and is not told twice
    assert counts(archive, "brno") == (0, 3)
    archive.close()


def test_a_new_place_of_records_gets_those_of_what_lies_at_its_site(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    archive.close()
    with_sites(tmp_path, sites=ONE + 'records = { kind = "folder", directory = "own" }\n')
    archive = make_archive(tmp_path)
    (site,) = archive.archive.vault.sites
    assert site.records is not None
    assert list(site.records.records()) == list(archive.archive.vault.store.records())
    assert len(list(site.records.records())) == 3
    archive.close()


def test_a_new_place_that_is_away_keeps_no_archive_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    archive.close()
    with_sites(tmp_path, sites=ONE + 'records = { kind = "folder", directory = "own" }\n')

    def away(_area: object, _record: object) -> None:
        raise Unavailable("the place does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(FilesystemKeyArea, "write", away)
        make_archive(tmp_path).close()
    archive = make_archive(tmp_path)
    (site,) = archive.archive.vault.sites
    assert site.records is not None
    assert len(list(site.records.records())) == 3
    archive.close()


def test_a_class_that_is_placed_elsewhere_is_left_out(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"one"], {"retentionClass": "long"})
    archive.settle()
    archive.close()
    with_sites(tmp_path, 'stores = ["main"]')
    archive = make_archive(tmp_path)
    with archive.archive.database.read() as tx:
        missing = due_copies(tx, "brno", [CopyState.MISSING], SystemClock().now(), 10)
    assert sorted(str(each.name.kind) for each in missing) == ["amendment", "evidence-batch"]
    archive.close()


def test_a_site_is_not_left_out_while_something_lies_there(tmp_path: Path) -> None:
    with_sites(tmp_path)
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    assert (counts(archive, "main"), counts(archive, "brno")) == ((3, 0), (3, 0))
    archive.close()
    with_sites(tmp_path, sites=ONE)
    with pytest.raises(SiteInUse, match=r"\(brno\)"):
        make_archive(tmp_path)
    with_sites(tmp_path)
    archive = make_archive(tmp_path)
    with archive.archive.database.write() as tx:
        names = [record.name for record in archive.archive.vault.store.records()]
        assert all(
            move_copy(tx, "brno", name, CopyState.PRESENT, CopyState.ERASED, SystemClock().now()) for name in names
        )
    archive.close()
    with_sites(tmp_path, sites=ONE)
    archive = make_archive(tmp_path)
    assert (counts(archive, "main"), counts(archive, "brno")) == ((3, 0), (0, 0))
    archive.close()


def test_a_site_that_is_to_get_something_is_not_left_out(tmp_path: Path) -> None:
    """It may have got it before a crash: then a disposal without the site would leave bytes and record there."""
    with_sites(tmp_path, sites=ONE)
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    archive.close()
    with_sites(tmp_path)
    archive = make_archive(tmp_path)
    parts, stopped = archive.archive, RuntimeError("here the process ends")

    def crash(point: str) -> None:
        if point == "replicate.before-commit":
            raise stopped

    here, there = parts.vault.sites
    work = Replicator(parts.database, parts.vault.store, there, [here], parts.workshop.clock, crash, threads=1)
    with pytest.raises(RuntimeError):
        work.run_one()
    assert counts(archive, "brno") == (0, 3)
    assert len(list(there.blobs.addresses())) == 3
    archive.close()
    with_sites(tmp_path, sites=ONE)
    with pytest.raises(SiteInUse, match=r"\(brno\)"):
        make_archive(tmp_path)


def test_a_rebuilt_catalog_knows_where_everything_lies(tmp_path: Path) -> None:
    with_sites(tmp_path)
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    brno = archive.archive.vault.sites[1].blobs
    assert isinstance(brno, FilesystemBlobs)
    brno.path(next(brno.addresses())).unlink()
    archive.close()
    for path in tmp_path.glob("catalog.db*"):
        path.unlink()
    (tmp_path / "spool" / "zdda-spool.json").unlink()
    assert rebuild_catalog(load(tmp_path / "zdda.toml"), tmp_path, lambda _done, _all: None).problems == []
    archive = make_archive(tmp_path)
    assert (counts(archive, "main"), counts(archive, "brno")) == ((3, 0), (2, 1))
    archive.settle()
    assert (counts(archive, "main"), counts(archive, "brno")) == ((3, 0), (3, 0))
    assert len(list(archive.archive.vault.sites[1].blobs.addresses())) == 3
    archive.close()


def test_a_site_that_is_not_mounted_is_away_and_nothing_is_made_in_its_place(tmp_path: Path) -> None:
    with_sites(tmp_path)
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    archive.close()
    (tmp_path / "store-brno").rename(tmp_path / "mounted")
    (tmp_path / "store-brno").mkdir()
    archive = make_archive(tmp_path)
    assert archive.archive.vault.store.answering() == {"main": True, "brno": False}
    assert list((tmp_path / "store-brno").iterdir()) == []
    (tmp_path / "store-brno").rmdir()
    (tmp_path / "mounted").rename(tmp_path / "store-brno")
    assert len(list(archive.archive.vault.sites[1].blobs.addresses())) == 3
    archive.close()
