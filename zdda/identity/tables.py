"""Accounts of a tenant. Passwords lie as argon2id hashes only."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, PrimaryKeyConstraint, Table, Text

from zdda.database.types import Moment, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    PrimaryKeyConstraint("tenant_id", "name"),
)
