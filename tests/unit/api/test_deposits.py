from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest
from fake_archive import IN_FLIGHT, METADATA, NOW, PASSWORD, SPOOL_FULL, UNAVAILABLE, FakeArchive

from zdda.api.rest import uploads
from zdda.model.deposit import Deferral, DepositState

Files = list[tuple[str, tuple[str | None, bytes, str]]]
GOOD: Files = [
    ("metadata", (None, METADATA, "application/json")),
    ("document", ("report.pdf", b"%PDF-1.7", "application/pdf")),
]


def code(answer: httpx.Response) -> str:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert body["correlationId"] == answer.headers["x-correlation-id"]
    return str(body["type"]).removeprefix("urn:zdda:problem:")


def test_a_deposit_is_archived(archive: FakeArchive, call: Any) -> None:
    extra = ("attachment", ("Příloha č. 1.pdf", b"more", "Application/PDF; version=1.7"))
    answer = call("POST", "/v1/deposits", files=[*GOOD, extra])
    assert answer.status_code == 201
    assert answer.json() == {"state": "archived", "depositId": "00000000-0000-0000-0000-000000000001"}
    assert answer.headers["location"] == "/v1/deposits/00000000-0000-0000-0000-000000000001"
    [reception] = archive.receptions
    assert (reception.account, reception.key, reception.ended) == ("kis", None, "committed")
    assert not archive.aborted.is_set()
    assert reception.correlation_id == answer.headers["x-correlation-id"]
    assert [(d.role, d.name, d.media_type, d.data) for d in reception.documents] == [
        ("main", "report.pdf", "application/pdf", b"%PDF-1.7"),
        ("attachment", "Příloha č. 1.pdf", "application/pdf", b"more"),
    ]


def test_metadata_may_come_last(call: Any) -> None:
    assert call("POST", "/v1/deposits", files=GOOD[::-1]).status_code == 201


def test_a_large_document_arrives_whole(archive: FakeArchive, call: Any) -> None:
    content = bytes(range(256)) * 12_000
    document = ("document", ("big.bin", content, "application/octet-stream"))
    assert call("POST", "/v1/deposits", files=[GOOD[0], document]).status_code == 201
    assert archive.receptions[0].documents[0].data == content


def test_not_yet_archived_is_202(archive: FakeArchive, call: Any) -> None:
    archive.outcome = DepositState.STORED
    answer = call("POST", "/v1/deposits", files=GOOD)
    assert answer.status_code == 202
    assert answer.json()["state"] == "stored"
    assert int(answer.headers["retry-after"]) > 0
    archive.outcome = DepositState.ARCHIVED
    archive.wait(next(iter(archive.statuses)), 0)
    later = call("GET", answer.headers["location"])
    assert later.json()["receipt"]["state"] == "archived"
    assert later.json()["history"] == [{"state": "received", "at": "2026-11-24T08:00:00.000Z"}]


@pytest.mark.parametrize(
    ("prefer", "waited"), [("wait=0", []), ("respond-async", []), ("wait=2", [2.0]), ("wait=99", [5.0])]
)
def test_the_caller_says_how_long_it_waits(archive: FakeArchive, call: Any, prefer: str, waited: list[float]) -> None:
    answer = call("POST", "/v1/deposits", files=GOOD, headers={"Prefer": prefer})
    assert answer.status_code == (201 if waited else 202)
    assert archive.waited == waited


def test_a_rejection_carries_its_report(archive: FakeArchive, call: Any) -> None:
    archive.outcome = DepositState.REJECTED
    archive.rejection = {"reports": [{"indication": "TOTAL_FAILED"}], "detail": "a signature failed"}
    answer = call("POST", "/v1/deposits", files=GOOD)
    assert (answer.status_code, code(answer)) == (422, "deposit-rejected")
    assert answer.json()["rejection"]["reports"] == [{"indication": "TOTAL_FAILED"}]
    assert answer.json()["depositId"] == "00000000-0000-0000-0000-000000000001"
    archive.rejection = {"code": "made-up-by-a-worker"}
    assert code(call("POST", "/v1/deposits", files=GOOD)) == "deposit-rejected"


def test_a_deferral_is_told(archive: FakeArchive, call: Any) -> None:
    archive.outcome = DepositState.STORED
    archive.deferral = Deferral("timestamp-authority-away", NOW + timedelta(seconds=30))
    body = call("POST", "/v1/deposits", files=GOOD).json()
    assert body["deferred"] == {"reason": "timestamp-authority-away", "notBefore": "2026-11-24T08:00:30.000Z"}


