"""Step 5, archived: packages share a hash tree, one timestamp, one batch object and one amendment.

closed       the members are fixed; from here on the tree cannot change
timestamped  the completed token, and the batch object's ciphertext and record, are durable
stored       the batch object lies in the store
recorded     the amendment lies in the store; the deposits are archived, their receipts final
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from zdda.audit.log import record
from zdda.catalog.evidence import LEASED as BATCHES
from zdda.catalog.evidence import (
    BatchState,
    Candidate,
    Member,
    candidates,
    classes_of_batch,
    get_batch,
    insert_batch,
    is_under_way,
    latest_seal_of_batch,
    members_of,
    more_are_coming,
    pending_amendments,
)
from zdda.catalog.leasing import Lease
from zdda.catalog.packages import insert_object
from zdda.database.session import AnyRow, Transaction
from zdda.evidence.batch import EvidenceBatch
from zdda.evidence.hash_tree import HashTree
from zdda.ingest.archiving import archive_batch, prepare_amendment
from zdda.ingest.objects import keep_object, stored_object
from zdda.ingest.workshop import Workshop
from zdda.jobs.runner import WorkSource
from zdda.model.errors import Unavailable
from zdda.model.identifiers import new_identifier
from zdda.model.objects import ObjectKind, ObjectName
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.storage.object_record import ObjectRecord

CRASH_POINTS = (
    "batch.before-close",
    "batch.closed",
    "batch.token-received",
    "batch.object-durable",
    "batch.timestamped",
    "batch.object-stored",
    "batch.stored",
)


CLOCKS_APART = timedelta(hours=24)
"""How much later than its proof a seal may claim to be: what ``verify`` allows."""


LONGEST_GATHERED = timedelta(seconds=0.25)
"""How long a batch that might close waits for deposits that are about to be stored, once a runner's threads work."""


LONGEST_ALONE = timedelta(hours=24)
"""How long an amendment waits for packages that go in the years of its own; then it joins whichever come next."""


class SealTimeDisagrees(Unavailable):
    """A member was sealed while the clock was far ahead: with a receipt, nobody could prove it. An administrator has to
    look; its Producer has no receipt and keeps its copy."""

    code = "seal-time-disagrees"


class BatchCloser(WorkSource):
    """Closes batches by number or by time. A ``WorkSource`` of the runner. A package that claims to have been sealed in
    the future does not come into any, so that it keeps no other from its evidence."""

    def __init__(self, workshop: Workshop, size: int, longest_wait: timedelta) -> None:
        self._workshop, self._size, self._longest_wait = workshop, size, longest_wait
        self._gathers = False

    def listen(self, ring: Callable[[], None]) -> None:
        del ring
        self._gathers = True

    def run_one(self) -> bool:
        """Closes one batch when there are enough packages, or one has waited long enough. While the last one is on its
        way, more may join the next, and while deposits are about to be stored, these may: under load batches grow by
        themselves, however short the wait, and one timestamp serves many."""
        workshop = self._workshop
        now = workshop.clock.now()
        with workshop.database.read() as tx:
            waiting = plan_batch(candidates(tx, self._size, now + CLOCKS_APART), self._size)
            if not self._due(waiting, now):
                return False
            if len(waiting) < self._size and (is_under_way(tx) or self._gathers_more(tx, waiting, now)):
                return False
        workshop.crash("batch.before-close")
        with workshop.database.write() as tx:
            chosen = plan_batch(candidates(tx, self._size, now + CLOCKS_APART), self._size)
            if not self._due(chosen, now):  # another closer was faster
                return False
            year = min(each.retain_until.year for each in chosen)
            members = [Member(each.package_id, "aip", 0, each.group_digest) for each in chosen]
            waiting_amendments = pending_amendments(tx, range(year, year + 2), self._size, now - LONGEST_ALONE)
            members += [member for member, _ in waiting_amendments]
            batch_id = new_identifier(workshop.clock, workshop.entropy)
            retain_until = max([each.retain_until for each in chosen] + [until for _, until in waiting_amendments])
            root = HashTree([member.digest for member in members]).root
            insert_batch(tx, batch_id, now, retain_until, root, members)
            record(tx, now, "batch-closed", batch=str(batch_id), members=len(members), root=root.hex())
        workshop.crash("batch.closed")
        return True

    def _gathers_more(self, tx: Transaction, waiting: list[Candidate], now: datetime) -> bool:
        waited = now - min(each.stored_at for each in waiting)
        return self._gathers and timedelta(0) <= waited < LONGEST_GATHERED and more_are_coming(tx)

    def _due(self, waiting: list[Candidate], now: datetime) -> bool:
        if not waiting:
            return False
        waited = now - min(each.stored_at for each in waiting)
        clock_went_back = waited < timedelta(0)
        return len(waiting) >= self._size or waited >= self._longest_wait or clock_went_back


