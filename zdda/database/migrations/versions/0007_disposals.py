"""Disposals: what is being destroyed and how far, and what stays known of destroyed packages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disposals",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("disposal_id", sa.Uuid(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("clocks", sa.LargeBinary(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("spool_files", sa.LargeBinary(), nullable=False),
        sa.Column("amendment_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "disposal_id", name=op.f("pk_disposals")),
    )
    op.create_index(
        "ix_disposals_unended",
        "disposals",
        ["tenant_id", "disposal_id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "disposal_objects",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("disposal_id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "disposal_id"],
            ["disposals.tenant_id", "disposals.disposal_id"],
            name=op.f("fk_disposal_objects_tenant_id_disposal_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", "kind", "sequence", name=op.f("pk_disposal_objects")),
    )
    op.create_index(
        op.f("ix_disposal_objects_tenant_id_disposal_id"),
        "disposal_objects",
        ["tenant_id", "disposal_id"],
        unique=False,
    )
    op.create_table(
        "disposal_copies",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_id", "kind", "sequence"],
            [
                "disposal_objects.tenant_id",
                "disposal_objects.package_id",
                "disposal_objects.kind",
                "disposal_objects.sequence",
            ],
            name=op.f("fk_disposal_copies_tenant_id_package_id_kind_sequence"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", "kind", "sequence", "site", name=op.f("pk_disposal_copies")),
    )
    op.create_table(
        "destroyed_packages",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("deposit_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency", sa.LargeBinary(), nullable=True),
        sa.Column("retention_class", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=False),
        sa.Column("group_digest", sa.LargeBinary(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_index", sa.Integer(), nullable=False),
        sa.Column("disposal_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", name=op.f("pk_destroyed_packages")),
        sa.UniqueConstraint("tenant_id", "deposit_id", name=op.f("uq_destroyed_packages_tenant_id_deposit_id")),
        sa.UniqueConstraint("tenant_id", "idempotency", name=op.f("uq_destroyed_packages_tenant_id_idempotency")),
    )
