"""Databases of both kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.postgresql import blank_database_url, database_url
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.identifiers import TenantId

__all__ = ["blank_database_url", "database_url"]


@pytest.fixture
def database(database_url: str) -> Iterator[TenantDatabase]:
    """One tenant's database, of each kind."""
    engine = open_engine(database_url)
    yield TenantDatabase(engine, TenantId("hospital"))
    engine.dispose()
