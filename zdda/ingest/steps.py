"""Steps 3 and 4 of a deposit: sealed, stored.

What is true if everything stops: between the commit points named here and in ``group_steps`` only files of the spool
are written, which the next attempt writes anew under another name; at each commit point the row says all that the next
step needs.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import BinaryIO
from uuid import UUID

from zdda.catalog.deposits import LEASED as DEPOSITS
from zdda.catalog.deposits import Move, history_of
from zdda.catalog.evidence import LEASED as BATCHES
from zdda.catalog.evidence import BatchState
from zdda.catalog.leasing import Lease
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.database.engine import DatabaseUnavailable
from zdda.database.session import AnyRow
from zdda.evidence.hash_tree import group_digest
from zdda.ingest.group_steps import GroupSteps, Prepared
from zdda.ingest.objects import stored_object
from zdda.ingest.workshop import Workshop
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.deposit import DepositState
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.retention import DisposalMark
from zdda.model.submission import DocumentDescription
from zdda.packaging.aip import AipDocument, AipInputs, ValidationDatum, build_aip
from zdda.packaging.deposit_record import DepositFacts, IntakeFacts, RetentionFacts
from zdda.packaging.submission import from_json
from zdda.storage.object_record import ObjectRecord
from zdda.validation.pinned_rules import pinned

_OWN_TROUBLE = 8
"""Whoever has failed so often may wait for something else than the stores, and keeps to its own pauses."""
CRASH_POINTS = ("sealed.container-durable", "stored.put")


class SealingSteps(GroupSteps):
    """Validated deposits become sealed, and stored."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(workshop, {DepositState.VALIDATED: self._seal, DepositState.SEALED: self._store})

    def _seal(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow], key: bytes) -> Prepared:
        workshop = self._workshop
        now = workshop.clock.now()
        name = ObjectName(workshop.tenant, deposit.package_id, ObjectKind.AIP)
        spool_file = f"{lease.key}.aip.{lease.epoch}"
        file = workshop.spool.encrypting(spool_file, key, name, workshop.entropy, of_plaintext=False, arriving=False)
        try:
            built = build_aip(self._inputs(deposit, documents, key, now), workshop.signer, file)
            stored = file.finish_stored()
        except BaseException:
            file.discard()
            raise
        workshop.crash("sealed.container-durable")
        object_record = workshop.store.seal_record(
            name, ContentAddress(stored.sha256), stored.length, stored.sha512, key, deposit.retain_until
        )
        leaf = group_digest(built.group)
        values = {
            "sealed_at": now,
            "container_file": spool_file,
            "object_record": object_record.encode(),
            "group_digest": leaf,
        }
        return Prepared(
            move=Move(lease, DepositState.SEALED, now, values),
            event="package-sealed",
            facts={"deposit": str(lease.key), "package": str(deposit.package_id), "leaf": leaf.hex()},
            then=partial(self._sweep, documents, deposit.validation_data_file),
        )

    def _store(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow], key: bytes) -> Prepared:
        del documents, key
        workshop = self._workshop
        object_record = ObjectRecord.decode(deposit.object_record)
        placement = workshop.placement([deposit.retention_class])
        with workshop.forwarding.attempt(placement) as attempt:
            placed = workshop.store.put(object_record, lambda: workshop.spool.open(deposit.container_file), placement)
        workshop.crash("stored.put")
        if attempt.returned:
            self._hasten()
        now = workshop.clock.now()
        return Prepared(
            move=Move(lease, DepositState.STORED, now, {"stored_at": now}),
            event="package-stored",
            facts={"deposit": str(lease.key), "package": str(deposit.package_id)},
            stored=((stored_object(object_record), placed),),
            then=partial(workshop.spool.remove, deposit.container_file),
        )

    def _hasten(self) -> None:
        """The stores are back: what waited for them goes out now, oldest first."""
        with suppress(DatabaseUnavailable), self._workshop.database.write() as tx:
            DEPOSITS.hasten(tx, (DepositState.SEALED,), _OWN_TROUBLE)
            BATCHES.hasten(tx, (BatchState.TIMESTAMPED,), _OWN_TROUBLE)

    def _inputs(self, deposit: AnyRow, documents: list[AnyRow], key: bytes, now: datetime) -> AipInputs:
        workshop = self._workshop
        listed: list[list[str]] = []
        if deposit.validation_data_file is not None:
            with self._opened(deposit.package_id, 0, deposit.validation_data_file, key) as stream:
                listed = parse_json(stream.read())
        data = [ValidationDatum(role, base64.b64decode(value)) for role, value in listed]
        if not listed:  # else the rules are among them
            data += [ValidationDatum("rules", rules) for rules in pinned(parse_json(deposit.reports))]
        of_seal = workshop.seal_validation_data()
        data += [ValidationDatum("certificate", der) for der in (workshop.signer.certificate, *workshop.signer.chain)]
        data += [ValidationDatum("crl", der) for der in of_seal.crls]
        data += [ValidationDatum("ocsp", der) for der in of_seal.ocsps]
        facts = DepositFacts(
            package=deposit.package_id,
            tenant=workshop.tenant,
            deposit=deposit.deposit_id,
            account=deposit.account,
            idempotency_key=deposit.idempotency_key,
            request_digest=deposit.request_digest,
            received_at=deposit.received_at,
            validated_at=deposit.validated_at,
            retention=RetentionFacts(
                deposit.retention_class, DisposalMark(deposit.mark), deposit.years, deposit.retain_until
            ),
            intake=IntakeFacts(deposit.flagged, self._note(deposit)),
        )
        return AipInputs(
            facts=facts,
            metadata=from_json(parse_json(deposit.metadata)),  # checked at reception
            documents=[
                AipDocument(
                    description_of(row),
                    partial(self._opened, deposit.package_id, row.number, row.spool_file, key),
                    report,
                    row.verdict,
                )
                for row, report in zip(documents, _reports(deposit, len(documents)), strict=True)
            ],
            validation_data=data,
            software=workshop.software,
            created_at=now,
        )

    def _note(self, deposit: AnyRow) -> str | None:
        """What was noted when it was validated; only what is flagged has a note."""
        if not deposit.flagged:
            return None
        with self._workshop.database.read() as tx:
            history = history_of(tx, deposit.deposit_id)
        return next((note for state, _, note in history if state == DepositState.VALIDATED), None)

    def _opened(self, package: UUID, number: int, spool_file: str, key: bytes) -> BinaryIO:
        name = self._workshop.spooled(package, number)
        stream = self._workshop.spool.open(spool_file)
        return DecryptingReader(stream, key, name.associated_data(), owns_source=True)

    def _sweep(self, documents: list[AnyRow], data_file: str | None = None) -> None:
        """What is no longer needed; what a crash leaves here is swept at the next start."""
        for row in documents:
            self._workshop.spool.remove(row.spool_file)
        if data_file is not None:
            self._workshop.spool.remove(data_file)


def _reports(deposit: AnyRow, count: int) -> list[bytes]:
    """The report on each document in canonical JSON, as the row holds their list."""
    if count == 1:
        return [deposit.reports[1:-1]]
    return [canonical_json(report) for report in parse_json(deposit.reports)]


def description_of(row: AnyRow) -> DocumentDescription:
    """A document's description from its row."""
    return DocumentDescription(**{name: getattr(row, name) for name in DocumentDescription.__dataclass_fields__})
