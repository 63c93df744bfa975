"""The validation policy as a document: the shipped one, the published schema, hostile and faulty ones, effects."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import zdda.validation.policy_document
from tests.unit.validation.facts_laboratory import CA, ROOT, Facts, certificate, day, signature, told
from zdda.trust.revocation import Doubt
from zdda.validation.constraints import Level
from zdda.validation.evidence_at_hand import without_waived_doubts
from zdda.validation.policy import CertificatePolicy, RevocationPolicy, TokenPolicy, ValidationPolicy
from zdda.validation.policy_document import FORMAT, MAXIMUM_LENGTH, PolicyError, read_policy, write_policy
from zdda.validation.processes import judge

ROOT_FOLDER = Path(__file__).resolve().parents[3]
SHIPPED = Path(zdda.validation.policy_document.__file__).with_name("default-policy.toml")
SCHEMA = json.loads((ROOT_FOLDER / "schemas" / "validation-policy-v1.json").read_text("utf-8"))
VALID = Draft202012Validator(SCHEMA)
HEAD = f'format = "{FORMAT}"\nname = "mine"\n'
NOW = day(2025)


def mine(text: str) -> ValidationPolicy:
    content = (HEAD + text).encode()
    VALID.validate(tomllib.loads(content.decode()))
    return read_policy(content)


def test_the_shipped_document_is_the_default_and_says_everything() -> None:
    text = SHIPPED.read_text("utf-8")
    assert read_policy(text.encode()) == ValidationPolicy()
    assert text.endswith(write_policy(ValidationPolicy()))
    VALID.validate(tomllib.loads(text))


def test_the_schema_knows_exactly_the_members_that_the_policy_has() -> None:
    for name, kind in (("token", TokenPolicy), ("certificate", CertificatePolicy), ("revocation", RevocationPolicy)):
        assert set(SCHEMA["$defs"][name]["properties"]) == {field.name for field in fields(kind)}
    assert set(SCHEMA["properties"]) == {"format", *(field.name for field in fields(ValidationPolicy))}


def test_a_document_says_what_differs_and_its_digest_tells_it_apart() -> None:
    policy = mine('[signature.signer]\nkey_usage = ["digital_signature"]\nkey_usage_level = "fail"')
    assert policy.name == "mine"
    assert policy.signature.signer.key_usage == {"digital_signature"}
    assert policy.signature.signer.key_usage_level is Level.FAIL
    assert policy.signature.ca == ValidationPolicy().signature.ca
    assert policy.counter_signature == ValidationPolicy().counter_signature
    assert policy.digest != replace(ValidationPolicy(), name="mine").digest
    assert read_policy(write_policy(policy).encode()) == policy


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"not toml",
        b'format = "zdda-validation-policy/2"\nname = "x"',
        f'format = "{FORMAT}"'.encode(),
        (HEAD + "unknown = 1").encode(),
        (HEAD + "[signature]\nsignature_intact = 'ignore'").encode(),
        (HEAD + 'algorithms = "never"').encode(),
        (HEAD + "algorithms = true").encode(),
        (HEAD + 'signature = "fail"').encode(),
        (HEAD + "[signature]\nexpired_needs_valid_revocation_issuer = 1").encode(),
        (HEAD + '[signature.signer]\nkey_usage = ["anything"]').encode(),
        (HEAD + '[signature.signer]\nextended_key_usage = ["1.2.x"]').encode(),
        (HEAD + "[signature.signer]\nextended_key_usage = [1]").encode(),
        (HEAD + "[signature]\ndigest = 1").encode(),
        f'format = "{FORMAT}"\nname = "{"x" * 101}"'.encode(),
        (HEAD + "x = " + "[" * 3000 + "]" * 3000).encode(),
        b"#" * (MAXIMUM_LENGTH + 1),
    ],
)
def test_what_is_no_policy_is_refused(document: bytes) -> None:
    with pytest.raises(PolicyError):
        read_policy(document)


def test_counter_signatures_have_levels_of_their_own() -> None:
    policy = mine('[counter_signature]\nsigning_time_in_certificate_validity = "warn"')
    facts = Facts(NOW, policy)
    hour = timedelta(hours=1)
    signer = facts.trust(certificate("signer", start=day(2020)), [told(CA, NOW - hour)], [told(ROOT, NOW - hour)])
    early = signature(signer, day(2019))
    counter = replace(early, counter=True)
    assert judge([early], [], facts).signatures[0].conclusion.subindication == "SIG_CONSTRAINTS_FAILURE"
    assert judge([counter], [], facts).signatures[0].conclusion.passed


def test_doubts_about_revocation_data_are_passed_over_only_where_the_policy_says_so() -> None:
    facts = Facts(NOW)
    doubtful = [replace(told(CA, NOW), doubts=(doubt,)) for doubt in Doubt]
    leaf = facts.trust(certificate("signer"), doubtful, [])
    path = facts.path_of(leaf)
    assert without_waived_doubts(path, RevocationPolicy()) is path
    lax = mine("[revocation]\n" + "\n".join(f'{field.name} = "warn"' for field in fields(RevocationPolicy))).revocation
    kept = {doubt for fact in without_waived_doubts(path, lax).members[0].revocation for doubt in fact.doubts}
    assert {Doubt.STATUS_UNKNOWN, Doubt.RESPONDER_REVOKED} <= kept
    assert len(kept) == len(Doubt) - len(fields(RevocationPolicy))
