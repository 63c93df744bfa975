"""Disposal: a plan is shown; once decided it is carried out, whatever happens on the way; then a receipt is sealed.

decided    one transaction: the journal lists every object and site; the packages' rows are gone, and what stays known
           says that they were destroyed. From here on nobody reads them and nothing turns it back
destroyed  every record and every copy is gone (``zdda.retention.eraser``)
listed     the sealed receipt is durable in the spool and listed as an amendment; the journal is at its end
stored     it lies in the stores and waits for the next evidence batch
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock
from uuid import UUID

import structlog

from zdda.audit.log import record
from zdda.catalog.amendments import amendment_stored, end_of_chain
from zdda.catalog.destroyed import destroyed_of, idempotency_digest, insert_destroyed
from zdda.catalog.disposals import (
    NewDisposal,
    NewErasure,
    copies_of,
    end_disposal,
    get_disposal,
    insert_disposal,
    objects_of,
    remove_package,
    spool_files_of,
    unended_disposals,
)
from zdda.catalog.evidence import insert_amendment
from zdda.catalog.packages import StoredObject, get_package, insert_object
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.signing import Signer
from zdda.database.session import AnyRow, TenantDatabase, Transaction
from zdda.jobs.runner import WorkSource
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import Clock, Entropy, format_time, parse_time
from zdda.model.errors import Conflict, InvalidInput, NotFound, Unavailable, ZddaError
from zdda.model.identifiers import ContentAddress, new_identifier
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import AmendedPackage, Amendment, make_amendment
from zdda.packaging.deletion_receipt import (
    DISPOSAL,
    DeletionReceipt,
    DestroyedObject,
    DestroyedPackage,
    DestroyedRecord,
    read_copy,
)
from zdda.retention.clocks import AgreedTime, Timestamp, ask_clocks
from zdda.retention.eraser import Eraser, Witness
from zdda.retention.facts import FactFinder
from zdda.retention.places import Alarm, Everywhere
from zdda.retention.plan import ErasurePlan, plan_erasures
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore

DISPOSAL_POINTS = (
    "disposal.before-decision",
    "disposal.decided",
    "disposal.destroyed",
    "disposal.receipt-durable",
    "disposal.listed",
    "disposal.receipt-put",
    "disposal.stored",
)
RECEIPT_YEARS = 100
"""How long a receipt is kept, from 1 January after the disposal."""
_MOST_PACKAGES = 10_000
_log = structlog.get_logger(__name__)


class NotDue(Conflict):
    """Some package may not go; nothing was decided. ``details``: the plan's refusals."""

    code = "not-due"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan, and the time it was made for; ``time.token`` is over the plan's SHA-256."""

    plan: ErasurePlan
    time: AgreedTime


