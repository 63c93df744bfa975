"""Amendments: published form, one byte form, readable by any CMS tool."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from package_samples import PACKAGE
from package_signers import AT, pem, signer

from zdda.model.canonical_json import canonical_json
from zdda.model.identifiers import TenantId
from zdda.packaging.amendment import (
    SEALING_STORING_EVIDENCE,
    AmendedPackage,
    Amendment,
    ArchivedPackage,
    SealingStoringEvidence,
    decode_content,
    encode_body,
    encode_content,
    make_amendment,
    read_amendment,
)
from zdda.packaging.cms import sign
from zdda.packaging.errors import AmendmentInvalid, PackageError, SealMalformed
from zdda.packaging.preservation_events import (
    PRESERVATION_EVENTS,
    EventOutcome,
    EventType,
    PreservationEvent,
    PreservationEvents,
)
from zdda.packaging.renewed_validation import VALIDATION, RenewedValidation, ValidatedDocument

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "schemas/amendment-v1.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
BATCH = UUID("019aa0e5-8000-7000-8000-000000000001")
SECOND = UUID("019aa0e5-7b1f-7c3a-8d2e-0123456789ac")


def amendment(count: int = 2) -> Amendment:
    packages = [PACKAGE, SECOND][:count]
    leaves = [bytes([number]) * 32 for number in range(1, count + 1)]
    return Amendment(
        amendment=UUID("019aa0e5-9000-7000-8000-000000000001"),
        tenant=TenantId("hospital-one"),
        created=AT + timedelta(seconds=5),
        kind=SEALING_STORING_EVIDENCE,
        packages=tuple(AmendedPackage(each, 1, leaf) for each, leaf in zip(packages, leaves, strict=True)),
        body=SealingStoringEvidence(
            batch=BATCH,
            batch_time=AT + timedelta(seconds=4),
            packages=tuple(
                ArchivedPackage(each, leaf, number, AT, AT + timedelta(seconds=1), AT + timedelta(seconds=5))
                for number, (each, leaf) in enumerate(zip(packages, leaves, strict=True))
            ),
        ),
    )


def test_it_comes_back() -> None:
    read, facts = read_amendment(make_amendment(amendment(), signer()))
    assert read.packages == amendment().packages
    assert read == replace(amendment(), created=read.created)
    assert facts.certificate == signer().certificate
    assert make_amendment(amendment(), signer()) == make_amendment(read, signer())


def test_content_conforms_to_the_published_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(encode_content(amendment())))
    for example in SCHEMA["examples"]:
        VALIDATOR.validate(example)
        assert encode_content(decode_content(canonical_json(example))) == canonical_json(example)


def test_openssl_prints_the_content(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    (tmp_path / "amendment.p7m").write_bytes(make_amendment(amendment(), signer()))
    (tmp_path / "ca.pem").write_bytes(pem().authority)
    command = "openssl cms -verify -cades -binary -inform DER -in amendment.p7m -CAfile ca.pem -purpose any"
    command += f" -attime {int(AT.timestamp())}"
    run = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == encode_content(amendment())


def test_kinds_of_the_future_can_be_read() -> None:
    future = replace(amendment(), kind="hold-placed", body={"reason": "litigation", "deep": [1, {"a": None}]})
    read, _ = read_amendment(make_amendment(future, signer()))
    assert read.body == future.body
    VALIDATOR.validate(json.loads(encode_content(future)))


POLICY, CATALOGUE = {"name": "p", "deep": {"algorithms": "fail"}}, {"version": "1"}


def renewed(numbers: tuple[int, ...] = (1, 3), policy: dict[str, Any] = POLICY) -> Amendment:
    """New reports on documents of a package."""
    pins = {
        name: {"sha256": hashlib.sha256(canonical_json(rules)).hexdigest()}
        for name, rules in (("policy", POLICY), ("algorithmCatalogue", CATALOGUE))
    }
    documents = tuple(ValidatedDocument(number, "TOTAL_PASSED", {"signatures": [], **pins}) for number in numbers)
    return replace(amendment(1), kind=VALIDATION, body=RenewedValidation(documents, policy, CATALOGUE))


def changed(**members: Any) -> Amendment:
    return replace(renewed(), body={**encode_body(renewed().body), **members})


EVENT = PreservationEvent(EventType.FIXITY_CHECK, AT, EventOutcome.FAIL, "aip", 0, "east", "object-digest")


def test_preservation_events_come_back_and_conform_to_the_schema() -> None:
    events = (EVENT, replace(EVENT, type=EventType.RECOVERY, outcome=EventOutcome.SUCCESS))
    told = replace(amendment(1), kind=PRESERVATION_EVENTS, body=PreservationEvents(events))
    read, _ = read_amendment(make_amendment(told, signer()))
    assert isinstance(read.body, PreservationEvents)
    assert read.body == told.body
    VALIDATOR.validate(json.loads(encode_content(told)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": []},
        {"events": "none"},
        {"events": [{"eventType": "fixity check"}]},
        {"events": [{**PreservationEvents((EVENT,)).as_json()["events"][0], "sequence": -1}]},
        {"events": [{**PreservationEvents((EVENT,)).as_json()["events"][0], "eventOutcome": "unknown"}]},
        {"events": [{**PreservationEvents((EVENT,)).as_json()["events"][0], "more": 1}]},
        {"events": [PreservationEvents((EVENT,)).as_json()["events"][0]] * 1001},
    ],
)
def test_preservation_events_of_another_form_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AmendmentInvalid):
        make_amendment(replace(amendment(1), kind=PRESERVATION_EVENTS, body=wrong), signer())


def test_new_reports_come_back() -> None:
    read, _ = read_amendment(make_amendment(renewed(), signer()))
    assert read.body == renewed().body
    VALIDATOR.validate(json.loads(encode_content(renewed())))


@pytest.mark.parametrize(
    "improper",
    [
        renewed(()),
        renewed((0,)),
        renewed((2, 1)),
        renewed((1, 1)),
        renewed((1, 10_000)),
        renewed((True,)),
        renewed(policy={"name": "another"}),
        replace(renewed(), packages=amendment(2).packages),
        replace(renewed(), body={"documents": []}),
        replace(
            renewed(), body={**encode_body(renewed().body), "documents": [{"number": 1, "verdict": "", "report": {}}]}
        ),
        changed(more=1),
        changed(policy=[]),
    ],
)
def test_reports_by_other_rules_or_out_of_order_are_none(improper: Amendment) -> None:
    with pytest.raises(AmendmentInvalid):
        make_amendment(improper, signer())


def _content(**changes: Any) -> bytes:
    value = json.loads(encode_content(amendment()))
    return canonical_json({**value, **changes})


def _body(**changes: Any) -> bytes:
    value = json.loads(encode_content(amendment()))
    value["body"]["packages"][0].update(changes)
    return canonical_json(value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 200_000,
        encode_content(amendment()) + b"\n",
        _content(format="zdda-amendment/2"),
        _content(extra=1),
        _content(packages=[]),
        _content(kind="Hold"),
        _content(kind="a--b"),
        _content(kind=""),
        _content(kind=7),
        _content(body=[]),
        _content(body={}),
        _content(tenant="Hospital One"),
        _content(created="2026-11-20T12:30:20Z"),
        _content(amendmentId="{019aa0e5-9000-7000-8000-000000000001}"),
        _content(packages=json.loads(encode_content(amendment()))["packages"][::-1]),
        _content(packages=json.loads(encode_content(amendment()))["packages"][:1] * 2),
        _body(groupDigest="ab"),
        _body(groupDigest="AB" * 32),
        _body(leafIndex=-1),
        _body(leafIndex=True),
        _body(leafIndex="0"),
        _body(leafIndex=2**31),
    ],
)
def test_any_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(AmendmentInvalid):
        read_amendment(sign(content, signer(), AT + timedelta(seconds=5), attached=True))


def test_content_out_of_the_schema_is_never_signed() -> None:
    good = amendment()
    for wrong in (replace(good, packages=()), replace(good, kind="No"), replace(good, packages=good.packages[:1])):
        with pytest.raises(AmendmentInvalid):
            make_amendment(wrong, signer())
    with pytest.raises(AmendmentInvalid):
        read_amendment(sign(encode_content(good), signer(), AT, attached=True))


def test_a_detached_signature_is_no_amendment() -> None:
    with pytest.raises(SealMalformed):
        read_amendment(sign(encode_content(amendment()), signer(), AT, attached=False))


@given(st.integers(0, 10_000), st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_is_seen(position: int, bit: int) -> None:
    sealed = make_amendment(amendment(), signer())
    issuer = sealed.index(signer().chain[0])
    position %= len(sealed)
    if issuer <= position < issuer + len(signer().chain[0]):
        return
    changed = bytearray(sealed)
    changed[position] ^= 1 << bit
    with pytest.raises(PackageError):
        read_amendment(bytes(changed))