def test_the_same_key_gives_the_same_receipt(archive: FakeArchive, call: Any) -> None:
    first, second = (call("POST", "/v1/deposits", files=GOOD, headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert len(archive.statuses) == 1
    archive.fail_begin = IN_FLIGHT
    third = call("POST", "/v1/deposits", files=GOOD, headers={"Idempotency-Key": "k-1"})
    assert (third.status_code, code(third)) == (409, "idempotency-key-in-flight")
    assert int(third.headers["retry-after"]) > 0


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb"])
def test_odd_keys(archive: FakeArchive, call: Any, key: str) -> None:
    answer = call("POST", "/v1/deposits", files=GOOD, headers={"Idempotency-Key": key})
    assert (answer.status_code, code(answer)) == (400, "idempotency-key-invalid")
    assert not archive.receptions


def part(name: str, content: bytes, file_name: str | None = None) -> tuple[str, tuple[str | None, bytes, str]]:
    return name, (file_name, content, "application/octet-stream")


PDF = part("document", b"%PDF", "a.pdf")
META = part("metadata", METADATA)


@pytest.mark.parametrize(
    ("files", "status", "expected"),
    [
        ([PDF], 422, "metadata-missing"),
        ([META, META, PDF], 422, "metadata-repeated"),
        ([part("metadata", b"{" + b" " * (1 << 20)), PDF], 413, "metadata-too-large"),
        ([part("metadata", b"not json"), PDF], 422, "metadata-invalid"),
        ([META], 422, "document-missing"),
        ([META, part("attachment", b"x", "b.pdf")], 422, "document-missing"),
        ([META, part("document", b"", "a.pdf")], 422, "document-empty"),
        ([META, PDF, PDF, PDF, PDF], 422, "too-many-documents"),
        ([META, part("document", b"x")], 422, "document-name-invalid"),
        ([META, part("document", b"x", "../a.pdf")], 422, "document-name-invalid"),
        ([META, part("document", b"x", "a\nb.pdf")], 422, "document-name-invalid"),
        ([META, part("document", b"x", "a\u202eb.pdf")], 422, "document-name-invalid"),
        ([META, part("document", b"x", "nul.pdf")], 422, "document-name-invalid"),
        ([META, part("document", b"x", "a" * 300)], 422, "document-name-invalid"),
        ([META, PDF, part("patient", b"x")], 422, "part-unknown"),
        ([META] * 6, 422, "metadata-repeated"),
    ],
)
def test_bad_deposits_leave_nothing(archive: FakeArchive, call: Any, files: Files, status: int, expected: str) -> None:
    answer = call("POST", "/v1/deposits", files=files)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert [reception.ended for reception in archive.receptions] == ["aborted"]
    assert not archive.statuses
    assert "a\u202eb" not in answer.text


def test_every_fault_of_the_metadata_at_once(call: Any) -> None:
    faulty = json.dumps({"title": "", "documentType": 7}).encode()
    body = call("POST", "/v1/deposits", files=[part("metadata", faulty), PDF]).json()
    assert {"/title", "/documentType", ""} <= {each["pointer"] for each in body["errors"]}


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", METADATA),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\r\n'),
    ],
)
def test_malformed_bodies(archive: FakeArchive, call: Any, content_type: str, content: bytes) -> None:
    answer = call("POST", "/v1/deposits", content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, code(answer)) == (400, "multipart-malformed")
    assert all(reception.ended == "aborted" for reception in archive.receptions)


def test_a_declared_length_over_the_limit_is_refused_before_the_body(archive: FakeArchive, call: Any) -> None:
    answer = call("POST", "/v1/deposits", content=b"x", headers={"Content-Length": str(5 << 20)})
    assert (answer.status_code, code(answer)) == (413, "deposit-too-large")
    assert not archive.receptions


def test_an_undeclared_length_is_counted(archive: FakeArchive, call: Any) -> None:
    document = ("document", ("big.bin", bytes(5 << 20), "application/octet-stream"))
    request = httpx.Request("POST", "https://archive", files=[GOOD[0], document])
    pieces = [request.read()[at : at + 65536] for at in range(0, 5 << 20, 65536)]

    async def chunks() -> Any:
        for piece in pieces:
            yield piece

    answer = call("POST", "/v1/deposits", content=chunks(), headers={"Content-Type": request.headers["content-type"]})
    assert (answer.status_code, code(answer)) == (413, "deposit-too-large")
    assert archive.receptions[0].ended == "aborted"


def test_no_room(archive: FakeArchive, call: Any) -> None:
    archive.fail_write = SPOOL_FULL
    answer = call("POST", "/v1/deposits", files=GOOD)
    assert (answer.status_code, code(answer)) == (507, "spool-full")
    assert archive.receptions[0].ended == "aborted"
    archive.fail_write = None
    assert call("POST", "/v1/deposits", files=GOOD).status_code == 201


