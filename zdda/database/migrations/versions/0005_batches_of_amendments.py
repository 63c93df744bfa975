"""Which evidence batch an amendment is in: those that wait for one are found among many that do not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amendments", sa.Column("batch_id", sa.Uuid(), nullable=True))
    op.execute(
        "UPDATE amendments SET batch_id = (SELECT evidence_members.batch_id FROM evidence_members "
        "WHERE evidence_members.tenant_id = amendments.tenant_id AND evidence_members.kind = 'amendment' "
        "AND evidence_members.package_id = amendments.amendment_id AND evidence_members.sequence = 0)"
    )
    op.create_index(
        "ix_amendments_unproven",
        "amendments",
        ["tenant_id", "amendment_id"],
        unique=False,
        sqlite_where=sa.text("batch_id IS NULL"),
        postgresql_where=sa.text("batch_id IS NULL"),
    )
