"""The algorithm catalogue from the JSON form of ETSI TS 119 322."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from zdda.crypto.algorithm_document import MAXIMUM_LENGTH, CatalogueError, read_catalogue
from zdda.crypto.algorithms import AlgorithmCatalogue, Reliability


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def algorithm(oid: str, *evaluations: dict[str, Any]) -> dict[str, Any]:
    return {"AlgorithmIdentifier": {"Name": oid, "ObjectIdentifier": oid}, "Evaluation": list(evaluations)}


def until(end: str | None = None, usage: str | None = None, **sizes: tuple[int, int | None]) -> dict[str, Any]:
    given: dict[str, Any] = {"Validity": {} if end is None else {"End": end}}
    if usage is not None:
        given["AlgorithmUsage"] = f"http://uri.etsi.org/19322/{usage}"
    parameters = []
    for name, (least, most) in sizes.items():
        parameters.append({"name": name, "Min": least, **({} if most is None else {"Max": most})})
    return {**given, **({"Parameter": parameters} if parameters else {})}


DOCUMENT: dict[str, Any] = {
    "PolicyName": {"Name": "Test catalogue"},
    "Publisher": {"Name": "Nobody"},
    "PolicyIssueDate": "2025-01-01T00:00:00Z",
    "Algorithm": [
        algorithm("1.3.14.3.2.26", until("2012-08-01")),
        algorithm("2.16.840.1.101.3.4.2.1", until(None)),
        algorithm(
            "1.2.840.113549.1.1.1",
            until("2019-10-01", moduluslength=(1024, None)),
            until("2029-01-01", moduluslength=(1900, None)),
        ),
        algorithm("1.2.840.10040.4.1", until("2029-01-01", plength=(2048, None), qlength=(224, None))),
        algorithm("1.2.840.10045.4.1", until("2012-08-01", plength=(224, None))),
        algorithm("1.2.840.10045.4.3.2", until("2021-10-01", plength=(224, None)), until(None, plength=(256, None))),
        algorithm("1.2.3.4", until(None)),
    ],
}


def catalogue(content: Any = None) -> AlgorithmCatalogue:
    return read_catalogue(json.dumps(DOCUMENT if content is None else content).encode())


def changed(**members: Any) -> Any:
    return {**copy.deepcopy(DOCUMENT), **members}


def test_digests_and_keys_with_their_ends() -> None:
    found = catalogue()
    assert found.version == "Test catalogue"
    assert found.digest_at("sha1", day("2012-07-31")).reliability is Reliability.RELIABLE
    assert found.digest_at("sha1", day("2012-08-01")).reliability is Reliability.EXPIRED
    assert found.digest_at("sha256", day("2999-01-01")).reliability is Reliability.RELIABLE
    assert found.digest_at("sha512", day("2020-01-01")).reliability is Reliability.UNKNOWN
    rsa = "rsassa_pkcs1v15"
    assert found.key_at(rsa, 1023, day("2010-01-01")).reliability is Reliability.KEY_TOO_SMALL
    assert found.key_at(rsa, 1024, day("2019-10-01")).reliability is Reliability.EXPIRED
    assert found.key_at(rsa, 2048, day("2028-12-31")).reliability is Reliability.RELIABLE
    assert found.key_at(rsa, 2048, day("2029-01-01")).reliability is Reliability.EXPIRED_AFTER_REVIEW
    assert found.key_at("dsa", 2048, day("2020-01-01")).reliability is Reliability.RELIABLE
    assert found.key_at("dsa", 1024, day("2020-01-01")).reliability is Reliability.KEY_TOO_SMALL


def test_a_mechanism_that_stands_in_suites_only_lasts_as_long_as_the_last_of_them() -> None:
    found = catalogue()
    assert found.key_at("ecdsa", 224, day("2021-09-30")).reliability is Reliability.RELIABLE
    assert found.key_at("ecdsa", 224, day("2021-10-01")).reliability is Reliability.EXPIRED
    assert found.key_at("ecdsa", 256, day("2040-01-01")).reliability is Reliability.RELIABLE
    assert found.key_at("ecdsa", 192, day("2010-01-01")).reliability is Reliability.KEY_TOO_SMALL
    assert found.key_at("plain_ecdsa", 256, day("2020-01-01")).reliability is Reliability.UNKNOWN


def test_what_is_said_of_validating_counts_before_what_is_said_of_signing() -> None:
    sha = "2.16.840.1.101.3.4.2.1"
    rows = [until("2020-01-01", "sign_data"), until("2030-01-01", "validate_data")]
    found = catalogue(changed(Algorithm=[algorithm(sha, *rows)]))
    assert found.digests == {"sha256": day("2030-01-01")}
    alone = catalogue(changed(Algorithm=[algorithm(sha, rows[0])]))
    assert alone.digests == {"sha256": day("2020-01-01")}


def test_of_two_ends_for_the_same_the_earlier_counts_and_above_the_largest_size_nothing() -> None:
    rsa = "1.2.840.113549.1.1.1"
    rows = [until("2030-01-01", moduluslength=(2048, 4096)), until("2025-01-01", moduluslength=(2048, 4096))]
    found = catalogue(changed(Algorithm=[algorithm(rsa, *rows)]))
    assert found.key_at("rsassa_pkcs1v15", 4096, day("2024-12-31")).reliability is Reliability.RELIABLE
    assert found.key_at("rsassa_pkcs1v15", 4096, day("2025-01-01")).reliability is not Reliability.RELIABLE
    assert found.key_at("rsassa_pkcs1v15", 4097, day("2020-01-01")).reliability is Reliability.EXPIRED


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b" " * (MAXIMUM_LENGTH + 1),
        json.dumps(changed(Algorithm={})).encode(),
        json.dumps(changed(PolicyIssueDate="yesterday")).encode(),
        json.dumps(changed(PolicyName={"Name": 1})).encode(),
        json.dumps(changed(Algorithm=[{"Evaluation": []}])).encode(),
        json.dumps(changed(Algorithm=[algorithm("1.3.14.3.2.26")])).encode(),
        json.dumps(changed(Algorithm=[algorithm("1.3.14.3.2.26", until("soon"))])).encode(),
        json.dumps(changed(Algorithm=[algorithm("1.2.840.113549.1.1.1", until(moduluslength=(-1, None)))])).encode(),
        json.dumps(changed(Algorithm=[algorithm("1.3.14.3.2.26", until())] * 1001)).encode(),
    ],
)
def test_what_is_no_catalogue_is_refused(document: bytes) -> None:
    with pytest.raises(CatalogueError):
        read_catalogue(document)


def test_the_document_of_these_tests_is_valid_by_the_published_schema(shared: Path) -> None:
    schema = json.loads((shared / "reference" / "19322algocatjsonschemaV121.json").read_text("utf-8"))
    definition = {**schema, "$ref": "#/definitions/SecuritySuitabilityPolicyType"}
    Draft7Validator(definition).validate(DOCUMENT)
