"""Alembic runs this: its revisions on the connection that `upgrade` was given."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
# The caller's transaction holds all of it.
context.configure(connection=connection, transactional_ddl=False)
context.run_migrations()