@dataclass(frozen=True, slots=True)
class DisposalDesk:
    """One tenant's archive as disposal sees it. ``may_seal`` raises ``Unavailable`` while nothing could be sealed;
    ``complete_token`` adds to a token what proves it."""

    database: TenantDatabase
    store: ObjectStore
    everywhere: Everywhere
    generations: GenerationKeys
    signer: Signer
    timestamp: Timestamp
    clock: Clock
    entropy: Entropy
    crash: CrashPoint = no_crash
    alarm: Alarm = field(default=lambda _code, _about: None)
    witness: Witness = field(default=lambda _site, _address, evidence: evidence)
    complete_token: Timestamp = field(default=lambda token: token)
    may_seal: Callable[[], object] = field(default=lambda: None)
    one: Lock = field(default_factory=Lock)

    def propose(self, packages: Sequence[UUID]) -> Proposal:
        """What would be destroyed, and why each may; changes nothing.

        Raises ``NotFound``, ``PackageDestroyed``, ``ClocksDisagree``.
        """
        if not 1 <= len(packages) <= _MOST_PACKAGES:
            raise InvalidInput(f"a disposal has 1 to {_MOST_PACKAGES} packages")
        identifier = new_identifier(self.clock, self.entropy)
        before = self._time(self.entropy(32))
        finder = self._finder()
        facts = finder.packages(packages)
        plan = plan_erasures(identifier, before.earliest, facts, finder.shared(facts))
        return Proposal(plan, self._time(hashlib.sha256(plan.encode()).digest()))

    def dispose(self, packages: Sequence[UUID], decided_by: str) -> UUID:
        """Decides the disposal of all of these packages and carries out what can be now; the disposal's identifier.

        Raises what ``propose`` raises, ``NotDue`` where one may not go (nothing happens to any then), ``Unavailable``
        while the receipt could not be sealed; once it is decided, what stands in the way is an alarm and waits.
        """
        if not decided_by.strip() or len(decided_by) > 255:
            raise InvalidInput("a disposal names who decided it")
        self.may_seal()
        proposal = self.propose(packages)
        plan = proposal.plan
        if plan.refused:
            reasons = {str(each.package): list(each.reasons) for each in plan.refused}
            raise NotDue("some packages may not be destroyed", refused=reasons)
        time = replace(proposal.time, token=self.complete_token(proposal.time.token))
        now = self.clock.now()
        self.crash("disposal.before-decision")
        with self.database.write() as tx:
            chosen = sorted({each.package for each in plan.erasures if each.package is not None})
            rows = [get_package(tx, package) for package in chosen]
            files = sorted(name for row in rows for name in spool_files_of(tx, row.deposit_id))
            insert_disposal(tx, _journal(plan, time, decided_by, now, files), self._erasures(plan))
            for row in rows:
                insert_destroyed(tx, self._destroyed(row, plan.identifier))
                remove_package(tx, row.package_id, row.deposit_id)
                record(
                    tx,
                    now,
                    "disposal-decided",
                    disposal=str(plan.identifier),
                    package=str(row.package_id),
                    by=decided_by,
                )
        self.crash("disposal.decided")
        self.go_on()
        return plan.identifier

    def receipt(self, disposal: UUID) -> bytes:
        """The DER of a disposal's sealed receipt. Raises ``NotFound`` for a disposal that is not at its end."""
        with self.database.read() as tx:
            row = get_disposal(tx, disposal)
        if row is None or row.amendment_id is None:
            raise NotFound("there is no such disposal, or it is not at its end")
        with closing(
            self.store.open(ObjectName(self.database.tenant, row.amendment_id, ObjectKind.AMENDMENT))
        ) as stream:
            return stream.read()

    def go_on(self) -> bool:
        """Carries on with every disposal that is not at its end; whether all are. Never raises for one that cannot go
        on now: that is an alarm."""
        ended = True
        with self.one:
            with self.database.read() as tx:
                waiting = unended_disposals(tx)
            for disposal in waiting:
                try:
                    ended = self._carry_out(disposal) and ended
                except ZddaError as error:
                    ended = False
                    self.alarm(error.code, f"disposal {disposal.disposal_id}: {error}")
        return ended

    def _carry_out(self, disposal: AnyRow) -> bool:
        time = self._time(self.entropy(32))
        eraser = Eraser(self.database, self.everywhere, self._finder(), self.clock, self.crash, self.witness)
        with self.database.read() as tx:
            listed = objects_of(tx, disposal.disposal_id)
        done = True
        problem: ZddaError | None = None
        for each in listed:
            try:
                eraser.destroy_records(each, time.earliest)
                done = eraser.erase_copies(each, time, disposal.decided_by) and done
            except ZddaError as error:  # what may go of the rest still goes
                problem = problem or error
        for name in parse_json(disposal.spool_files):
            self.everywhere.spool.erase(name)
        if problem is not None:
            raise problem
        if not done:
            raise Unavailable("a site is away, which keeps its copies until it is back")
        self.crash("disposal.destroyed")
        self._end(disposal)
        return True

    def _end(self, disposal: AnyRow) -> None:
        """The receipt: sealed, durable, listed with the journal's end, stored."""
        now = self.clock.now()
        amendment = new_identifier(self.clock, self.entropy)
        with self.database.read() as tx:
            receipt = self._receipt(tx, disposal, now)
            ends = {each.package: end_of_chain(tx, each.package) for each in receipt.packages}
        amended = tuple(
            AmendedPackage(package, (end[0] + 1) if end else 1, end[1] if end else _digest_of(receipt, package))
            for package, end in ends.items()
        )
        content = Amendment(amendment, self.database.tenant, now, DISPOSAL, amended, receipt)
        self.may_seal()
        sealed = make_amendment(content, self.signer)
        until = datetime(now.astimezone(UTC).year + 1 + RECEIPT_YEARS, 1, 1, tzinfo=UTC)
        spool_file = f"{amendment}.amendment"
        object_record = self._keep(spool_file, amendment, sealed, until)
        self.crash("disposal.receipt-durable")
        digest = hashlib.sha256(sealed).digest()
        with self.database.write() as tx:
            insert_amendment(
                tx,
                amendment,
                DISPOSAL,
                now,
                digest,
                until,
                [(each.package, each.sequence, each.predecessor) for each in amended],
                (spool_file, object_record.encode()),
            )
            end_disposal(tx, disposal.disposal_id, amendment, now)
            for each in receipt.packages:
                record(
                    tx,
                    now,
                    "package-destroyed",
                    disposal=str(disposal.disposal_id),
                    package=str(each.package),
                    receipt=digest.hex(),
                )
        self.crash("disposal.listed")
        placed = self.store.put(object_record, lambda: self.everywhere.spool.open(spool_file))
        self.crash("disposal.receipt-put")
        with self.database.write() as tx:
            if amendment_stored(tx, amendment):
                insert_object(tx, _stored(object_record), placed, now)
        self.crash("disposal.stored")
        self.everywhere.spool.remove(spool_file)

    def _receipt(self, tx: Transaction, disposal: AnyRow, now: datetime) -> DeletionReceipt:
        objects = [
            DestroyedObject(
                package=each.package_id,
                kind=each.kind,
                sequence=each.sequence,
                address=each.address,
                length=each.length,
                retain_until=each.retain_until,
                generation=each.generation,
                leaf=each.leaf,
                reason=each.reason,
                records=tuple(DestroyedRecord(one["place"], parse_time(one["at"])) for one in parse_json(each.records)),
                copies=tuple(read_copy(parse_json(copy.told)) for copy in copies_of(tx, each)),
            )
            for each in objects_of(tx, disposal.disposal_id)
        ]
        packages = [
            DestroyedPackage(
                package=row.package_id,
                deposit=row.deposit_id,
                idempotency=row.idempotency,
                retention_class=row.retention_class,
                mark=row.mark,
                retain_until=row.retain_until,
                archived_at=row.archived_at,
                group_digest=row.group_digest,
                batch=row.batch_id,
                leaf_index=row.leaf_index,
            )
            for row in destroyed_of(tx, disposal.disposal_id)
        ]
        return DeletionReceipt(
            disposal=disposal.disposal_id,
            decided_by=disposal.decided_by,
            decided_at=disposal.decided_at,
            ended_at=now,
            clocks={name: parse_time(moment) for name, moment in parse_json(disposal.clocks).items()},
            plan=hashlib.sha256(disposal.plan).digest(),
            token=disposal.token,
            packages=tuple(packages),
            objects=tuple(objects),
        )

    def _keep(self, spool_file: str, amendment: UUID, sealed: bytes, until: datetime) -> ObjectRecord:
        name, key = ObjectName(self.database.tenant, amendment, ObjectKind.AMENDMENT), self.entropy(32)
        file = self.everywhere.spool.encrypting(spool_file, key, name, self.entropy, of_plaintext=False)
        try:
            file.write(sealed)
            stored = file.finish_stored()
        except BaseException:
            file.discard()
            raise
        address = ContentAddress(stored.sha256)
        return self.store.seal_record(name, address, stored.length, stored.sha512, key, until)

    def _destroyed(self, row: AnyRow, disposal: UUID) -> dict[str, object]:
        def identify(sha256: bytes) -> bytes:
            return self.generations.content_id(self.database.tenant, sha256)

        same = ["package_id", "deposit_id", "retention_class", "mark", "retain_until", "archived_at"]
        same += ["group_digest", "batch_id", "leaf_index"]
        return {
            "disposal_id": disposal,
            "idempotency": idempotency_digest(identify, row.account, row.idempotency_key),
            **{name: getattr(row, name) for name in same},
        }

    def _erasures(self, plan: ErasurePlan) -> list[NewErasure]:
        sites = tuple(site.name for site in self.everywhere.sites)
        return [
            NewErasure(
                package_id=each.object.name.package,
                kind=each.object.name.kind.value,
                sequence=each.object.name.sequence,
                address=str(each.object.address),
                length=each.object.length,
                retain_until=each.object.retain_until,
                generation=each.object.generation,
                leaf=each.object.leaf,
                reason=each.reason,
                sites=sites,
            )
            for each in plan.erasures
        ]

    def _finder(self) -> FactFinder:
        return FactFinder(self.database, self.everywhere, self.generations)

    def _time(self, imprint: bytes) -> AgreedTime:
        return ask_clocks(self.clock, self.timestamp, self.everywhere.sites, imprint)


