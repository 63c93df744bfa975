"""The audit log, on every database: an entry is true with its transaction, chained once, and nothing goes unseen."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from zdda.audit.chain import GENESIS, AuditBroken, Chained, entry_bytes, link, verify_chain
from zdda.audit.log import entries, record, sequence
from zdda.audit.tables import audit_log, audit_outbox
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.identifiers import TenantId

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
AT = datetime(2026, 11, 20, 12, 30, 15, 123000, tzinfo=UTC)


def note(database: TenantDatabase, *numbers: int) -> None:
    for number in numbers:
        with database.write() as tx:
            record(tx, AT, "deposit-received", number=number)


def chain(database: TenantDatabase) -> list[Chained]:
    with database.read() as tx:
        return list(entries(tx))


def test_entries_are_chained_in_the_order_of_their_transactions(database: TenantDatabase) -> None:
    note(database, *range(5))
    assert sequence(database, limit=2) == 2
    assert sequence(database) == 3
    assert sequence(database) == 0
    found = chain(database)
    assert [each.entry for each in found] == [
        entry_bytes("hospital", AT, "deposit-received", {"number": number}) for number in range(5)
    ]
    assert verify_chain(found) == (5, found[-1].hash)


def failing(database: TenantDatabase) -> None:
    with database.write() as tx:
        record(tx, AT, "never", number=2)
        raise RuntimeError


def test_what_is_rolled_back_did_not_happen(database: TenantDatabase) -> None:
    with pytest.raises(RuntimeError):
        failing(database)
    assert sequence(database) == 0


def test_the_chain_goes_on_from_where_it_was(database: TenantDatabase) -> None:
    note(database, 1, 2)
    sequence(database)
    position, head = verify_chain(chain(database))
    note(database, 3)
    sequence(database)
    with database.read() as tx:
        assert verify_chain(entries(tx, position), head, position)[0] == 3


def test_sequencers_and_writers_at_once_chain_each_entry_once(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(4)]
    databases = [TenantDatabase(engine, TenantId("hospital")) for engine in engines]
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        begin.wait()
        for each in range(10):
            note(databases[number], number * 100 + each)
            sequence(databases[number], limit=3)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while sequence(databases[0]):
        pass
    found = chain(databases[0])
    assert verify_chain(found)[0] == 40
    assert len({each.entry for each in found}) == 40
    with databases[0].read() as tx:
        assert tx.execute(select(func.count()).select_from(audit_outbox)).scalar_one() == 0
    for engine in engines:
        engine.dispose()


def test_tenants_have_chains_of_their_own(database: TenantDatabase) -> None:
    other = TenantDatabase(database.engine, TenantId("other"))
    note(database, 1)
    note(other, 2)
    note(database, 3)
    assert (sequence(other), sequence(database)) == (1, 2)
    assert verify_chain(chain(other))[0] == 1
    assert verify_chain(chain(database))[0] == 2


@pytest.mark.parametrize("harm", ["altered", "removed", "repeated", "rehashed", "moved"])
def test_whoever_tampers_with_the_table_is_found_out_at_the_place(database: TenantDatabase, harm: str) -> None:
    note(database, *range(6))
    sequence(database)
    before = chain(database)
    third = before[3]
    at_three = (audit_log.c.tenant_id == "hospital", audit_log.c.position == 3)
    forged = link(3, third.previous, third.entry.replace(b":3", b":4"))
    with database.write() as tx:
        if harm == "removed":
            tx.execute(delete(audit_log).where(*at_three))
        else:
            values = {
                "altered": {"entry": forged.entry},
                "repeated": {"entry": before[4].entry, "hash": before[4].hash},
                "rehashed": {"entry": forged.entry, "hash": forged.hash},  # it fits; the one after it does not
                "moved": {"position": 99},
            }
            tx.execute(update(audit_log).where(*at_three).values(**values[harm]))
    with pytest.raises(AuditBroken) as raised:
        verify_chain(chain(database))
    assert raised.value.details["position"] == (4 if harm == "rehashed" else 3)


def test_a_cut_end_is_seen_by_whoever_remembers_the_head(database: TenantDatabase) -> None:
    note(database, *range(4))
    sequence(database)
    remembered = verify_chain(chain(database))
    with database.write() as tx:
        tx.execute(delete(audit_log).where(audit_log.c.position == 3))
    assert verify_chain(chain(database)) != remembered


def test_the_form_of_an_entry_never_changes() -> None:
    entry = entry_bytes("hospital", AT, "package-sealed", {"package": "018f", "leaf": "ab" * 32, "members": 2})
    assert entry == (GOLDEN / "audit-entry-1.json").read_bytes()
    first = link(0, GENESIS, entry)
    second = link(1, first.hash, entry)
    assert first.hash + second.hash == (GOLDEN / "audit-hashes-1.bin").read_bytes()
    assert verify_chain([first, second]) == (2, second.hash)
    with pytest.raises(AuditBroken):
        verify_chain([first, replace(second, position=2)])
