"""Deposits of two documents, whatever happens to them, and what must be true of them in the end."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sqlalchemy import func, select, update

from tests.simulator.archive import SimulatedArchive
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.audit.chain import verify_chain
from zdda.audit.log import entries, sequence
from zdda.catalog.tables import deposits, evidence_batches, objects, packages
from zdda.fsck.store_check import StoreCheck
from zdda.model.clock import FixedClock
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus
from zdda.settings import load

CONTENTS = [b"%PDF main document" * 1000, b"an attachment" * 500]
KEY = "the-one-key"


def deposit(archive: SimulatedArchive, key: str = KEY) -> DepositStatus:
    """Sends the deposit of this key, for the first time or again."""
    return archive.deposit(CONTENTS, {"externalId": {"producer": "kis", "id": key}}, key)


def settle(archive: SimulatedArchive) -> None:
    """Does everything; what waits for a better moment finds that it has come."""
    with archive.archive.database.write() as tx:
        for table in (deposits, evidence_batches):
            tx.execute(update(table).values(not_before=None))
    archive.settle()


def promises_hold(archive: SimulatedArchive, keys: Sequence[str] = (KEY,), expected: Collection[str] = ()) -> None:
    """Every deposit is archived exactly once, with its receipt; nothing is in the spool, nothing in the stores that the
    catalog does not know; the audit is whole; fsck finds nothing but the ``expected`` codes. Closes the archive."""
    database, vault = archive.archive.database, archive.archive.vault
    with database.read() as tx:
        rows = {row.idempotency_key: row for row in tx.execute(select(deposits)).all()}
        assert sorted(rows) == sorted(keys)
        assert {row.state for row in rows.values()} == {DepositState.ARCHIVED}
        assert tx.execute(select(func.count()).select_from(packages)).scalar_one() == len(keys)
        listed = set(tx.execute(select(objects.c.address)).scalars())
    acknowledged = archive.folder / "acknowledged"
    if acknowledged.exists():
        assert str(rows[KEY].deposit_id) == acknowledged.read_text()
    for key, row in rows.items():
        assert json.loads(row.receipt)["state"] == "archived"
        again = deposit(archive, key)
        assert again.deposit_id == row.deposit_id
        assert not again.created
    assert vault.spool.names() == []
    assert {str(address) for address in vault.blobs.addresses()} == listed
    for place in vault.key_areas:
        assert {str(record.address) for record in place.records()} == listed
    while sequence(database):
        pass
    with database.read() as tx:
        assert verify_chain(entries(tx))[0] > 5
    archive.close()
    settings = load(archive.folder / "zdda.toml")
    with open_to_doubt(settings, archive.folder, FixedClock(NOW)) as stores:
        check = StoreCheck(stores, pki().anchors, NOW)
        findings = [line for line in check.lines() if line["type"] == "finding" and line["code"] not in expected]
    assert not findings, findings
