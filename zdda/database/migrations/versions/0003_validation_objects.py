"""Certificates, revocation data and timestamps that packages rest on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "validation_objects",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", "role", name=op.f("pk_validation_objects")),
    )
    op.create_index(
        op.f("ix_validation_objects_tenant_id_valid_until"), "validation_objects", ["tenant_id", "valid_until"]
    )
    op.create_table(
        "validation_object_uses",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("document_number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id",
            "package_id",
            "document_number",
            "sha256",
            "role",
            "signature",
            name=op.f("pk_validation_object_uses"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_id"],
            ["packages.tenant_id", "packages.package_id"],
            name=op.f("fk_validation_object_uses_tenant_id_packages"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sha256", "role"],
            ["validation_objects.tenant_id", "validation_objects.sha256", "validation_objects.role"],
            name=op.f("fk_validation_object_uses_tenant_id_validation_objects"),
        ),
    )
    op.create_index(
        op.f("ix_validation_object_uses_tenant_id_sha256"), "validation_object_uses", ["tenant_id", "sha256", "role"]
    )
