"""Transactions: what is committed, what is rolled back, who waits for whom."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from zdda.database.engine import DatabaseUnavailable, answers, open_engine, write
from zdda.database.session import TenantDatabase
from zdda.database.types import Moment, database_now
from zdda.identity.tables import accounts
from zdda.model.errors import InvalidInput

MOMENT = datetime(2026, 11, 20, 12, 30, 15, 123000, tzinfo=UTC)


def add(database: TenantDatabase, name: str, *, failing: bool = False, at: datetime = MOMENT) -> None:
    with database.write() as tx:
        tx.execute(
            insert(accounts).values(
                tenant_id=tx.tenant, name=name, password_hash="-", roles="", disabled=False, created_at=at
            )
        )
        if failing:
            raise RuntimeError


def names(database: TenantDatabase) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(accounts.c.name).order_by(accounts.c.name)).scalars())


def test_what_raises_is_rolled_back(database: TenantDatabase) -> None:
    add(database, "kept")
    with pytest.raises(RuntimeError):
        add(database, "lost", failing=True)
    assert names(database) == ["kept"]


def test_a_reader_never_waits_for_a_writer(database: TenantDatabase) -> None:
    with database.write() as tx:
        tx.execute(
            insert(accounts).values(
                tenant_id=tx.tenant, name="unseen", password_hash="-", roles="", disabled=False, created_at=MOMENT
            )
        )
        assert names(database) == []
    assert names(database) == ["unseen"]


def test_writers_of_many_threads_all_come_to_their_turn(database: TenantDatabase) -> None:
    threads = [threading.Thread(target=add, args=(database, f"a{number:02}")) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 24


def test_moments_are_exact_and_have_a_zone(database: TenantDatabase) -> None:
    prague = timezone(timedelta(hours=1))
    add(database, "here", at=MOMENT.astimezone(prague))
    with database.read() as tx:
        assert tx.execute(select(accounts.c.created_at)).scalar_one() == MOMENT
    with pytest.raises(Exception, match="time zone"):
        add(database, "nowhere", at=MOMENT.replace(tzinfo=None))
    assert Moment().process_bind_param(None, database.engine.dialect) is None


def test_the_clock_of_the_database_goes_on_within_a_transaction(database: TenantDatabase) -> None:
    with database.write() as tx:
        first = tx.execute(select(database_now())).scalar_one()
        threading.Event().wait(0.005)
        second = tx.execute(select(database_now())).scalar_one()
    assert first < second < first + timedelta(minutes=1)
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_database_that_is_away_says_so(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no-such-folder/x.db", f"postgresql://zdda@/x?host={tmp_path}"):
        engine = open_engine(url)
        assert not answers(engine)
        with pytest.raises(DatabaseUnavailable) as raised, write(engine):
            pass
        assert str(tmp_path) not in str(raised.value)
        engine.dispose()


def test_a_database_that_answers(database: TenantDatabase) -> None:
    assert answers(database.engine)


def test_other_databases_are_refused() -> None:
    with pytest.raises(InvalidInput):
        open_engine("mysql://localhost/zdda")


def test_sqlite_is_as_durable_as_acknowledgements_need(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    engine.dispose()
