"""Step 2 of a deposit, validated: every document is examined, and the intake policy decides."""

from __future__ import annotations

import base64
from functools import partial
from uuid import UUID

from zdda.catalog.deposits import FoundOut, Move
from zdda.catalog.leasing import Lease
from zdda.database.session import AnyRow
from zdda.ingest.group_steps import GroupSteps, Prepared
from zdda.ingest.intake_policy import Standing, decide, shows_unsigned_changes
from zdda.ingest.revocation_wait import wait_for_revocation_data
from zdda.ingest.workshop import Examination, Workshop
from zdda.model.canonical_json import canonical_json
from zdda.model.deposit import DepositState
from zdda.model.errors import DueLater, Unavailable
from zdda.model.retention import OnVerdict
from zdda.validation.pinned_rules import pinned

NOT_ASKED = "revocation-data-not-asked"
"""The note of a deposit with more certificates than intake asks about: it is flagged."""
_GIVEN_BACK = {"lease_owner": None, "lease_until": None}
"""A validated deposit is held by nobody: another crew seals it."""


class ClassGone(Unavailable):
    """The settings no longer name the deposit's retention class: it waits until they do."""

    code = "retention-class-gone"


class RevocationDataDue(DueLater):
    """The verdict lacks fresh revocation data, and the retention class lets the deposit wait for them."""

    code = "revocation-data-due"


class ValidationSteps(GroupSteps):
    """Received deposits become validated or rejected."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(workshop, {DepositState.RECEIVED: self._validate})

    def _validate(self, lease: Lease, deposit: AnyRow, documents: list[AnyRow], key: bytes) -> Prepared:
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
        note = ("document-unreadable" if unreadable else "deposit-rejected") if rejected else None
        if unasked and not rejected:
            note = NOT_ASKED
        data_file = None
        if not rejected:
            data_file = self._keep_validation_data(lease, deposit.package_id, key, found)
        now = workshop.clock.now()
        values = {
            "validated_at": now,
            "worst": decision.worst,
            "flagged": decision.action is OnVerdict.FLAG,
            "reports": b"[" + b",".join(each.report_bytes() for each in found) + b"]",
            "validation_data_file": data_file,
            **({"wrapped_data_key": b""} if rejected else _GIVEN_BACK),
        }
        after = DepositState.REJECTED if rejected else DepositState.VALIDATED
        return Prepared(
            move=Move(lease, after, now, values, note),
            event="deposit-rejected" if rejected else "deposit-validated",
            facts={
                "deposit": str(lease.key),
                "verdict": decision.worst.value,
                **({"revocationNotAsked": unasked} if unasked else {}),
            },
            found=tuple(
                FoundOut(lease.key, row.number, each.puid, each.format_name, each.verdict)
                for row, each in zip(documents, found, strict=True)
            ),
            then=partial(self._ended, lease.key, documents, rejected),
        )

    def _ended(self, deposit: UUID, documents: list[AnyRow], rejected: bool) -> None:
        if not rejected:
            return
        self._workshop.ended(deposit)
        for row in documents:
            self._workshop.spool.remove(row.spool_file)

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
        file = self._workshop.spool.encrypting(
            spool_file, key, name, self._workshop.entropy, of_plaintext=False, arriving=False
        )
        try:
            file.write(canonical_json(listed))
            file.finish_stored()
        except BaseException:
            file.discard()
            raise
        return spool_file
