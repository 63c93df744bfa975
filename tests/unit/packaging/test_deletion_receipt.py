"""Deletion receipts: published form, one byte form, golden bytes; what cannot be is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from package_signers import signer

from zdda.model.identifiers import TenantId
from zdda.packaging.amendment import AmendedPackage, Amendment, encode_content, make_amendment, read_amendment
from zdda.packaging.deletion_receipt import (
    DISPOSAL,
    DeletionReceipt,
    DestroyedCopy,
    DestroyedObject,
    DestroyedPackage,
    DestroyedRecord,
    read_deletion_receipt,
)
from zdda.packaging.errors import AmendmentInvalid

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "packaging"
VALIDATOR = Draft202012Validator(json.loads((ROOT / "schemas/deletion-receipt-v1.json").read_text("utf-8")))
AMENDMENTS = Draft202012Validator(json.loads((ROOT / "schemas/amendment-v1.json").read_text("utf-8")))
PACKAGE = UUID("019aa0e5-7b1f-7c3a-8d2e-0123456789ab")
AT = datetime(2032, 6, 1, 12, 0, 0, tzinfo=UTC)


def receipt() -> DeletionReceipt:
    copy = DestroyedCopy(
        "main", "erased", "overwritten-in-place", AT, ("zeros", "ones", "random"), {"inode": "17", "length": "4096"}
    )
    return DeletionReceipt(
        disposal=UUID("019aa0e5-a000-7000-8000-000000000001"),
        decided_by="archivist",
        decided_at=AT,
        ended_at=AT,
        clocks={"system": AT, "timestamp": AT, "store:main": AT},
        plan=b"\x01" * 32,
        token=b"a token",
        packages=(
            DestroyedPackage(
                package=PACKAGE,
                deposit=UUID("019aa0e5-7b1f-7c3a-8d2e-0123456789aa"),
                idempotency=b"\x02" * 32,
                retention_class="medical-record",
                mark="S",
                retain_until=datetime(2032, 1, 1, tzinfo=UTC),
                archived_at=datetime(2026, 11, 20, tzinfo=UTC),
                group_digest=b"\x03" * 32,
                batch=UUID("019aa0e5-8000-7000-8000-000000000001"),
                leaf_index=0,
            ),
        ),
        objects=(
            DestroyedObject(
                package=PACKAGE,
                kind="aip",
                sequence=0,
                address="sha256:" + "04" * 32,
                length=4096,
                retain_until=datetime(2032, 1, 1, tzinfo=UTC),
                generation=1,
                leaf=b"\x03" * 32,
                reason="its time is over",
                records=(DestroyedRecord("key-area-1", AT), DestroyedRecord("key-area-2", AT)),
                copies=(copy,),
            ),
        ),
    )


def amendment(body: DeletionReceipt | None = None) -> Amendment:
    return Amendment(
        amendment=UUID("019aa0e5-b000-7000-8000-000000000001"),
        tenant=TenantId("hospital-one"),
        created=AT,
        kind=DISPOSAL,
        packages=(AmendedPackage(PACKAGE, 2, b"\x05" * 32),),
        body=body or receipt(),
    )


def write_golden() -> None:
    """Makes the files of this version; run by hand, once."""
    (GOLDEN / "deletion-receipt-v1.p7m").write_bytes(make_amendment(amendment(), signer()))
    (GOLDEN / "deletion-receipt-v1.json").write_bytes(encode_content(amendment()))


def test_a_receipt_of_version_1_is_read_and_still_written_the_same() -> None:
    sealed = (GOLDEN / "deletion-receipt-v1.p7m").read_bytes()
    read, facts = read_amendment(sealed)
    assert read == amendment()
    assert encode_content(read) == (GOLDEN / "deletion-receipt-v1.json").read_bytes() == facts.content
    assert make_amendment(amendment(), signer()) == sealed


def test_a_receipt_is_in_the_published_form() -> None:
    VALIDATOR.validate(receipt().as_json())
    AMENDMENTS.validate(json.loads(encode_content(amendment())))
    assert read_deletion_receipt(receipt().as_json()) == receipt()


@pytest.mark.parametrize(
    "change",
    [
        {"plan": "00"},
        {"objects": []},
        {"decidedBy": ""},
        {"clocks": {}},
        {"timestampToken": ""},
        {"timestampToken": "?"},
        {"format": "zdda-deletion-receipt/2"},
        {"disposalId": "x"},
        {"packages": [*receipt().as_json()["packages"] * 2]},
        {"objects": [*receipt().as_json()["objects"] * 2]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_no_receipt_can_say_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_deletion_receipt(receipt().as_json() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "secret"},
        {"length": -1},
        {"leaf": "00"},
        {"address": "sha256:00"},
        {"records": []},
        {"copies": []},
        {"generation": "1"},
        {"reason": "x" * 100_001},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_no_object_can_be_is_refused(change: dict[str, Any]) -> None:
    value = receipt().as_json()
    value["objects"] = [value["objects"][0] | change]
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_deletion_receipt(value)


def test_a_receipt_is_about_the_packages_that_its_amendment_covers() -> None:
    other = replace(receipt().packages[0], package=UUID(int=5))
    with pytest.raises(AmendmentInvalid):
        make_amendment(amendment(replace(receipt(), packages=(other,))), signer())
