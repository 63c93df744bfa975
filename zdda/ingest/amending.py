"""Amendments that stand alone: what happened to an archived package, sealed and added to its chain.

listed    the sealed amendment is durable in the spool, its row says where: it is the end of the package's chain
stored    it lies in the store, and waits for the next evidence batch as amendments of batches do

If everything stops in between, the next start (or the next amendment) stores what is listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from uuid import UUID

import structlog

from zdda.audit.log import record
from zdda.catalog.amendments import (
    amendment_stored,
    amendments_of,
    classes_of_amendment,
    end_of_chain,
    unstored_amendments,
)
from zdda.catalog.evidence import insert_amendment
from zdda.catalog.packages import get_package, insert_object
from zdda.ingest.objects import keep_in_file, stored_object
from zdda.ingest.workshop import Workshop
from zdda.jobs.runner import WorkSource
from zdda.model.canonical_json import canonical_json
from zdda.model.errors import Conflict, Unavailable, ZddaError
from zdda.model.identifiers import new_identifier
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import (
    AmendedPackage,
    Amendment,
    Typed,
    encode_body,
    make_amendment,
    read_amendment,
)
from zdda.packaging.preservation_events import PRESERVATION_EVENTS, PreservationEvents
from zdda.packaging.renewed_validation import VALIDATION, RenewedValidation
from zdda.storage.object_record import ObjectRecord

CRASH_POINTS = (
    "amended.durable",
    "amended.listed",
    "amended.put",
    "amended.stored",
)
_SPOOLED = "amendment"

_log = structlog.get_logger(__name__)


class NotAmendable(Conflict):
    """Only an archived package has a chain that can be amended."""

    code = "package-not-archived"


def add_validation(workshop: Workshop, package: UUID, body: RenewedValidation) -> UUID | None:
    """Adds new reports to a package, audited; the amendment's identifier, or None where the latest reports that were
    added say exactly this. Nobody else may be amending the package meanwhile.

    Raises as ``_amend`` does.
    """
    with workshop.database.read() as tx:
        earlier = amendments_of(tx, package, VALIDATION)
    if earlier and _said(workshop, earlier[-1]) == canonical_json(encode_body(body)):
        return None
    verdicts = {str(each.number): each.verdict for each in body.documents}
    return _amend(workshop, package, VALIDATION, body, ("package-validated-again", {"verdicts": verdicts}))


def add_preservation_events(workshop: Workshop, package: UUID, body: PreservationEvents) -> UUID:
    """Adds what was found wrong with a package's objects, and what was done, audited. Nobody else may be amending the
    package meanwhile. Raises as ``_amend`` does."""
    told = sorted({f"{each.detail}: {each.outcome}" for each in body.events})
    audited = ("package-preservation-events", {"events": told})
    return _amend(workshop, package, PRESERVATION_EVENTS, body, audited, stored=False)


def _amend(
    workshop: Workshop,
    package: UUID,
    kind: str,
    body: Typed,
    audited: tuple[str, Mapping[str, object]],
    *,
    stored: bool = True,
) -> UUID:
    """Lists and stores an amendment; ``audited``: event and facts, beside package and amendment. What is listed is told
    and durable: where it need not be ``stored`` at once, ``FinishingAmendments`` sees to that.

    Raises ``NotFound`` for a package that is not in the catalog, ``NotAmendable``, and what signer and store raise;
    an amendment that was listed by then is stored at the next start.
    """
    with workshop.database.read() as tx:
        retain_until: datetime = get_package(tx, package).retain_until
        end = end_of_chain(tx, package)
    if end is None:
        raise NotAmendable("the package has no amendment yet that records its evidence")
    now = workshop.clock.now()
    amendment = new_identifier(workshop.clock, workshop.entropy)
    sequence, predecessor = end[0] + 1, end[1]
    content = Amendment(
        amendment=amendment,
        tenant=workshop.tenant,
        created=now,
        kind=kind,
        packages=(AmendedPackage(package, sequence, predecessor),),
        body=body,
    )
    sealed = make_amendment(content, workshop.signer)
    name = ObjectName(workshop.tenant, amendment, ObjectKind.AMENDMENT)
    spool_file = f"{amendment}.{_SPOOLED}"
    retain_until = max(retain_until, workshop.store.record(_package(workshop, package)).retain_until)
    object_record = keep_in_file(workshop, spool_file, name, sealed, retain_until)
    workshop.crash("amended.durable")
    event, facts = audited
    with workshop.database.write() as tx:
        insert_amendment(
            tx,
            amendment,
            kind,
            now,
            hashlib.sha256(sealed).digest(),
            retain_until,
            [(package, sequence, predecessor)],
            (spool_file, object_record.encode()),
        )
        record(tx, now, event, package=str(package), amendment=str(amendment), **facts)
    workshop.crash("amended.listed")
    try:
        _store(workshop, amendment, spool_file, object_record)
    except Unavailable as error:
        if stored:
            raise
        _log.warning("amendment-waits", amendment=str(amendment), reason=error.code)
    return amendment


def has_validation(workshop: Workshop, package: UUID) -> bool:
    """Whether reports were added to the package before."""
    with workshop.database.read() as tx:
        return bool(amendments_of(tx, package, VALIDATION))


def finish_amendments(workshop: Workshop) -> None:
    """Stores what was listed and is not stored yet; what cannot be stored now waits for the next time."""
    with workshop.database.read() as tx:
        rows = unstored_amendments(tx)
    for row in rows:
        try:
            _store(workshop, row.amendment_id, row.spool_file, ObjectRecord.decode(row.object_record))
        except ZddaError as error:
            _log.error("amendment-not-stored", amendment=str(row.amendment_id), reason=error.code)


class FinishingAmendments(WorkSource):
    """Stores, for as long as the archive runs, what was listed while a store was away. For one thread."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def run_one(self) -> bool:
        finish_amendments(self._workshop)
        return False


def _store(workshop: Workshop, amendment: UUID, spool_file: str, object_record: ObjectRecord) -> None:
    with workshop.database.read() as tx:
        placement = workshop.placement(classes_of_amendment(tx, amendment))
    placed = workshop.store.put(object_record, lambda: workshop.spool.open(spool_file), placement)
    workshop.crash("amended.put")
    with workshop.database.write() as tx:
        if amendment_stored(tx, amendment):
            insert_object(tx, stored_object(object_record), placed, workshop.clock.now())
    workshop.crash("amended.stored")
    workshop.spool.remove(spool_file)


def _said(workshop: Workshop, amendment: UUID) -> bytes:
    """The body of an amendment that lies in the store, as canonical JSON."""
    with closing(workshop.store.open(ObjectName(workshop.tenant, amendment, ObjectKind.AMENDMENT))) as stream:
        content, _ = read_amendment(stream.read())
    return canonical_json(encode_body(content.body))


def _package(workshop: Workshop, package: UUID) -> ObjectName:
    return ObjectName(workshop.tenant, package, ObjectKind.AIP)
