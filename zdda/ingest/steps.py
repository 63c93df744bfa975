"""Steps 2 to 4 of a deposit: validated, sealed, stored. Each reads its row, works, and commits one transition.

What is true if everything stops: between the commit points named below only files of the spool are written, which
the next attempt writes anew under another name; at each commit point the row says all that the next step needs.
"""

from __future__ import annotations

import base64
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from zdda.audit.log import record
from zdda.catalog.deposits import describe_document, documents_of, get_deposit, history_of, transition
from zdda.catalog.leasing import Lease
from zdda.catalog.packages import insert_object
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.database.session import AnyRow
from zdda.evidence.hash_tree import group_digest
from zdda.ingest.intake_policy import Standing, decide, shows_unsigned_changes
from zdda.ingest.objects import stored_object
from zdda.ingest.revocation_wait import wait_for_revocation_data
from zdda.ingest.workshop import Examination, Workshop
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.deposit import DepositState
from zdda.model.errors import DueLater, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.retention import DisposalMark, OnVerdict
from zdda.model.submission import DocumentDescription
from zdda.packaging.aip import AipDocument, AipInputs, ValidationDatum, build_aip
from zdda.packaging.deposit_record import DepositFacts, IntakeFacts, RetentionFacts
from zdda.packaging.submission import parse_submission_metadata
from zdda.storage.object_record import ObjectRecord
from zdda.validation.pinned_rules import pinned

CRASH_POINTS = (
    "validated.before-commit",
    "validated.committed",
    "sealed.container-durable",
    "sealed.before-commit",
    "sealed.committed",
    "stored.put",
    "stored.committed",
)

NOT_ASKED = "revocation-data-not-asked"
"""The note of a deposit with more certificates than intake asks about: it is flagged."""


class ClassGone(Unavailable):
    """The settings no longer name the deposit's retention class: it waits until they do."""

    code = "retention-class-gone"


class RevocationDataDue(DueLater):
    """The verdict lacks fresh revocation data, and the retention class lets the deposit wait for them."""

    code = "revocation-data-due"


