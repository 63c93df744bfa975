"""The catalog's tables. ``tenant_id`` leads every key."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from zdda.database.types import Moment, metadata

ON_THE_WAY = text("state NOT IN ('archived', 'rejected')")
"""Deposits that are not at their end: few among many. Queries for them say this word for word, so that the databases
use the index that holds no others."""

UNRECORDED = text("state <> 'recorded'")
"""The same for evidence batches."""

UNSTORED = text("spool_file IS NOT NULL")
"""The same for amendments that are not in the stores yet."""

UNPROVEN = text("batch_id IS NULL")
"""The same for amendments that are in no evidence batch yet."""

UNSETTLED = text("state IN ('missing', 'damaged', 'leaving', 'erasing')")
"""Copies of objects that something has to be done about: few among many, as above."""
UNENDED = text("ended_at IS NULL")
"""The same for disposals that are not at their end."""


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, nullable=False)


deposits = Table(
    "deposits",
    metadata,
    _tenant(),
    Column("deposit_id", Uuid, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("account", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary, nullable=False),
    Column("producer", Text),
    Column("external_id", Text),
    Column("state", Text, nullable=False),
    Column("lease_owner", Text),
    Column("lease_epoch", BigInteger, nullable=False),
    Column("lease_until", Moment),
    Column("deferred_reason", Text),
    Column("not_before", Moment),
    Column("attempts", Integer, nullable=False),
    Column("received_at", Moment, nullable=False),
    # fixed at receipt
    Column("wrapped_data_key", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    Column("retention_class", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("years", Integer, nullable=False),
    Column("retain_until", Moment, nullable=False),
    # fixed at validation
    Column("validated_at", Moment),
    Column("worst", Text),
    Column("flagged", Boolean, nullable=False),
    Column("reports", LargeBinary),
    Column("validation_data_file", Text),
    # fixed at sealing
    Column("sealed_at", Moment),
    Column("container_file", Text),
    Column("object_record", LargeBinary),
    Column("group_digest", LargeBinary),
    # fixed later
    Column("stored_at", Moment),
    Column("batch_id", Uuid),
    Column("leaf_index", Integer),
    Column("archived_at", Moment),
    Column("receipt", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "deposit_id"),
    UniqueConstraint("tenant_id", "package_id"),
    UniqueConstraint("tenant_id", "account", "idempotency_key"),
    UniqueConstraint("tenant_id", "producer", "external_id"),
    Index("ix_deposits_on_the_way", "tenant_id", "deposit_id", sqlite_where=ON_THE_WAY, postgresql_where=ON_THE_WAY),
    Index(None, "tenant_id", "batch_id", "leaf_index"),
)

deposit_documents = Table(
    "deposit_documents",
    metadata,
    _tenant(),
    Column("deposit_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("original_name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("format_name", Text),
    Column("puid", Text),
    Column("length", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("sha512", LargeBinary, nullable=False),
    Column("crc32", BigInteger, nullable=False),
    Column("content_id", LargeBinary, nullable=False),
    Column("verdict", Text),
    Column("spool_file", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "deposit_id", "number"),
    ForeignKeyConstraint(["tenant_id", "deposit_id"], ["deposits.tenant_id", "deposits.deposit_id"]),
    Index(None, "tenant_id", "content_id"),
)

deposit_history = Table(
    "deposit_history",
    metadata,
    _tenant(),
    Column("deposit_id", Uuid, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text),
    PrimaryKeyConstraint("tenant_id", "deposit_id", "ordinal"),
    ForeignKeyConstraint(["tenant_id", "deposit_id"], ["deposits.tenant_id", "deposits.deposit_id"]),
)

packages = Table(
    "packages",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("deposit_id", Uuid, nullable=False),
    Column("account", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary, nullable=False),
    Column("producer", Text),
    Column("external_id", Text),
    Column("title", Text, nullable=False),
    Column("document_type", Text, nullable=False),
    Column("originator", Text),
    Column("created", Text),
    Column("metadata", LargeBinary, nullable=False),
    Column("retention_class", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("years", Integer, nullable=False),
    Column("retain_until", Moment, nullable=False),
    Column("worst", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("sealed_at", Moment, nullable=False),
    Column("stored_at", Moment, nullable=False),
    Column("archived_at", Moment, nullable=False),
    Column("group_digest", LargeBinary, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("leaf_index", Integer, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id"),
    UniqueConstraint("tenant_id", "account", "idempotency_key"),
    UniqueConstraint("tenant_id", "producer", "external_id"),
    Index(None, "tenant_id", "archived_at"),
)

package_documents = Table(
    "package_documents",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("original_name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("format_name", Text),
    Column("puid", Text),
    Column("length", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("sha512", LargeBinary, nullable=False),
    Column("content_id", LargeBinary, nullable=False),
    Column("verdict", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id", "number"),
    ForeignKeyConstraint(["tenant_id", "package_id"], ["packages.tenant_id", "packages.package_id"]),
    Index(None, "tenant_id", "content_id"),
)

subject_identifiers = Table(
    "subject_identifiers",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id", "type", "value"),
    ForeignKeyConstraint(["tenant_id", "package_id"], ["packages.tenant_id", "packages.package_id"]),
    Index(None, "tenant_id", "type", "value"),
)

objects = Table(
    "objects",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("sha512", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("retain_until", Moment, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id", "kind", "sequence"),
    UniqueConstraint("tenant_id", "address"),
)

object_copies = Table(
    "object_copies",
    metadata,
    _tenant(),
    Column("site", Text, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("checked_at", Moment),
    Column("not_before", Moment),
    Column("attempts", Integer, nullable=False),
    Column("problem", Text),
    PrimaryKeyConstraint("tenant_id", "site", "package_id", "kind", "sequence"),
    Index(
        "ix_object_copies_unsettled",
        "tenant_id",
        "site",
        "state",
        "since",
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    ),
    Index("ix_object_copies_checked", "tenant_id", "site", "checked_at", "since"),
    sqlite_with_rowid=False,
)
"""Where each object lies: see ``zdda.catalog.object_copies``."""

evidence_batches = Table(
    "evidence_batches",
    metadata,
    _tenant(),
    Column("batch_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("lease_owner", Text),
    Column("lease_epoch", BigInteger, nullable=False),
    Column("lease_until", Moment),
    Column("deferred_reason", Text),
    Column("not_before", Moment),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disposal_year", Integer, nullable=False),
    Column("retain_until", Moment, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("token", LargeBinary),
    Column("gen_time", Moment),
    Column("batch_file", Text),
    Column("batch_record", LargeBinary),
    Column("recorded_at", Moment),
    Column("amendment_id", Uuid),
    Column("amendment_file", Text),
    Column("amendment_record", LargeBinary),
    Column("amendment_digest", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "batch_id"),
    Index("ix_batches_unrecorded", "tenant_id", "batch_id", sqlite_where=UNRECORDED, postgresql_where=UNRECORDED),
)

evidence_members = Table(
    "evidence_members",
    metadata,
    _tenant(),
    Column("batch_id", Uuid, nullable=False),
    Column("leaf_index", Integer, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "batch_id", "leaf_index"),
    ForeignKeyConstraint(["tenant_id", "batch_id"], ["evidence_batches.tenant_id", "evidence_batches.batch_id"]),
    UniqueConstraint("tenant_id", "package_id", "kind", "sequence"),
)

amendments = Table(
    "amendments",
    metadata,
    _tenant(),
    Column("amendment_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("disposal_year", Integer, nullable=False),
    Column("retain_until", Moment, nullable=False),
    Column("spool_file", Text),
    Column("object_record", LargeBinary),
    Column("batch_id", Uuid),
    PrimaryKeyConstraint("tenant_id", "amendment_id"),
    Index(None, "tenant_id", "disposal_year", "amendment_id"),
    Index("ix_amendments_unstored", "tenant_id", "amendment_id", sqlite_where=UNSTORED, postgresql_where=UNSTORED),
    Index("ix_amendments_unproven", "tenant_id", "amendment_id", sqlite_where=UNPROVEN, postgresql_where=UNPROVEN),
)

amendment_packages = Table(
    "amendment_packages",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("amendment_id", Uuid, nullable=False),
    Column("predecessor", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id", "sequence"),
    ForeignKeyConstraint(["tenant_id", "amendment_id"], ["amendments.tenant_id", "amendments.amendment_id"]),
)

installations = Table(
    "installations",
    metadata,
    _tenant(),
    Column("spool_id", Text),
    Column("rebuilt_to", Uuid),
    Column("placements", Text),
    PrimaryKeyConstraint("tenant_id"),
)

validation_objects = Table(
    "validation_objects",
    metadata,
    _tenant(),
    Column("sha256", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("subject", Text),
    Column("issuer", Text),
    Column("serial", Text),
    Column("valid_from", Moment),
    Column("valid_until", Moment),
    PrimaryKeyConstraint("tenant_id", "sha256", "role"),
    Index(None, "tenant_id", "valid_until"),
)

validation_object_uses = Table(
    "validation_object_uses",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("document_number", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("signature", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id", "document_number", "sha256", "role", "signature"),
    ForeignKeyConstraint(["tenant_id", "package_id"], ["packages.tenant_id", "packages.package_id"]),
    ForeignKeyConstraint(
        ["tenant_id", "sha256", "role"],
        ["validation_objects.tenant_id", "validation_objects.sha256", "validation_objects.role"],
    ),
    Index("ix_validation_object_uses_tenant_id_sha256", "tenant_id", "sha256", "role"),
)

disposals = Table(
    "disposals",
    metadata,
    _tenant(),
    Column("disposal_id", Uuid, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("clocks", LargeBinary, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("spool_files", LargeBinary, nullable=False),
    Column("amendment_id", Uuid),
    Column("ended_at", Moment),
    PrimaryKeyConstraint("tenant_id", "disposal_id"),
    Index("ix_disposals_unended", "tenant_id", "disposal_id", sqlite_where=UNENDED, postgresql_where=UNENDED),
)

disposal_objects = Table(
    "disposal_objects",
    metadata,
    _tenant(),
    Column("disposal_id", Uuid, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("retain_until", Moment, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("leaf", LargeBinary),
    Column("reason", Text, nullable=False),
    # told by each step when it is done
    Column("records", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "package_id", "kind", "sequence"),
    ForeignKeyConstraint(["tenant_id", "disposal_id"], ["disposals.tenant_id", "disposals.disposal_id"]),
    Index(None, "tenant_id", "disposal_id"),
)

disposal_copies = Table(
    "disposal_copies",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("site", Text, nullable=False),
    Column("told", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "package_id", "kind", "sequence", "site"),
    ForeignKeyConstraint(
        ["tenant_id", "package_id", "kind", "sequence"],
        [
            "disposal_objects.tenant_id",
            "disposal_objects.package_id",
            "disposal_objects.kind",
            "disposal_objects.sequence",
        ],
    ),
)

destroyed_packages = Table(
    "destroyed_packages",
    metadata,
    _tenant(),
    Column("package_id", Uuid, nullable=False),
    Column("deposit_id", Uuid, nullable=False),
    Column("idempotency", LargeBinary),
    Column("retention_class", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("retain_until", Moment, nullable=False),
    Column("archived_at", Moment, nullable=False),
    Column("group_digest", LargeBinary, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("leaf_index", Integer, nullable=False),
    Column("disposal_id", Uuid, nullable=False),
    PrimaryKeyConstraint("tenant_id", "package_id"),
    UniqueConstraint("tenant_id", "deposit_id"),
    UniqueConstraint("tenant_id", "idempotency"),
)

store_moves = Table(
    "store_moves",
    metadata,
    _tenant(),
    Column("move_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text),
    Column("classes", LargeBinary, nullable=False),
    Column("lasting", Boolean, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("ordered_at", Moment, nullable=False),
    Column("ended_at", Moment),
    PrimaryKeyConstraint("tenant_id", "move_id"),
)
"""What is to leave which site: see ``zdda.catalog.store_moves``."""
