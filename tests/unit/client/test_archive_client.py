from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from zdda.client import ArchiveClient, ArchiveRefused, Document, ReceivedDamaged

METADATA = {"title": "t"}
RECEIPT = {"state": "archived", "packageId": "p"}
Answer = Callable[[httpx.Request], httpx.Response]


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:zdda:problem:{code}", "detail": "d"}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **headers})


class World:
    """An archive that answers from a script."""

    def __init__(self, *answers: httpx.Response | Exception | Answer) -> None:
        self.answers, self.requests, self.pauses = list(answers), [], []

    def client(self) -> ArchiveClient:
        transport = httpx.MockTransport(self.handle)
        return ArchiveClient("https://a", "kis", "x", transport=transport, pause=self.pauses.append)

    def handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


@pytest.fixture
def document(tmp_path: Path) -> Document:
    (tmp_path / "a").write_bytes(b"content")
    return Document(tmp_path / "a", "a.txt", "text/plain")


def deposit(world: World, document: Document) -> dict[str, object]:
    with world.client() as client:
        return client.deposit(METADATA, [document], "key-1", wait=2)


def test_a_receipt_is_returned(document: Document) -> None:
    world = World(httpx.Response(201, json=RECEIPT))
    assert deposit(world, document) == RECEIPT
    sent = world.requests[0]
    assert sent.headers["idempotency-key"] == "key-1"
    assert b'filename="a.txt"' in sent.content
    assert b"content" in sent.content


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        problem(503, "unavailable", **{"Retry-After": "7"}),
        problem(507, "spool-full"),
        problem(409, "idempotency-key-in-flight"),
    ],
)
def test_what_may_pass_is_sent_again_under_the_same_key(
    trouble: httpx.Response | Exception, document: Document
) -> None:
    world = World(trouble, httpx.Response(201, json=RECEIPT))
    assert deposit(world, document) == RECEIPT
    assert len({request.headers["idempotency-key"] for request in world.requests}) == 1
    assert world.requests[0].content[-200:].split(b"--")[0] == world.requests[1].content[-200:].split(b"--")[0]
    assert world.pauses == [7.0 if isinstance(trouble, httpx.Response) and trouble.status_code == 503 else 2.0]


@pytest.mark.parametrize("status", [400, 401, 413, 422])
def test_a_refusal_is_not_sent_again(status: int, document: Document) -> None:
    world = World(problem(status, "some-code"))
    with pytest.raises(ArchiveRefused) as caught:
        deposit(world, document)
    assert caught.value.status == status
    assert caught.value.problem["type"] == "urn:zdda:problem:some-code"
    assert len(world.requests) == 1


def test_an_external_id_that_is_taken_is_a_refusal(document: Document) -> None:
    with pytest.raises(ArchiveRefused):
        deposit(World(problem(409, "external-id-taken")), document)


def test_patience_ends(document: Document) -> None:
    world = World(*[httpx.ConnectError("x")] * 6)
    with pytest.raises(httpx.ConnectError):
        deposit(world, document)
    with pytest.raises(ArchiveRefused):
        deposit(World(*[problem(503, "unavailable")] * 6), document)


def test_an_accepted_deposit_is_followed_to_its_receipt(document: Document) -> None:
    accepted = httpx.Response(202, json={"state": "received"}, headers={"Location": "/v1/deposits/d"})
    world = World(
        accepted,
        httpx.Response(200, json={"state": "sealed"}),
        httpx.Response(200, json={"state": "archived", "receipt": RECEIPT}),
    )
    assert deposit(world, document) == RECEIPT
    assert world.requests[1].url.path == "/v1/deposits/d"
    world = World(accepted, *[httpx.Response(200, json={"state": "stored"})] * 4)
    assert deposit(world, document) == {"state": "stored"}
    world = World(accepted, httpx.Response(200, json={"state": "rejected", "rejection": {"code": "deposit-rejected"}}))
    with pytest.raises(ArchiveRefused):
        deposit(world, document)


def download(headers: dict[str, str], content: bytes = b"content") -> tuple[str, bytes]:
    sink = io.BytesIO()
    with World(httpx.Response(200, content=content, headers=headers)).client() as client:
        return client.fetch_document("p", 1, sink), sink.getvalue()


def test_a_download_is_compared_with_what_was_announced() -> None:
    digest = hashlib.sha256(b"content").digest()
    announced = f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert download({"Repr-Digest": announced}) == (digest.hex(), b"content")
    with pytest.raises(ReceivedDamaged, match="digest"):
        download({"Repr-Digest": announced}, b"contenT")
    with pytest.raises(ReceivedDamaged, match="length"):
        download({"Content-Length": "9"})


def test_a_refused_download_says_why() -> None:
    with World(problem(404, "not-found")).client() as client, pytest.raises(ArchiveRefused):
        client.fetch_aip("p", io.BytesIO())
    with World(httpx.Response(404)).client() as client, pytest.raises(ArchiveRefused):
        client.fetch_aip("p", io.BytesIO())


def test_reports_in_forms_and_validation_in_passing(tmp_path: Path) -> None:
    good = httpx.Response(200, content=b"report")
    world = World(good, good, problem(503, "too-many-requests"), good)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    document = Document(tmp_path / "a.pdf", "a.pdf", "application/pdf")
    with world.client() as client:
        assert client.validation_report_as("p", "html", 2, "cs") == b"report"
        assert client.validation_report_as("p", "etsi", sealed=True) == b"report"
        assert client.validate(document, detached=[document]) == b"report"
    first, second, *posts = world.requests
    assert (first.url.query, first.headers["accept-language"]) == (b"form=html&document=2", "cs")
    assert second.url.query == b"form=etsi&sealed=true"
    assert [each.url.path for each in posts] == ["/v1/validations"] * 2, "sent again: nothing is kept, nothing doubled"


def test_what_a_package_says() -> None:
    world = World(
        *[httpx.Response(200, json={"a": 1})] * 2, httpx.Response(200, json=[1]), httpx.Response(200, content=b"e")
    )
    with world.client() as client:
        assert client.package("p") == client.status("d") == {"a": 1}
        assert client.validation_report("p") == [1]
        assert client.evidence_record("p") == b"e"


def test_what_happened_to_a_package() -> None:
    world = World(httpx.Response(200, json=[{"sequence": 1}]), httpx.Response(200, content=b"cms"))
    with world.client() as client:
        assert client.amendments("p") == [{"sequence": 1}]
        assert client.amendment("p", 1) == b"cms"
