"""Alembic's entry: migrations run on the connection that ``zdda.database.migration`` gives."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite", transactional_ddl=True)
context.run_migrations()
