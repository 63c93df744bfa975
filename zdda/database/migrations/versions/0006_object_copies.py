"""Where each object lies: until now all lay in the one store, called main."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UNSETTLED = "state IN ('missing', 'damaged', 'leaving', 'erasing')"


def upgrade() -> None:
    op.create_table(
        "object_copies",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "site", "package_id", "kind", "sequence", name=op.f("pk_object_copies")),
        sqlite_with_rowid=False,
    )
    op.get_bind().execute(
        sa.text(
            "INSERT INTO object_copies (tenant_id, site, package_id, kind, sequence, state, since, attempts) "
            "SELECT tenant_id, 'main', package_id, kind, sequence, 'present', :since, 0 FROM objects"
        ),
        {"since": time.time_ns() // 1000},
    )
    op.create_index(
        "ix_object_copies_unsettled",
        "object_copies",
        ["tenant_id", "site", "state", "since"],
        sqlite_where=sa.text(_UNSETTLED),
        postgresql_where=sa.text(_UNSETTLED),
    )
    op.create_index("ix_object_copies_checked", "object_copies", ["tenant_id", "site", "checked_at", "since"])
    op.add_column("installations", sa.Column("placements", sa.Text(), nullable=True))
