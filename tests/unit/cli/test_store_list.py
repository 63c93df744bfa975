from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.simulator.archive import make_archive
from zdda.catalog.object_copies import CopyState, move_copy
from zdda.cli.main import application
from zdda.model.clock import SystemClock


def test_each_site_is_told_with_what_it_holds_and_lacks(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.deposit([b"one"])
    archive.settle()
    records = list(archive.archive.vault.store.records())
    with archive.archive.database.write() as tx:
        assert move_copy(tx, "main", records[0].name, CopyState.PRESENT, CopyState.MISSING, SystemClock().now())
    archive.close()
    said = CliRunner().invoke(application("store"), ["store", "list", "--folder", str(tmp_path), "--json"])
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert 0 <= told.pop("lagSeconds") < 600
    assert told == {
        "site": "main",
        "kind": "filesystem",
        "objects": 2,
        "bytes": sum(record.length for record in records[1:]),
        "missing": 1,
        "damaged": 0,
        "leaving": 0,
        "orders": "",
        "empty": False,
    }
    said = CliRunner().invoke(application("store"), ["store", "list", "--folder", str(tmp_path)])
    assert "site: main  kind: filesystem  objects: 2" in said.stdout
