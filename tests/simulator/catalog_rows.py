"""Rows of the catalog as reception writes them, for tests that need no archive around them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from zdda.catalog.deposits import NewDeposit, SpooledDocument
from zdda.model.submission import DocumentDescription

RECEIVED_AT = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
_numbers = count(1)


def new_deposit(**changes: Any) -> NewDeposit:
    """A deposit with identifiers of its own, in the order of their making."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "deposit_id": UUID(int=number << 64),
        "package_id": UUID(int=(number << 64) + 1),
        "account": "kis",
        "correlation_id": "-",
        "idempotency_key": None,
        "request_digest": bytes(32),
        "external_id": None,
        "received_at": RECEIVED_AT,
        "wrapped_data_key": bytes(60),
        "generation": 1,
        "metadata": b"{}",
        "retention_class": "medical-record",
        "mark": "S",
        "years": 5,
        "retain_until": datetime(2032, 1, 1, tzinfo=UTC),
    }
    return NewDeposit(**(values | changes))


def spooled_document(number: int = 1, spool_file: str | None = None) -> SpooledDocument:
    description = DocumentDescription(
        number=number,
        role="main" if number == 1 else "attachment",
        original_name=f"{number}.pdf",
        media_type="application/pdf",
        length=3,
        sha256=bytes(32),
        sha512=bytes(64),
        crc32=0,
    )
    return SpooledDocument(description, bytes(32), spool_file or f"spooled-{number}")