class DisposalWork(WorkSource):
    """Carries on with disposals that a stop or a site's absence has interrupted. A ``WorkSource`` of the runner."""

    def __init__(self, desk: DisposalDesk) -> None:
        self._desk = desk

    def run_one(self) -> bool:
        self._desk.go_on()
        return False


def tell(code: str, about: str) -> None:
    """The alarm of production: a line in the log that somebody has to look at."""
    _log.error("disposal-stopped", reason=code, about=about)


def _journal(plan: ErasurePlan, time: AgreedTime, decided_by: str, now: datetime, files: Sequence[str]) -> NewDisposal:
    return NewDisposal(
        disposal_id=plan.identifier,
        decided_by=decided_by,
        decided_at=now,
        clocks=canonical_json({name: format_time(moment) for name, moment in time.clocks}),
        plan=plan.encode(),
        token=time.token,
        spool_files=canonical_json(list(files)),
    )


def _digest_of(receipt: DeletionReceipt, package: UUID) -> bytes:
    return next(each.group_digest for each in receipt.packages if each.package == package)


def _stored(each: ObjectRecord) -> StoredObject:
    name = each.name
    return StoredObject(
        name.package,
        name.kind.value,
        name.sequence,
        str(each.address),
        each.length,
        each.sha512,
        each.generation,
        each.retain_until,
    )
