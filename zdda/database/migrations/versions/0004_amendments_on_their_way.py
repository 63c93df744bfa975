"""Amendments that are listed before they lie in the stores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amendments", sa.Column("spool_file", sa.Text(), nullable=True))
    op.add_column("amendments", sa.Column("object_record", sa.LargeBinary(), nullable=True))
    op.create_index(
        "ix_amendments_unstored",
        "amendments",
        ["tenant_id", "amendment_id"],
        unique=False,
        sqlite_where=sa.text("spool_file IS NOT NULL"),
        postgresql_where=sa.text("spool_file IS NOT NULL"),
    )
