"""The store in a document management system: what it leaves when it stops, and what it makes of hostile answers."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.test_blob_store import DATA, UNTIL, Died, address_of, put, stream_of
from tests.contracts.test_erasing import PAST, permitted
from tests.services.blob_stores import cmis_address
from tests.services.shared_service import free_port
from tests.simulator.cmis_server import RETENTION, Answer, CmisError, CmisServer, Request
from tests.simulator.tls import self_signed
from zdda.model.errors import NotFound
from zdda.storage import cmis_client, cmis_repository
from zdda.storage.blob_store import BlobDamaged
from zdda.storage.cmis_blobs import CRASH_POINTS, ERASE_POINTS, MENDING, CmisBlobs
from zdda.storage.cmis_repository import CmisRepository
from zdda.storage.store_errors import StoreBusy, StoreFull, StoreRefuses, StoreUnreachable, WriteNotKept

DIGITS = address_of(DATA).digest.hex()
PATH = f"/archive/objects/{DIGITS[:2]}/{DIGITS[2:4]}/{DIGITS}"
ELSEWHERE = ["http://127.0.0.1:1/root", "https://elsewhere.example/", "file:///etc", "//x", None, 7]


@pytest.fixture(params=[True, False], ids=["retention", "our word"])
def server(request: pytest.FixtureRequest) -> Iterator[CmisServer]:
    with CmisServer(retention=request.param) as serving:
        yield serving


@pytest.fixture
def guarded() -> Iterator[CmisServer]:
    with CmisServer() as serving:
        yield serving


@pytest.fixture
def store(guarded: CmisServer) -> Iterator[CmisBlobs]:
    with closing(CmisBlobs(cmis_address(guarded, read_seconds=1.0))) as opened:
        yield opened


def dying(server: CmisServer, point: str) -> CmisBlobs:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    return CmisBlobs(cmis_address(server), crash=crash)


def names(server: CmisServer) -> list[str]:
    return sorted(node.name for node in server.nodes.values() if node.content is not None)


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_object_is_whole_and_locked_or_not_there(point: str, server: CmisServer) -> None:
    with closing(dying(server, point)) as first, pytest.raises(Died):
        put(first)
    with closing(CmisBlobs(cmis_address(server))) as again:
        for each in again.addresses():
            with again.open(each) as stream:
                assert stream.read() == DATA
            assert again.stat(each).retain_until == UNTIL
        put(again)
        assert list(again.addresses()) == [address_of(DATA)]
        assert list(again.strays()) == []


@pytest.mark.parametrize("point", MENDING)
def test_a_mending_that_stops_is_completed_by_the_next(point: str, server: CmisServer) -> None:
    with closing(dying(server, point)) as first:
        put(first)
        server.at(PATH).content = b"damaged"
        with pytest.raises(Died):
            first.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
    with closing(CmisBlobs(cmis_address(server))) as again:
        again.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
        with again.open(address_of(DATA)) as stream:
            assert stream.read() == DATA
        assert again.stat(address_of(DATA)).retain_until == UNTIL


@pytest.mark.parametrize("point", ERASE_POINTS)
def test_an_erasure_that_stops_is_completed(point: str, server: CmisServer) -> None:
    with closing(dying(server, point)) as first:
        put(first, until=PAST)
        with pytest.raises(Died):
            first.erase(address_of(DATA), permitted(first))
    with closing(CmisBlobs(cmis_address(server))) as again:
        again.erase(address_of(DATA), permitted(again))
    assert names(server) == []


def test_erasing_takes_what_was_damaged_too(server: CmisServer) -> None:
    with closing(dying(server, "mend.moved-aside")) as first:
        put(first, until=PAST)
        server.at(PATH).content = b"damaged"
        with pytest.raises(Died):
            first.mend(address_of(DATA), len(DATA), stream_of(DATA), PAST)
        assert len(names(server)) == 2
        first.erase(address_of(DATA), permitted(first))
    assert names(server) == []


def test_bytes_that_the_server_changes_are_not_stored(server: CmisServer) -> None:
    def change(here: str) -> None:
        if here == "blob.sent":
            server.at(f"{PATH}.new").content = b"X" * len(DATA)

    with closing(CmisBlobs(cmis_address(server), crash=change)) as store, pytest.raises(WriteNotKept):
        put(store)
    assert names(server) == []


def test_a_lock_outlasts_mending(server: CmisServer) -> None:
    with closing(CmisBlobs(cmis_address(server))) as store:
        put(store)
        server.at(PATH).content = b"damaged"
        store.mend(address_of(DATA), len(DATA), stream_of(DATA), PAST)
        assert store.stat(address_of(DATA)).retain_until == UNTIL


def test_what_rots_twice_under_its_lock_is_mended_twice(guarded: CmisServer, store: CmisBlobs) -> None:
    put(store)
    for _ in range(2):
        guarded.at(PATH).content = b"damaged"
        store.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
    assert guarded.at(PATH).content == DATA
    assert len(names(guarded)) == 3
    assert len(list(store.strays())) == 2


def test_a_repository_that_offers_retentions_keeps_the_lock_itself(guarded: CmisServer, store: CmisBlobs) -> None:
    address = put(store)
    node = guarded.at(PATH)
    assert node.properties["cmis:secondaryObjectTypeIds"] == [RETENTION]
    assert node.properties["cmis:rm_expirationDate"] == int(UNTIL.timestamp() * 1000)
    with pytest.raises(StoreRefuses, match="constraint"):
        store._repository.delete(node.identifier)
    store.extend(address, UNTIL + timedelta(days=1))
    assert store.stat(address).retain_until == UNTIL + timedelta(days=1)


def test_name_and_lock_are_given_in_one_request(guarded: CmisServer, store: CmisBlobs) -> None:
    put(store)
    updates = [each.arguments for each in guarded.seen if each.arguments.get("cmisaction") == "update"]
    assert len(updates) == 1
    assert {updates[0]["propertyId[0]"], updates[0]["propertyId[1]"], updates[0]["propertyId[2]"]} == {
        "cmis:name",
        "cmis:secondaryObjectTypeIds",
        "cmis:rm_expirationDate",
    }


def test_a_server_without_ranges_is_read_all_the_same() -> None:
    large = DATA * 20
    with (
        CmisServer(ranges=False) as server,
        closing(CmisBlobs(cmis_address(server))) as store,
        store.open(put(store, large)) as stream,
    ):
        stream.seek(2_500_000)
        assert stream.read(100) == large[2_500_000:2_500_100]
        stream.seek(0)
        assert stream.read() == large


def test_children_come_in_pages(guarded: CmisServer) -> None:
    repository = CmisRepository(cmis_address(guarded))
    for number in range(20):
        repository.make_folder(f"/archive/{number}")
    assert {each.name for each in repository.children("/archive")} == {str(number) for number in range(20)}
    assert list(repository.children("/nowhere")) == []
    repository.close()


def test_two_who_put_the_same_object_store_it_once(guarded: CmisServer, store: CmisBlobs) -> None:
    def meanwhile(here: str) -> None:
        if here == "blob.read-back":
            guarded.at(f"{PATH}.new").name = "elsewhere"  # or the other would take its place
            put(store)

    with closing(CmisBlobs(cmis_address(guarded), crash=meanwhile)) as other:
        put(other)
    assert names(guarded) == [address_of(DATA).digest.hex()]


def test_other_bytes_under_the_address_are_damage_and_stay(guarded: CmisServer, store: CmisBlobs) -> None:
    put(store)
    guarded.at(PATH).content = b"X" * len(DATA)
    with pytest.raises(BlobDamaged):
        put(store)
    assert guarded.at(PATH).content == b"X" * len(DATA)


def test_a_change_by_somebody_else_in_between_is_not_overwritten(guarded: CmisServer, store: CmisBlobs) -> None:
    address = put(store)
    guarded.rule = lambda request: _bump(guarded) if request.arguments.get("cmisaction") == "update" else None
    with pytest.raises(StoreBusy):
        store.extend(address, UNTIL + timedelta(days=1))


def _bump(server: CmisServer) -> None:
    server.at(PATH).token += 1


@pytest.mark.parametrize("told", [{"cmis:contentStreamLength": 7}, {"cmis:rm_expirationDate": 1000}])
def test_what_is_read_back_is_compared(told: dict[str, Any], guarded: CmisServer, store: CmisBlobs) -> None:
    def other(request: Request) -> Answer | None:
        if request.method == "POST" or request.arguments.get("cmisselector") != "object":
            return None
        try:
            node = guarded.get(request.path, request.arguments)
        except CmisError:
            return None
        said = json.loads(node.body)
        said["succinctProperties"] |= told
        return Answer(200, json.dumps(said).encode())

    guarded.rule = other
    with pytest.raises(WriteNotKept):
        put(store)


def on_object(answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: answer if request.arguments.get("cmisselector") == "object" else None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(401), StoreRefuses),
        (Answer(403, b'{"exception": "permissionDenied"}'), StoreRefuses),
        (Answer(404), StoreRefuses),
        (Answer(404, b"<html>no such page</html>"), StoreRefuses),
        (Answer(409, b'{"exception": "updateConflict"}'), StoreBusy),
        (Answer(500, b'{"exception": "storage"}'), StoreFull),
        (Answer(507), StoreFull),
        (Answer(503), StoreBusy),
        (Answer(429), StoreBusy),
        (Answer(500, b'{"exception": "' + b"A" * 100 + b'"}'), StoreBusy),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), StoreUnreachable),
        (Answer(200, b"", {"Content-Encoding": "gzip"}), StoreUnreachable),
        (Answer(200, b"<html></html>"), StoreUnreachable),
        (Answer(200, b"[" * 100_000), StoreUnreachable),
        (Answer(200, b"null"), StoreUnreachable),
        (Answer(200, b'{"succinctProperties": []}'), StoreUnreachable),
        (Answer(200, b'{"succinctProperties": {"cmis:objectId": "", "cmis:name": "x"}}'), StoreUnreachable),
        (Answer(200, b'{"succinctProperties": {"cmis:objectId": 1, "cmis:name": "x"}}'), StoreUnreachable),
        (Answer(200, b'{"succinctProperties": {}', cut=5), StoreUnreachable),
        (Answer(200, b"{}", stall=1.5), StoreUnreachable),
    ],
    ids=lambda value: f"{value.status}-{value.body[:20]!r}" if isinstance(value, Answer) else value.__name__,
)
def test_every_answer_has_a_meaning(
    answer: Answer, expected: type[Exception], guarded: CmisServer, store: CmisBlobs
) -> None:
    put(store)
    guarded.rule = on_object(answer)
    for ask in (store.stat, store.open, put):
        with pytest.raises(expected):
            ask(store) if ask is put else ask(address_of(DATA))
    guarded.rule = lambda _request: None
    put(store)


def test_a_redirect_is_not_followed(guarded: CmisServer, store: CmisBlobs) -> None:
    with CmisServer() as other:
        guarded.rule = lambda _request: Answer(307, b"", {"Location": f"{other.service}/repo"})
        for ask in (store.own_time, lambda: store.stat(address_of(DATA)), lambda: put(store)):
            with pytest.raises(StoreUnreachable, match="elsewhere"):
                ask()
        assert other.seen == []


def test_an_answer_without_end_is_not_read(
    guarded: CmisServer, store: CmisBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmis_client, "MOST_JSON", 1000)
    monkeypatch.setattr(cmis_client._json, "__defaults__", (1000,))
    guarded.rule = on_object(Answer(200, b" " * 5000))
    with pytest.raises(StoreUnreachable, match="longer"):
        store.stat(address_of(DATA))


def test_a_list_without_end_is_not_followed(
    guarded: CmisServer, store: CmisBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = {"object": {"succinctProperties": {"cmis:objectId": "a", "cmis:name": "b", "cmis:baseTypeId": "c"}}}
    for objects in ([], [child] * 10):
        page = json.dumps({"objects": objects, "hasMoreItems": True}).encode()
        guarded.rule = lambda request, page=page: (  # type: ignore[misc]
            Answer(200, page) if request.arguments.get("cmisselector") == "children" else None
        )
        monkeypatch.setattr(cmis_repository, "_MOST_CHILDREN", 100)
        with pytest.raises(StoreUnreachable, match="no end"):
            list(store.addresses())


@pytest.mark.parametrize("length", [-1, True, "7", 2.5, None])
def test_what_has_no_length_is_no_object(length: object, guarded: CmisServer, store: CmisBlobs) -> None:
    properties = {
        "cmis:objectId": "a",
        "cmis:name": "b",
        "cmis:baseTypeId": "cmis:document",
        "cmis:contentStreamLength": length,
    }
    body = json.dumps({"succinctProperties": properties})
    guarded.rule = on_object(Answer(200, body.encode()))
    with pytest.raises((NotFound, StoreUnreachable)):
        store.stat(address_of(DATA))


def test_content_that_breaks_off_or_is_another_range_is_never_given(guarded: CmisServer, store: CmisBlobs) -> None:
    address = put(store)
    for answer in (
        Answer(206, DATA, {"Content-Range": f"bytes 100-149/{len(DATA)}"}),
        Answer(206, DATA[:50], {"Content-Range": f"bytes 0-49/{len(DATA)}"}),
        Answer(206, DATA, {"Content-Range": "nonsense"}),
        Answer(200, DATA, cut=100),
    ):
        guarded.rule = lambda request, answer=answer: (  # type: ignore[misc]
            answer if request.arguments.get("cmisselector") == "content" else None
        )
        with store.open(address) as stream, pytest.raises(StoreUnreachable):
            stream.read()


def test_silence_while_writing_is_unreachable_and_a_repeated_put_completes(
    guarded: CmisServer, store: CmisBlobs
) -> None:
    def silent(request: Request) -> Answer | None:
        return Answer(stall=1.5) if request.arguments.get("cmisaction") == "createDocument" else None

    guarded.rule = silent
    with pytest.raises(StoreUnreachable):
        put(store)
    guarded.rule = lambda _request: None
    assert store.stat(put(store)).retain_until == UNTIL
    assert list(store.strays()) == []


@pytest.mark.parametrize("name", ["rootFolderUrl", "repositoryUrl"])
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/root", "https://elsewhere.example/", "file:///etc", "//x", None, 7]
)
def test_a_repository_that_sends_us_to_another_server_is_refused(name: str, url: object, guarded: CmisServer) -> None:
    told = guarded._information() | {name: url}
    guarded.rule = lambda request: (
        Answer(200, json.dumps({"repo": told}).encode()) if request.path == "/browser" else None
    )
    with pytest.raises(StoreUnreachable, match="not on its server"):
        CmisBlobs(cmis_address(guarded))


def test_a_service_that_is_not_what_the_settings_say_is_refused(guarded: CmisServer) -> None:
    address = cmis_address(guarded)
    for wrong, why in (
        (replace(address, repository="nothing"), "no repository"),
        (replace(address, repository="other"), "CMIS 1.1"),
        (replace(address, service=f"{guarded.base}/browser/repo/root/x"), "no CMIS service"),
        (replace(address, password="wrong"), "credentials"),
        (replace(address, certificate_authorities=Path("/nothing")), "authorities"),
    ):
        with pytest.raises(StoreRefuses, match=why):
            CmisBlobs(wrong)
    with pytest.raises(StoreUnreachable):
        CmisBlobs(replace(address, service=f"http://127.0.0.1:{free_port()}/browser"))
    assert "archive-password" not in repr(address)


def test_a_certificate_that_is_not_trusted_is_no_store(guarded: CmisServer, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    guarded._http.socket = context.wrap_socket(guarded._http.socket, server_side=True)
    guarded.service = guarded.service.replace("http:", "https:")
    https = cmis_address(guarded)
    with pytest.raises(StoreUnreachable, match="certificate"):
        CmisBlobs(https)
    with closing(CmisBlobs(replace(https, certificate_authorities=certificate))) as store:
        put(store)
