"""What a Producer sees while a store is away: 202 with the reason, never a receipt; 507 with a full spool."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from zdda.cli.running_demonstration import PRODUCER, Demonstration, start
from zdda.demonstration.documents import plain_pdf
from zdda.storage.s3_errors import StoreUnreachable

METADATA = {"title": "Zpráva", "documentType": "report", "retentionClass": "medical-record"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    demonstration = start(tmp_path_factory.mktemp("away") / "archive")
    yield demonstration
    demonstration.stop()


def post(running: Demonstration) -> httpx.Response:
    parts: list[Any] = [
        ("metadata", (None, json.dumps(METADATA).encode(), "application/json")),
        ("document", ("a.pdf", plain_pdf("a letter"), "application/pdf")),
    ]
    with running.client(PRODUCER) as client:
        return client.post("/v1/deposits", files=parts)


def get(running: Demonstration, path: str) -> dict[str, Any]:
    with running.client(PRODUCER) as client:
        answer: dict[str, Any] = client.get(path).json()
        return answer


def test_a_deposit_waits_and_its_producer_is_told_why(running: Demonstration, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnreachable("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(running.archive.vault.sites[0].blobs, "put", away)
        answers = [post(running) for _ in range(3)]
        for answer in answers:
            assert answer.status_code == 202
            assert int(answer.headers["retry-after"]) > 0
            body = answer.json()
            assert body["state"] == "sealed"
            assert body["deferred"]["reason"] == "store-unreachable"
            assert "receipt" not in body
            assert get(running, answer.headers["location"])["deferred"]["reason"] == "store-unreachable"
    until = time.monotonic() + 60
    for answer in answers:
        while (body := get(running, answer.headers["location"]))["state"] != "archived":
            assert time.monotonic() < until, body
            time.sleep(0.1)
        assert body["receipt"]
    assert post(running).status_code == 201


def test_a_full_spool_says_when_to_come_back(running: Demonstration, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = running.archive.vault.spool
    with monkeypatch.context() as patched:
        patched.setattr(spool, "_most_bytes", -1)  # whatever waits, it is as much as may
        answer = post(running)
    assert answer.status_code == 507
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"].endswith("spool-full")
    assert post(running).status_code == 201