def plan_batch(waiting: Iterable[Candidate], size: int) -> list[Candidate]:
    """Which packages share a tree: the one that has waited longest, so that none waits for ever, and others whose
    years of disposal are the same or follow its own; those that may go earliest come first. Pure."""
    oldest_first = sorted(waiting, key=lambda each: (each.stored_at, each.package_id))
    if not oldest_first:
        return []
    year = oldest_first[0].retain_until.year
    chosen = [each for each in oldest_first if year <= each.retain_until.year <= year + 1][:size]
    return sorted(chosen, key=lambda each: (each.retain_until, each.package_id))


class BatchSteps:
    """The steps of one tenant's batches; see ``zdda.jobs.runner``."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def __call__(self, lease: Lease) -> Lease:
        step = {
            BatchState.CLOSED: self._timestamp,
            BatchState.TIMESTAMPED: self._store,
            BatchState.STORED: self._record,
        }[BatchState(lease.state)]
        with self._workshop.database.read() as tx:
            batch = get_batch(tx, lease.key)
        return step(lease, batch)

    def _timestamp(self, lease: Lease, batch: AnyRow) -> Lease:
        workshop = self._workshop
        with workshop.database.read() as tx:
            members = members_of(tx, lease.key)
        token = workshop.complete_token(workshop.authorities.timestamp(batch.root))
        workshop.crash("batch.token-received")
        leaves = tuple(member.digest for member in members)
        content = EvidenceBatch(lease.key, workshop.tenant, batch.created_at, leaves, token).encode()
        name = ObjectName(workshop.tenant, lease.key, ObjectKind.EVIDENCE_BATCH)
        spool_file, object_record = keep_object(workshop, lease, name, content, batch.retain_until)
        workshop.crash("batch.object-durable")
        gen_time = parse_timestamp_token(token).gen_time
        with workshop.database.read() as tx:
            if latest_seal_of_batch(tx, lease.key) > gen_time + CLOCKS_APART:
                raise SealTimeDisagrees("a package of the batch claims to be sealed long after its evidence")
        now = workshop.clock.now()
        with workshop.database.write() as tx:
            moved = BATCHES.transition(
                tx,
                lease,
                BatchState.CLOSED,
                BatchState.TIMESTAMPED,
                token=token,
                gen_time=gen_time,
                batch_file=spool_file,
                batch_record=object_record.encode(),
            )
            record(tx, now, "batch-timestamped", batch=str(lease.key))
        workshop.crash("batch.timestamped")
        return moved

    def _store(self, lease: Lease, batch: AnyRow) -> Lease:
        workshop = self._workshop
        object_record = ObjectRecord.decode(batch.batch_record)
        with workshop.database.read() as tx:
            placement = workshop.placement(classes_of_batch(tx, lease.key))
        if batch.batch_file is None:  # a restored batch lies in the store already
            placed = workshop.store.where(object_record, placement)
        else:
            placed = workshop.store.put(object_record, lambda: workshop.spool.open(batch.batch_file), placement)
        workshop.crash("batch.object-stored")
        prepared = prepare_amendment(workshop, lease, batch)
        now = workshop.clock.now()
        with workshop.database.write() as tx:
            moved = BATCHES.transition(tx, lease, BatchState.TIMESTAMPED, BatchState.STORED, **prepared)
            insert_object(tx, stored_object(object_record), placed, now)
            record(tx, now, "batch-stored", batch=str(lease.key))
        workshop.crash("batch.stored")
        if batch.batch_file is not None:
            workshop.spool.remove(batch.batch_file)
        return moved

    def _record(self, lease: Lease, batch: AnyRow) -> Lease:
        return archive_batch(self._workshop, lease, batch)
