"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_accounts")),
    )
    op.create_table(
        "amendments",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("amendment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("disposal_year", sa.Integer(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "amendment_id", name=op.f("pk_amendments")),
    )
    op.create_index(
        op.f("ix_amendments_tenant_id_disposal_year_amendment_id"),
        "amendments",
        ["tenant_id", "disposal_year", "amendment_id"],
        unique=False,
    )
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "position", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_audit_outbox")),
    )
    op.create_index(op.f("ix_audit_outbox_tenant_id"), "audit_outbox", ["tenant_id"], unique=False)
    op.create_table(
        "deposits",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("deposit_id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("deferred_reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("wrapped_data_key", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.Column("retention_class", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.Column("validated_at", sa.BigInteger(), nullable=True),
        sa.Column("worst", sa.Text(), nullable=True),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("reports", sa.LargeBinary(), nullable=True),
        sa.Column("validation_data_file", sa.Text(), nullable=True),
        sa.Column("sealed_at", sa.BigInteger(), nullable=True),
        sa.Column("container_file", sa.Text(), nullable=True),
        sa.Column("object_record", sa.LargeBinary(), nullable=True),
        sa.Column("group_digest", sa.LargeBinary(), nullable=True),
        sa.Column("stored_at", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("leaf_index", sa.Integer(), nullable=True),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "deposit_id", name=op.f("pk_deposits")),
        sa.UniqueConstraint(
            "tenant_id", "account", "idempotency_key", name=op.f("uq_deposits_tenant_id_account_idempotency_key")
        ),
        sa.UniqueConstraint("tenant_id", "package_id", name=op.f("uq_deposits_tenant_id_package_id")),
        sa.UniqueConstraint(
            "tenant_id", "producer", "external_id", name=op.f("uq_deposits_tenant_id_producer_external_id")
        ),
    )
    op.create_index(
        "ix_deposits_on_the_way",
        "deposits",
        ["tenant_id", "deposit_id"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('archived', 'rejected')"),
        postgresql_where=sa.text("state NOT IN ('archived', 'rejected')"),
    )
    op.create_index(
        op.f("ix_deposits_tenant_id_batch_id_leaf_index"),
        "deposits",
        ["tenant_id", "batch_id", "leaf_index"],
        unique=False,
    )
    op.create_table(
        "evidence_batches",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("deferred_reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disposal_year", sa.Integer(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("gen_time", sa.BigInteger(), nullable=True),
        sa.Column("batch_file", sa.Text(), nullable=True),
        sa.Column("batch_record", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=True),
        sa.Column("amendment_id", sa.Uuid(), nullable=True),
        sa.Column("amendment_file", sa.Text(), nullable=True),
        sa.Column("amendment_record", sa.LargeBinary(), nullable=True),
        sa.Column("amendment_digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "batch_id", name=op.f("pk_evidence_batches")),
    )
    op.create_index(
        "ix_batches_unrecorded",
        "evidence_batches",
        ["tenant_id", "batch_id"],
        unique=False,
        sqlite_where=sa.text("state <> 'recorded'"),
        postgresql_where=sa.text("state <> 'recorded'"),
    )
    op.create_table(
        "objects",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha512", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", "kind", "sequence", name=op.f("pk_objects")),
        sa.UniqueConstraint("tenant_id", "address", name=op.f("uq_objects_tenant_id_address")),
    )
    op.create_table(
        "packages",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("deposit_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("originator", sa.Text(), nullable=True),
        sa.Column("created", sa.Text(), nullable=True),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.Column("retention_class", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.Column("worst", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=False),
        sa.Column("group_digest", sa.LargeBinary(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_index", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", name=op.f("pk_packages")),
        sa.UniqueConstraint(
            "tenant_id", "account", "idempotency_key", name=op.f("uq_packages_tenant_id_account_idempotency_key")
        ),
        sa.UniqueConstraint(
            "tenant_id", "producer", "external_id", name=op.f("uq_packages_tenant_id_producer_external_id")
        ),
    )
    op.create_index(op.f("ix_packages_tenant_id_archived_at"), "packages", ["tenant_id", "archived_at"], unique=False)
    op.create_table(
        "amendment_packages",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("amendment_id", sa.Uuid(), nullable=False),
        sa.Column("predecessor", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "amendment_id"],
            ["amendments.tenant_id", "amendments.amendment_id"],
            name=op.f("fk_amendment_packages_tenant_id_amendment_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", "sequence", name=op.f("pk_amendment_packages")),
    )
    op.create_table(
        "deposit_documents",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("deposit_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("original_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("format_name", sa.Text(), nullable=True),
        sa.Column("puid", sa.Text(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sha512", sa.LargeBinary(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.LargeBinary(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("spool_file", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "deposit_id"],
            ["deposits.tenant_id", "deposits.deposit_id"],
            name=op.f("fk_deposit_documents_tenant_id_deposit_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "deposit_id", "number", name=op.f("pk_deposit_documents")),
    )
    op.create_index(
        op.f("ix_deposit_documents_tenant_id_content_id"),
        "deposit_documents",
        ["tenant_id", "content_id"],
        unique=False,
    )
    op.create_table(
        "deposit_history",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("deposit_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "deposit_id"],
            ["deposits.tenant_id", "deposits.deposit_id"],
            name=op.f("fk_deposit_history_tenant_id_deposit_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "deposit_id", "ordinal", name=op.f("pk_deposit_history")),
    )
    op.create_table(
        "evidence_members",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_index", sa.Integer(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "batch_id"],
            ["evidence_batches.tenant_id", "evidence_batches.batch_id"],
            name=op.f("fk_evidence_members_tenant_id_batch_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "batch_id", "leaf_index", name=op.f("pk_evidence_members")),
        sa.UniqueConstraint(
            "tenant_id",
            "package_id",
            "kind",
            "sequence",
            name=op.f("uq_evidence_members_tenant_id_package_id_kind_sequence"),
        ),
    )
    op.create_table(
        "package_documents",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("original_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("format_name", sa.Text(), nullable=True),
        sa.Column("puid", sa.Text(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sha512", sa.LargeBinary(), nullable=False),
        sa.Column("content_id", sa.LargeBinary(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_id"],
            ["packages.tenant_id", "packages.package_id"],
            name=op.f("fk_package_documents_tenant_id_package_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", "number", name=op.f("pk_package_documents")),
    )
    op.create_index(
        op.f("ix_package_documents_tenant_id_content_id"),
        "package_documents",
        ["tenant_id", "content_id"],
        unique=False,
    )
    op.create_table(
        "subject_identifiers",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_id"],
            ["packages.tenant_id", "packages.package_id"],
            name=op.f("fk_subject_identifiers_tenant_id_package_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", "type", "value", name=op.f("pk_subject_identifiers")),
    )
    op.create_index(
        op.f("ix_subject_identifiers_tenant_id_type_value"),
        "subject_identifiers",
        ["tenant_id", "type", "value"],
        unique=False,
    )
