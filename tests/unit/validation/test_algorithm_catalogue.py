"""The algorithm catalogue against the public policy it is to equal in effect, and its behaviour over time."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

from zdda.crypto.algorithms import AlgorithmCatalogue, Reliability

CATALOGUE = AlgorithmCatalogue()
NAMES = {"RSA": "rsassa_pkcs1v15", "RSASSA-PSS": "rsassa_pss", "PLAIN-ECDSA": "plain_ecdsa", "ECDSA": "ecdsa"}
NAMESPACE = "{http://dss.esig.europa.eu/validation/policy}"


def day(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_it_equals_the_public_policy_in_effect(shared: Path) -> None:
    tree = ElementTree.parse(shared / "corpus" / "policy" / "constraint.xml")
    table = next(iter(tree.iter(f"{NAMESPACE}AlgoExpirationDate")))
    assert day(table.get("UpdateDate")) == CATALOGUE.reviewed
    seen = set()
    for row in table:
        name, size, end = row.text or "", row.get("Size"), day(row.get("Date"))
        if size is None:
            digest = name.lower().replace("-", "_")
            assert CATALOGUE.digests[digest] == end, name
            seen.add(digest)
        else:
            mechanism = NAMES.get(name, name.lower())
            reached = [limit for least, limit in CATALOGUE.keys[mechanism] if int(size) >= least]
            assert reached[-1] == end, (name, size)
            seen.add(mechanism)
    assert seen == set(CATALOGUE.digests) | set(CATALOGUE.keys)
    smallest = {
        algo.text: int(algo.get("Size") or 0) for algo in next(iter(tree.iter(f"{NAMESPACE}MiniPublicKeySize")))
    }
    for name, size in smallest.items():
        assert CATALOGUE.keys[NAMES.get(name or "", (name or "").lower())][0][0] == size


def test_the_day_decides() -> None:
    before, on = datetime(2012, 7, 31, 23, 59, tzinfo=UTC), datetime(2012, 8, 1, tzinfo=UTC)
    assert CATALOGUE.digest_at("sha1", before).reliability is Reliability.RELIABLE
    assert CATALOGUE.digest_at("sha1", on).reliability is Reliability.EXPIRED
    later = datetime(2031, 1, 1, tzinfo=UTC)
    assert CATALOGUE.key_at("rsassa_pkcs1v15", 2048, later).reliability is Reliability.EXPIRED_AFTER_REVIEW
    assert CATALOGUE.key_at("ecdsa", 256, later).reliability is Reliability.RELIABLE


def test_what_is_not_listed_is_not_accepted() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert CATALOGUE.digest_at("sha3_224", now).reliability is Reliability.UNKNOWN
    assert CATALOGUE.digest_at(None, now).reliability is Reliability.UNKNOWN
    assert CATALOGUE.key_at("ed25519", 256, now).reliability is Reliability.UNKNOWN
    assert CATALOGUE.key_at("ecdsa", None, now).reliability is Reliability.UNKNOWN
    assert CATALOGUE.key_at("rsassa_pkcs1v15", 512, now).reliability is Reliability.KEY_TOO_SMALL


def test_the_digest_changes_with_the_content() -> None:
    other = AlgorithmCatalogue(digests={**CATALOGUE.digests, "sha256": datetime(2030, 1, 1, tzinfo=UTC)})
    assert other.digest != CATALOGUE.digest == AlgorithmCatalogue().digest
