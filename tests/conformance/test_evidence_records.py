"""The public evidence records (RFC 4998, ASN.1) against what EU DSS finds in them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.pki import pki
from zdda.evidence.evidence_record import (
    EvidenceMalformed,
    EvidenceStatus,
    TokenCheck,
    TokenStatus,
    parse,
    verify,
)
from zdda.signatures.errors import FormatError
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.revocation import RevocationData
from zdda.trust.token_completion import complete_token

FOLDER = Path("corpus/documents/er-asn1")
MALFORMED = {"BIN-1_ER_malformed.ers"}
"""DSS refuses it too: its archive time-stamp sequence is a SET."""
KNOWN_OBJECTS = 6
"""Records whose data objects lie beside them; fewer would mean that the comparison says little."""


def imprint_and_signature(der: bytes, imprint: bytes, following: datetime | None) -> TokenCheck:
    """No trust: the expectations of set-up ``none`` have no anchors either."""
    try:
        token = parse_timestamp_token(der)
    except FormatError as error:
        return TokenCheck(TokenStatus.BROKEN, None, str(error))
    good = token.is_over_digest(imprint) and token.value_intact
    return TokenCheck(TokenStatus.TRUSTED if good else TokenStatus.BROKEN, token.gen_time, "imprint, signature")


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[str, Any]:
    lines = (shared / "corpus/expected/documents.jsonl").read_text(encoding="utf-8").splitlines()
    every = (json.loads(line) for line in lines)
    return {
        each["document"].removeprefix("er-asn1/"): each["at"]["none"]
        for each in every
        if each["document"].startswith("er-asn1/") and each["at"]["none"]["evidence_records"]
    }


def records(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".er", ".ers"))


def beside(folder: Path, record: Path) -> list[bytes]:
    """The other files, each content once: some have two names."""
    return list(dict.fromkeys(path.read_bytes() for path in sorted(folder.iterdir()) if path != record))


def algorithms_of(record: bytes) -> list[str]:
    return [str(item["algorithm"].native) for item in parse(record)["digest_algorithms"]]


def listed(record: bytes, contents: list[bytes]) -> list[bytes]:
    """Those contents whose digest is in the record's very first list of digests."""
    first = parse(record)["archive_time_stamp_sequence"][0][0]
    algorithm = algorithms_of(record)[0]
    lists = first["reduced_hashtree"].native or [[parse_timestamp_token(first["time_stamp"].dump()).imprint]]
    return [content for content in contents if hashlib.new(algorithm, content).digest() in lists[0]]


def digests_of(contents: list[bytes], record: bytes) -> dict[str, list[bytes]]:
    return {name: [hashlib.new(name, each).digest() for each in contents] for name in algorithms_of(record)}


def test_every_record_is_read_or_refused_for_a_reason(shared: Path) -> None:
    found = records(shared / FOLDER)
    assert found
    for path in found:
        if path.name in MALFORMED:
            with pytest.raises(EvidenceMalformed):
                parse(path.read_bytes())
        else:
            parse(path.read_bytes())


def test_as_many_objects_are_found_and_intact_as_dss_finds(shared: Path, expected: dict[str, Any]) -> None:
    with_objects = 0
    for path in records(shared / FOLDER):
        if path.name in MALFORMED:
            continue
        (wanted,) = expected[path.name]["evidence_records"]
        record = path.read_bytes()
        objects = listed(record, beside(shared / FOLDER, path))
        assert len(objects) == wanted["found"] == wanted["intact"], path.name
        with_objects += bool(objects)
    assert with_objects == KNOWN_OBJECTS


def test_each_timestamp_stamps_what_dss_says_it_stamps(shared: Path, expected: dict[str, Any]) -> None:
    compared = 0
    for path in records(shared / FOLDER):
        if path.name in MALFORMED:
            continue
        record = path.read_bytes()
        objects = listed(record, beside(shared / FOLDER, path))
        if not objects:
            continue
        verdict = verify(record, digests_of(objects, record), imprint_and_signature)
        wanted = expected[path.name]["timestamps"]
        assert len(verdict.timestamps) == len(wanted), path.name
        for ours, theirs in zip(verdict.timestamps, wanted, strict=True):
            assert (ours.status is TokenStatus.TRUSTED) == theirs["imprint_intact"], (path.name, ours)
            assert ours.gen_time == datetime.fromisoformat(theirs["time"]), path.name
            compared += 1
        all_intact = all(each["imprint_intact"] for each in wanted)
        assert (verdict.status is EvidenceStatus.PROVEN) == all_intact, (path.name, verdict.findings)
    assert compared >= KNOWN_OBJECTS


def test_another_object_is_proven_by_none(shared: Path) -> None:
    for path in records(shared / FOLDER):
        if path.name in MALFORMED:
            continue
        record = path.read_bytes()
        verdict = verify(record, digests_of([b"another object"], record), imprint_and_signature)
        assert verdict.status is EvidenceStatus.BROKEN, path.name


def test_public_tokens_keep_their_signed_bytes_when_completed(shared: Path) -> None:
    world = pki()
    answer = world.ocsp(world.authority.timestamping)
    data = RevocationData((world.authority.crl("root"),), (answer,))
    count = 0
    for path in records(shared / FOLDER):
        if path.name in MALFORMED:
            continue
        for chain in parse(path.read_bytes())["archive_time_stamp_sequence"]:
            for archive_timestamp in chain:
                token = archive_timestamp["time_stamp"].dump()
                before = parse_timestamp_token(token)
                completed = complete_token(token, [world.authority.issuing.der], data)
                after = parse_timestamp_token(completed)
                assert after.value_intact == before.value_intact, path.name
                assert after.imprint == before.imprint
                assert set(before.certificates) < set(after.certificates)
                assert set(before.crls) < set(after.crls)
                assert len(after.ocsps) > len(before.ocsps)
                assert complete_token(completed, [world.authority.issuing.der], data) == completed
                count += 1
    assert count > 20
