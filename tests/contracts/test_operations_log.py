"""The RADOS Gateway's own record of a deletion, really; and what a log may hold that is none."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.test_erasing import permitted, put_for_a_moment
from tests.services.s3 import fresh_bucket, service_or_skip
from zdda.storage.operations_log import LOOKED_AT, OperationsLog
from zdda.storage.s3_blobs import S3Blobs


def test_the_gateway_tells_of_every_version_that_was_deleted() -> None:
    log = OperationsLog(Path(service_or_skip("ceph")["operations_log"]))
    with closing(S3Blobs(fresh_bucket("ceph"))) as store:
        address = put_for_a_moment(store)
        requests = store.erase(address, permitted(store)).evidence["requests"].split()
    told = log.entries(requests)
    assert sorted(told) == sorted(requests)
    for entry in map(json.loads, told.values()):
        assert (entry["operation"], entry["http_status"], entry["user"]) == ("delete_obj", "204", "archive")
        assert address.digest.hex() in entry["uri"]
        assert "access_key_id" not in entry


@pytest.mark.parametrize(
    "line",
    [
        b"no json tx1",
        b'["tx1"]',
        b'{"trans_id": "tx2", "uri": "tx1"}',
        b'{"trans_id": "tx1"' + b" " * 70_000 + b"}",
        b"[" * 50_000 + b"tx1",
    ],
    ids=["text", "list", "another", "too-long", "too-deep"],
)
def test_what_is_no_entry_is_passed_over(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(line + b'\n{"trans_id": "tx3", "time": "now"},\n')
    assert OperationsLog(tmp_path / "log", 0.0).entries(["tx1", "tx3", ""]) == {
        "tx3": '{"time":"now","trans_id":"tx3"}'
    }


def test_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        log.truncate(2 * LOOKED_AT)
        log.seek(0, 2)
        log.write(b'\n{"trans_id": "tx1"}\n')
    assert OperationsLog(tmp_path / "log", 0.0).entries(["tx1"]) == {"tx1": '{"trans_id":"tx1"}'}


def test_a_log_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert OperationsLog(tmp_path / "log", 0.0).entries(["tx1"]) == {}
