"""The audit's tables: entries wait in the outbox of their transaction until one sequencer chains them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from zdda.database.types import Moment, metadata

audit_outbox = Table(
    "audit_outbox",
    metadata,
    Column("tenant_id", Text, nullable=False, index=True),
    Column("ordinal", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("event", LargeBinary, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "position"),
)