class DepositSteps:
    """The steps of one tenant's deposits."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def __call__(self, lease: Lease) -> Lease:
        """Does the step that the lease's state asks for; see ``zdda.jobs.runner``."""
        step = {
            DepositState.RECEIVED: self._validate,
            DepositState.VALIDATED: self._seal,
            DepositState.SEALED: self._store,
        }[DepositState(lease.state)]
        with self._workshop.database.read() as tx:
            deposit = get_deposit(tx, lease.key)
            documents = list(documents_of(tx, lease.key))
        key = self._workshop.unwrap_deposit_key(deposit.generation, deposit.wrapped_data_key, deposit.package_id)
        return step(lease, deposit, documents, key)

    def _validate(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow], key: bytes) -> Lease:
        workshop = self._workshop
        retention_class = workshop.classes.get(deposit.retention_class)
        if retention_class is None:
            raise ClassGone("the settings no longer name the deposit's retention class")
        spooled = [(row.spool_file, workshop.spooled(deposit.package_id, row.number)) for row in documents]
        found = [
            workshop.examiner.examine(
                file, key, name, row.media_type, [sibling for sibling in spooled if sibling[0] != file]
            )
            for row, (file, name) in zip(documents, spooled, strict=True)
        ]
        unasked = sum(each.unasked for each in found)
        decision = decide(
            [Standing(each.verdict) for each in found],
            retention_class.intake,
            unasked > 0 or any(shows_unsigned_changes(each.report) for each in found),
        )
        unreadable = any(each.unreadable for each in found)
        until = deposit.received_at + retention_class.revocation_wait
        reports = [each.report for each in found]
        wait = wait_for_revocation_data(decision.worst, reports, workshop.clock.now(), until, lease.attempts)
        if wait is not None and not unreadable:
            raise RevocationDataDue("newer revocation data are due", wait)
        rejected = unreadable or decision.action is OnVerdict.REJECT
        after = DepositState.REJECTED if rejected else DepositState.VALIDATED
        data_file = None
        if not rejected:
            data_file = self._keep_validation_data(lease, deposit.package_id, key, found)
        now = workshop.clock.now()
        workshop.crash("validated.before-commit")
        with workshop.database.write() as tx:
            for row, each in zip(documents, found, strict=True):
                describe_document(tx, lease.key, row.number, each.puid, each.format_name, each.verdict)
            note = ("document-unreadable" if unreadable else "deposit-rejected") if rejected else None
            if unasked and not rejected:
                note = NOT_ASKED
            moved = transition(
                tx,
                lease,
                after,
                now,
                note,
                validated_at=now,
                worst=decision.worst,
                flagged=decision.action is OnVerdict.FLAG,
                reports=canonical_json(reports),
                validation_data_file=data_file,
                **({"wrapped_data_key": b""} if rejected else {}),
            )
            event = "deposit-rejected" if rejected else "deposit-validated"
            facts = {"revocationNotAsked": unasked} if unasked else {}
            record(tx, now, event, deposit=str(lease.key), verdict=decision.worst.value, **facts)
        workshop.crash("validated.committed")
        if rejected:
            workshop.ended(lease.key)
            self._sweep(documents)
        return moved

    def _seal(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow], key: bytes) -> Lease:
        workshop = self._workshop
        now = workshop.clock.now()
        name = ObjectName(workshop.tenant, deposit.package_id, ObjectKind.AIP)
        spool_file = f"{lease.key}.aip.{lease.epoch}"
        file = workshop.spool.encrypting(spool_file, key, name, workshop.entropy)
        try:
            built = build_aip(self._inputs(deposit, documents, key, now), workshop.signer, file)
            _, stored = file.finish()
        except BaseException:
            file.discard()
            raise
        workshop.crash("sealed.container-durable")
        object_record = workshop.store.seal_record(
            name, ContentAddress(stored.sha256), stored.length, stored.sha512, key, deposit.retain_until
        )
        leaf = group_digest(built.group)
        workshop.crash("sealed.before-commit")
        with workshop.database.write() as tx:
            moved = transition(
                tx,
                lease,
                DepositState.SEALED,
                now,
                sealed_at=now,
                container_file=spool_file,
                object_record=object_record.encode(),
                group_digest=leaf,
            )
            record(tx, now, "package-sealed", deposit=str(lease.key), package=str(deposit.package_id), leaf=leaf.hex())
        workshop.crash("sealed.committed")
        self._sweep(documents, deposit.validation_data_file)
        return moved

    def _store(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow], key: bytes) -> Lease:
        del documents, key
        workshop = self._workshop
        object_record = ObjectRecord.decode(deposit.object_record)
        workshop.store.put(object_record, lambda: workshop.spool.open(deposit.container_file))
        workshop.crash("stored.put")
        now = workshop.clock.now()
        with workshop.database.write() as tx:
            moved = transition(tx, lease, DepositState.STORED, now, stored_at=now)
            insert_object(tx, stored_object(object_record))
            record(tx, now, "package-stored", deposit=str(lease.key), package=str(deposit.package_id))
        workshop.crash("stored.committed")
        workshop.spool.remove(deposit.container_file)
        return moved

    def _keep_validation_data(self, lease: Lease, package: UUID, key: bytes, found: list[Examination]) -> str | None:
        """Certificates, CRLs, OCSP answers and timestamps that the verdicts rest on, and the rules, which may have
        changed before the package is sealed, encrypted in the spool; None where nothing was signed."""
        data = {datum for each in found for datum in each.validation_data}
        if not data:
            return None
        data |= {("rules", rules) for rules in pinned(each.report for each in found)}
        spool_file = f"{lease.key}.data.{lease.epoch}"
        listed = [[role, base64.b64encode(value).decode("ascii")] for role, value in sorted(data)]
        name = self._workshop.spooled(package, 0)
        file = self._workshop.spool.encrypting(spool_file, key, name, self._workshop.entropy)
        try:
            file.write(canonical_json(listed))
            file.finish()
        except BaseException:
            file.discard()
            raise
        return spool_file

    def _inputs(self, deposit: AnyRow, documents: list[AnyRow], key: bytes, now: datetime) -> AipInputs:
        workshop = self._workshop
        reports: list[dict[str, Any]] = parse_json(deposit.reports)
        listed: list[list[str]] = []
        if deposit.validation_data_file is not None:
            with self._opened(deposit.package_id, 0, deposit.validation_data_file, key) as stream:
                listed = parse_json(stream.read())
        data = [ValidationDatum(role, base64.b64decode(value)) for role, value in listed]
        data += [ValidationDatum("rules", rules) for rules in pinned(reports)]
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
            metadata=parse_submission_metadata(deposit.metadata),
            documents=[
                AipDocument(
                    description_of(row),
                    partial(self._opened, deposit.package_id, row.number, row.spool_file, key),
                    report,
                    row.verdict,
                )
                for row, report in zip(documents, reports, strict=True)
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


def description_of(row: AnyRow) -> DocumentDescription:
    """A document's description from its row."""
    return DocumentDescription(**{name: getattr(row, name) for name in DocumentDescription.__dataclass_fields__})
