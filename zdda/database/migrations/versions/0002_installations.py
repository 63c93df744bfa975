"""What a catalog belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installations",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("spool_id", sa.Text(), nullable=True),
        sa.Column("rebuilt_to", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_installations")),
    )
