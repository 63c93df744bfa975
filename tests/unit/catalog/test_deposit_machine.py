"""Deposits under several workers that are late, die, and come back: against a model that knows only the promises."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import event, select

from tests.simulator.catalog_rows import RECEIVED_AT, new_deposit, spooled_document
from tests.simulator.postgresql import fresh_database
from zdda.catalog.deposits import (
    LEASED,
    ExternalIdTaken,
    IdempotencyKeyTaken,
    history_of,
    insert_deposit,
    spool_files,
    transition,
)
from zdda.catalog.leasing import Lease
from zdda.catalog.tables import deposits
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.deposit import DepositState
from zdda.model.errors import Conflict, FencedOff
from zdda.model.identifiers import TenantId
from zdda.model.submission import ExternalId

WORKED_AT = (DepositState.RECEIVED, DepositState.VALIDATED, DepositState.SEALED)
WAY = ("received", "validated", "sealed", "stored", "archived")
LONG, EXPIRED = timedelta(hours=1), timedelta(0)

workers = st.sampled_from(["a/1", "a/2", "b/1"])
lengths = st.sampled_from([LONG, EXPIRED])


@dataclass
class Known:
    """What the model knows of a deposit."""

    key: str | None
    external: str | None
    history: list[str] = field(default_factory=lambda: ["received"])
    epoch: int = 0
    owner: str | None = None
    free: bool = True
    waiting: bool = False

    @property
    def state(self) -> str:
        return self.history[-1]

    @property
    def due(self) -> bool:
        return self.state in WORKED_AT and self.free and not self.waiting


class Deposits(RuleBasedStateMachine):
    """Every rule does one thing to the catalog and to the model; both must agree."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        with fresh_database("sqlite", Path(self._folder.name)) as url:
            self._engine = open_engine(url)
        event.listen(self._engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.database = TenantDatabase(self._engine, TenantId("hospital"))
        self.known: dict[UUID, Known] = {}
        self.leases: dict[str, Lease] = {}

    def teardown(self) -> None:
        self._engine.dispose()
        self._folder.cleanup()

    @rule(key=st.sampled_from([None, "k1", "k2"]), external=st.sampled_from([None, "e1", "e2"]))
    def receive(self, key: str | None, external: str | None) -> None:
        deposit = new_deposit(idempotency_key=key, external_id=ExternalId("kis", external) if external else None)
        refusal: type[Exception] | None = None
        refused: type[Exception] | None = None
        if external and any(one.external == external for one in self.known.values()):
            refusal = ExternalIdTaken
        elif key and any(one.key == key for one in self.known.values()):
            refusal = IdempotencyKeyTaken
        try:
            with self.database.write() as tx:
                insert_deposit(tx, deposit, [spooled_document(1, str(deposit.deposit_id))])
        except Conflict as error:
            refused = type(error)
        else:
            self.known[deposit.deposit_id] = Known(key, external)
        assert refused is refusal

    @rule(worker=workers, length=lengths)
    def claim(self, worker: str, length: timedelta) -> None:
        with self.database.write() as tx:
            claimed = LEASED.claim(tx, worker, WORKED_AT, length)
        due = sorted(deposit for deposit, one in self.known.items() if one.due)
        assert [lease.key for lease in claimed] == due[:1]
        for lease in claimed:
            one = self.known[lease.key]
            assert (lease.state, lease.epoch) == (one.state, one.epoch + 1)
            one.epoch, one.owner, one.free = lease.epoch, worker, length is EXPIRED
            self.leases[worker] = lease

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), rejected=st.booleans())
    def advance(self, data: st.DataObject, rejected: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.leases)))
        lease = self.leases[worker]
        if lease.state not in WORKED_AT:
            return
        after = WAY[WAY.index(lease.state) + 1]
        if rejected and lease.state == "received":
            after = "rejected"
        values: dict[str, Any] = {"container_file": f"{lease.key}.aip"} if after == "sealed" else {}

        def move(tx: Any) -> None:
            self.leases[worker] = transition(tx, lease, DepositState(after), RECEIVED_AT, **values)

        if self._write(lease, move):
            one = self.known[lease.key]
            one.history.append(after)
            one.waiting = False
            if after in LEASED.resting:
                one.owner, one.free = None, True
            if after == "rejected":
                one.external = None

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), what=st.sampled_from(["renew", "release", "defer", "defer long"]), length=lengths)
    def hold(self, data: st.DataObject, what: str, length: timedelta) -> None:
        lease = self.leases[data.draw(st.sampled_from(sorted(self.leases)))]
        calls = {
            "renew": lambda tx: LEASED.renew(tx, lease, length),
            "release": lambda tx: LEASED.release(tx, lease),
            "defer": lambda tx: LEASED.defer(tx, lease, "why", timedelta(0)),
            "defer long": lambda tx: LEASED.defer(tx, lease, "why", LONG),
        }
        if self._write(lease, calls[what]):
            one = self.known[lease.key]
            one.free = what != "renew" or length is EXPIRED
            one.owner = one.owner if what == "renew" else None
            if what != "renew" and what != "release":
                one.waiting = what == "defer long"

    @rule(machine=st.sampled_from(["a/", "b/"]))
    def restart(self, machine: str) -> None:
        """A machine comes back: what its workers held is taken from them, dead or not."""
        with self.database.write() as tx:
            LEASED.take_back(tx, machine)
        for one in self.known.values():
            if one.owner and one.owner.startswith(machine):
                one.owner, one.free, one.epoch = None, True, one.epoch + 1

    @precondition(lambda self: any(one.state == "stored" for one in self.known.values()))
    @rule()
    def archive(self) -> None:
        """As a batch does: nobody else moves a stored deposit."""
        deposit, one = next((key, one) for key, one in self.known.items() if one.state == "stored")
        with self.database.write() as tx:
            transition(tx, Lease(deposit, "stored", one.epoch, 0), DepositState.ARCHIVED, RECEIVED_AT)
        one.history.append("archived")
        one.waiting = False

    @invariant()
    def agree(self) -> None:
        with self.database.read() as tx:
            rows = tx.execute(select(deposits)).all()
            assert {row.deposit_id for row in rows} == set(self.known)
            needed = set()
            for row in rows:
                one = self.known[row.deposit_id]
                assert (row.state, row.lease_epoch) == (one.state, one.epoch)
                assert [each.state for each in history_of(tx, row.deposit_id)] == one.history
                assert len(set(one.history)) == len(one.history)
                if one.state in ("received", "validated"):
                    needed.add(str(row.deposit_id))
                elif one.state == "sealed":
                    needed.add(f"{row.deposit_id}.aip")
            assert spool_files(tx) == needed
            assert LEASED.any_due(tx, WORKED_AT) == any(one.due for one in self.known.values())

    def _write(self, lease: Lease, call: Any) -> bool:
        """Whether the call was let through; it must be so exactly when nobody has overtaken the lease's holder."""
        one = self.known[lease.key]
        expected = lease.epoch == one.epoch
        try:
            with self.database.write() as tx:
                call(tx)
        except FencedOff:
            assert not expected
            return False
        assert expected
        return True


TestDeposits = Deposits.TestCase
TestDeposits.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
