"""Wrong, hostile and unlucky input against the whole archive over HTTPS: a clear answer, nothing lost, nothing left."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration, start
from zdda.demonstration.documents import plain_pdf, sign_pdf

METADATA = {"title": "Zpráva", "documentType": "report", "retentionClass": "medical-record"}
Part = tuple[str, tuple[str | None, bytes, str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    demonstration = start(tmp_path_factory.mktemp("bad-input") / "archive")
    yield demonstration
    demonstration.stop()


def part(content: bytes, name: str = "a.pdf", role: str = "document", kind: str = "application/pdf") -> Part:
    return role, (name, content, kind)


def metadata(**changes: Any) -> Part:
    value = {key: item for key, item in (METADATA | changes).items() if item is not None}
    return "metadata", (None, json.dumps(value).encode(), "application/json")


def post(running: Demonstration, *parts: Part, **headers: str) -> httpx.Response:
    with running.client(PRODUCER) as client:
        return client.post(
            "/v1/deposits", files=list(parts), headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


def problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlationId"] == answer.headers["x-correlation-id"]
    return str(answer.json()["type"]).removeprefix("urn:zdda:problem:")


def nothing_left(running: Demonstration) -> bool:
    with running.archive.database.read() as tx:
        from zdda.catalog.deposits import spool_files
        from zdda.catalog.evidence import batch_files

        needed = spool_files(tx) | batch_files(tx)
    return set(running.archive.vault.spool.names()) <= needed


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([part(b"x")], 422, "metadata-missing"),
        ([metadata(), metadata(), part(b"x")], 422, "metadata-repeated"),
        ([metadata()], 422, "document-missing"),
        ([metadata(), part(b"x", role="attachment")], 422, "document-missing"),
        ([metadata(), part(b"")], 422, "document-empty"),
        ([metadata(retentionClass="unknown"), part(b"x")], 422, "retention-class-unknown"),
        ([metadata(title=None), part(b"x")], 422, "metadata-invalid"),
        ([metadata(title="x" * 2_000_000), part(b"x")], 413, "metadata-too-large"),
        ([metadata(), part(b"x"), part(b"y")], 422, "document-name-invalid"),
        ([metadata(), part(b"x", name="../x")], 422, "document-name-invalid"),
        ([metadata(), part(b"x", name="a\u202egpj.pdf")], 422, "document-name-invalid"),
        ([metadata(), part(b"x", name="CON.pdf")], 422, "document-name-invalid"),
        ([metadata(), part(b"x", name="a" * 300)], 422, "document-name-invalid"),
        ([metadata(), part(b"x", role="other")], 422, "part-unknown"),
        ([metadata(), *(part(b"x", name=f"{n}.pdf") for n in range(101))], 422, "too-many-documents"),
    ],
)
def test_a_wrong_deposit_is_refused_whole(parts: list[Part], status: int, code: str, running: Demonstration) -> None:
    answer = post(running, *parts)
    assert (answer.status_code, problem(answer)) == (status, code)
    assert nothing_left(running)


def test_all_errors_of_the_metadata_are_told_at_once(running: Demonstration) -> None:
    answer = post(running, metadata(title="", documentType=None, surprise=1), part(b"x"))
    assert {error["pointer"] for error in answer.json()["errors"]} >= {"", "/title"}
    assert len(answer.json()["errors"]) >= 3


def test_the_same_key_and_content_give_the_same_receipt(running: Demonstration) -> None:
    key = str(uuid4())
    first = post(running, metadata(), part(b"same"), Idempotency_Key=key)
    again = post(running, metadata(), part(b"same"), Idempotency_Key=key)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    other = post(running, metadata(), part(b"other"), Idempotency_Key=key)
    assert (other.status_code, problem(other)) == (422, "idempotency-key-reused")
    assert nothing_left(running)


def test_the_same_key_many_times_at_once_is_one_deposit(running: Demonstration) -> None:
    key = str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: post(running, metadata(), part(b"z" * 300_000), Idempotency_Key=key), range(8))
        )
    receipts = {answer.json()["packageId"] for answer in answers if answer.status_code == 201}
    assert len(receipts) == 1
    for answer in answers:
        assert answer.status_code == 201 or problem(answer) == "idempotency-key-in-flight"
        assert answer.status_code == 201 or answer.headers["retry-after"]


def test_an_external_id_is_taken_once(running: Demonstration) -> None:
    external = {"producer": "kis", "id": str(uuid4())}
    assert post(running, metadata(externalId=external), part(b"1")).status_code == 201
    second = post(running, metadata(externalId=external), part(b"2"))
    assert (second.status_code, problem(second)) == (409, "external-id-taken")


def test_a_client_that_leaves_in_the_middle_leaves_nothing(running: Demonstration) -> None:
    context = ssl.create_default_context(cadata=running.authority.root_certificate())
    port = int(running.url.rsplit(":", 1)[1])
    head = (
        "POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {httpx.BasicAuth(PRODUCER, running.passwords[PRODUCER])._auth_header}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="document"; filename="a"\r\n\r\n'
    )
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        connection.sendall(head.encode() + b"x" * 400_000)
    for _ in range(200):
        if nothing_left(running):
            return
        post(running)  # a round trip: the server has had its turn
    pytest.fail("the spool still holds what the client began")


def test_a_body_over_the_limit_is_refused_unread(running: Demonstration) -> None:
    with running.client(PRODUCER) as client:
        request = client.build_request("POST", "/v1/deposits", content=iter([b""]))
        request.headers["content-length"] = str(10**12)
        request.headers["content-type"] = "multipart/form-data; boundary=b"
        request.headers.pop("transfer-encoding", None)
        context = ssl.create_default_context(cadata=running.authority.root_certificate())
    port = int(running.url.rsplit(":", 1)[1])
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    credentials = httpx.BasicAuth(PRODUCER, running.passwords[PRODUCER])._auth_header
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"POST /v1/deposits HTTP/1.1\r\n{head}Authorization: {credentials}\r\n\r\n".encode())
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize("auth", [None, (PRODUCER, "wrong"), ("nobody", "wrong"), ("", "")])
def test_without_good_credentials_nothing_is_read(auth: Any, running: Demonstration) -> None:
    with running.client(PRODUCER) as client:
        answer = client.post("/v1/deposits", files=[metadata(), part(b"x")], auth=auth or httpx.Auth())
    assert (answer.status_code, problem(answer)) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_roles_are_kept_apart(running: Demonstration) -> None:
    receipt = post(running, metadata(), part(b"x")).json()
    with running.client(PRODUCER) as producer:
        assert producer.get(f"/v1/packages/{receipt['packageId']}").status_code == 403
    with running.client(CONSUMER) as consumer:
        assert consumer.post("/v1/deposits", files=[metadata(), part(b"x")]).status_code == 403
        assert consumer.get(f"/v1/packages/{receipt['packageId']}").status_code == 200
        assert consumer.get(f"/v1/packages/{uuid4()}").status_code == 404
        assert consumer.get(f"/v1/packages/{receipt['packageId']}/documents/2").status_code == 404
        assert consumer.get("/v1/packages/not-a-uuid").status_code == 404


def _signed(running: Demonstration) -> bytes:
    return sign_pdf(plain_pdf("x"), running.authority.issue_signer("Jana"), running.timestamps)


def _byte_range(pdf: bytes, replacement: bytes) -> bytes:
    start = pdf.index(b"/ByteRange")
    end = pdf.index(b"]", start) + 1
    assert len(replacement) <= end - start
    return pdf[:start] + replacement.ljust(end - start) + pdf[end:]


HOSTILE = {
    "no-xref": lambda pdf: pdf[: pdf.rindex(b"startxref")],
    "garbage": lambda pdf: b"%PDF-1.7\n" + b"\xff" * 1000,
    "xref-loop": lambda pdf: pdf.replace(b"/Prev ", b"/Prev 0000"),
    "empty-byte-range": lambda pdf: _byte_range(pdf, b"/ByteRange []"),
    "overlapping-byte-range": lambda pdf: _byte_range(pdf, b"/ByteRange [0 9999 500 9]"),
    "negative-byte-range": lambda pdf: _byte_range(pdf, b"/ByteRange [0 -5 10 5]"),
    "endless-byte-range": lambda pdf: _byte_range(pdf, b"/ByteRange [0 9 9 999999999]"),
    "nested-arrays": lambda pdf: plain_pdf("x").replace(b"[3 0 R]", b"[" * 5000 + b"]" * 5000),
    "self-parent": lambda pdf: plain_pdf("x").replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"),
    "truncated": lambda pdf: pdf[: len(pdf) // 2],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pdf_gets_a_verdict_or_a_reason_and_never_a_pass(kind: str, running: Demonstration) -> None:
    answer = post(running, metadata(), part(HOSTILE[kind](_signed(running))))
    if answer.status_code == 422:
        assert problem(answer) in ("document-unreadable", "deposit-rejected")
    else:
        assert answer.status_code == 201
        assert answer.json()["verdict"] != "TOTAL_PASSED"


def test_a_deposit_waits_for_its_authority_and_goes_on_by_itself(running: Demonstration) -> None:
    from zdda.ingest.workshop import Workshop
    from zdda.trust.tsa_client import AuthorityUnavailable

    workshop: Workshop = running.archive.workshop
    good = workshop.authorities

    class Away:
        def timestamp(self, imprint: bytes) -> bytes:
            raise AuthorityUnavailable("away")

    object.__setattr__(workshop, "authorities", Away())
    try:
        document = part(str(uuid4()).encode())
        with running.client(PRODUCER) as client:
            answer = client.post("/v1/deposits", files=[metadata(), document])
            assert answer.status_code == 202
            status = client.get(answer.headers["location"]).json()
            assert status["state"] == "stored"
            assert status["deferred"]["reason"] == "timestamp-authority-unavailable"
            other = client.get("/v1/health/ready")
            assert other.status_code == 200
    finally:
        object.__setattr__(workshop, "authorities", good)
    deposit = UUID(answer.json()["depositId"])
    for _ in range(40):  # the batch's backoff is a second or two; a deferred deposit is not waited for
        if running.archive.intake.wait(deposit, 0.5).receipt is not None:
            return
        Event().wait(0.25)
    pytest.fail("the deposit does not go on")
