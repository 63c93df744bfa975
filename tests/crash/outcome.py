"""The Producers' journals against the archive, once it has come to rest."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from tests.crash.producer import read_journal
from zdda.app import open_database
from zdda.app_stopped import open_to_doubt
from zdda.audit.chain import verify_chain
from zdda.audit.log import entries, sequence
from zdda.catalog.tables import deposits, objects, packages
from zdda.database.session import TenantDatabase
from zdda.demonstration.authority import DemonstrationAuthority
from zdda.fsck.store_check import StoreCheck
from zdda.model.clock import SystemClock
from zdda.model.identifiers import tenant_id
from zdda.settings import load
from zdda.storage.spool import Spool
from zdda.trust.anchors import TrustAnchors


def check_outcome(folder: Path, journals: list[Path], authority: DemonstrationAuthority) -> Counter[str]:
    """Raises ``AssertionError`` where a promise was broken; counts what was compared."""
    lines = [line for journal in journals for line in read_journal(journal)]
    sent = {line["sent"] for line in lines if "sent" in line}
    receipts = {line["archived"]: line for line in lines if "archived" in line}
    wrong = [line for line in lines if "wrong" in line and (line["status"] or line["wrong"] not in receipts)]
    assert not wrong, wrong[:3]
    accepted = {line["accepted"]: line["deposit"] for line in lines if "accepted" in line}
    settings = load(folder / "zdda.toml")
    engine = open_database(settings, folder)
    database = TenantDatabase(engine, tenant_id(settings.archive.tenant))
    while sequence(database):
        pass
    with database.read() as tx:
        rows = tx.execute(select(deposits)).all()
        by_key = {row.idempotency_key: row for row in rows}
        assert len(by_key) == len(rows), "a key was deposited twice"
        assert set(by_key) <= sent
        assert {row.state for row in rows} <= {"archived"}
        for key, line in receipts.items():
            row = by_key[key]
            assert str(row.deposit_id) == line["deposit"], "a receipt names another deposit"
            assert hashlib.sha256(row.receipt).hexdigest() == line["receipt"], "a receipt has changed"
        for key, deposit in accepted.items():
            assert str(by_key[key].deposit_id) == deposit, "an acknowledged deposit is another one now"
        listed = set(tx.execute(select(objects.c.address)).scalars())
        assert len(tx.execute(select(packages.c.package_id)).all()) == len(rows)
        audited, _ = verify_chain(entries(tx))
    engine.dispose()
    now = SystemClock().now()
    anchors = TrustAnchors((authority.root_certificate(),))
    with open_to_doubt(settings, folder) as stores:
        for site in stores.sites:
            lying = {str(address) for address in site.blobs.addresses()}
            assert lying == listed, "an object lies under lock that nothing refers to, or one is missing"
        findings = [line for line in StoreCheck(stores, anchors, now).lines() if line["type"] == "finding"]
    assert not findings, findings[:3]
    spooled = Spool(folder / "spool").names()
    return Counter(
        deposits=len(rows), receipts=len(receipts), accepted=len(accepted), objects=len(lying), audited=audited,
        spooled=len(spooled), sites=len(stores.sites),
    )  # fmt: skip
