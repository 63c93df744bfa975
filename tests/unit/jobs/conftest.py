"""What the tests of jobs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.postgresql import fresh_database
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.identifiers import TenantId


@pytest.fixture
def database(tmp_path: Path) -> Iterator[TenantDatabase]:
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_engine(url)
        yield TenantDatabase(engine, TenantId("hospital"))
        engine.dispose()