def test_a_part_out_of_reach(archive: FakeArchive, call: Any) -> None:
    archive.fail_begin = UNAVAILABLE
    answer = call("POST", "/v1/deposits", files=GOOD)
    assert (answer.status_code, code(answer)) == (503, "unavailable")
    assert "retry-after" in answer.headers
    assert "secret-host" not in answer.text


def test_a_client_that_stops_sending() -> None:
    archive = FakeArchive(idle_seconds=0.05)

    async def run() -> httpx.Response:
        async def stalled() -> Any:
            yield b"--b\r\n"
            await anyio.sleep_forever()

        transport = httpx.ASGITransport(archive.application)
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        async with httpx.AsyncClient(transport=transport, base_url="https://x", auth=("kis", PASSWORD)) as client:
            return await client.post("/v1/deposits", content=stalled(), headers=headers)

    answer = anyio.run(run)
    assert (answer.status_code, code(answer)) == (408, "upload-stalled")
    assert archive.receptions[0].ended == "aborted"


def test_a_client_that_sends_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_GRACE", 0.0)
    archive = FakeArchive(minimum_rate=10**12)

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(archive.application)
        async with httpx.AsyncClient(transport=transport, base_url="https://x", auth=("kis", PASSWORD)) as client:
            return await client.post("/v1/deposits", files=GOOD)

    answer = anyio.run(run)
    assert (answer.status_code, code(answer)) == (408, "upload-stalled")
    assert archive.receptions[0].ended == "aborted"


@pytest.mark.parametrize("limits", [{"max_concurrent": 1}, {"max_concurrent": 2, "max_concurrent_account": 1}])
def test_too_many_at_once(limits: dict[str, int]) -> None:
    archive = FakeArchive(**limits)

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(archive.application)
        inside, leave = anyio.Event(), anyio.Event()

        async def slow() -> Any:
            inside.set()
            yield b"--b\r\n"
            await leave.wait()

        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answers: list[httpx.Response] = []
        async with httpx.AsyncClient(transport=transport, base_url="https://x", auth=("kis", PASSWORD)) as client:

            async def first() -> None:
                answers.append(await client.post("/v1/deposits", content=slow(), headers=headers))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first)
                await inside.wait()
                answers.append(await client.post("/v1/deposits", files=GOOD))
                leave.set()
            answers.append(await client.post("/v1/deposits", files=GOOD))
        return answers

    refused, cut, later = anyio.run(run)
    assert (refused.status_code, code(refused)) == (503, "too-many-requests")
    assert "retry-after" in refused.headers
    assert (cut.status_code, later.status_code) == (400, 201)


def test_waiting_callers_do_not_stop_others() -> None:
    archive = FakeArchive(max_concurrent=1, wait_seconds=30.0)
    archive.settles = threading.Event()

    async def run() -> list[int]:
        transport = httpx.ASGITransport(archive.application)
        statuses: list[int] = []
        async with httpx.AsyncClient(transport=transport, base_url="https://x", auth=("kis", PASSWORD)) as client:

            async def deposit() -> None:
                statuses.append((await client.post("/v1/deposits", files=GOOD)).status_code)

            async with anyio.create_task_group() as tasks:
                for waiting in (1, 2):
                    tasks.start_soon(deposit)
                    while len(archive.waited) < waiting:
                        await anyio.lowlevel.checkpoint()
                await deposit()  # both waiting places are taken: an answer at once
                assert (await client.get("/v1/health/live")).status_code == 200
                archive.settles.set()
        return statuses

    assert anyio.run(run) == [202, 201, 201]


def test_a_client_that_leaves(archive: FakeArchive) -> None:
    async def run() -> None:
        messages = [
            {"type": "http.request", "body": b"--b\r\n", "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            pass

        auth = httpx.BasicAuth("kis", PASSWORD)._auth_header.encode()
        headers = [(b"content-type", b"multipart/form-data; boundary=b"), (b"authorization", auth)]
        scope = {
            "type": "http", "method": "POST", "path": "/v1/deposits", "raw_path": b"/v1/deposits", "headers": headers,
            "query_string": b"", "http_version": "1.1", "scheme": "https", "root_path": "",
        }  # fmt: skip
        await archive.application(scope, receive, send)

    anyio.run(run)
    assert [reception.ended for reception in archive.receptions] == ["aborted"]


def test_another_account_does_not_see_the_deposit(call: Any) -> None:
    location = call("POST", "/v1/deposits", files=GOOD).headers["location"]
    assert call("GET", location, user="other").status_code == 404
    assert call("GET", location, user="admin").status_code == 200
    assert call("GET", location, user="reader").status_code == 403
    assert call("GET", "/v1/deposits/no-uuid").status_code == 404
    assert call("GET", "/v1/deposits/00000000-0000-0000-0000-0000000000ff").status_code == 404
