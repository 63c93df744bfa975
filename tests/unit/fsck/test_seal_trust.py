"""Who sealed, and whether the key was still good when the evidence proves the seal to have been there."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta

from package_signers import AT
from verified_packages import Custodian, verified

from zdda.fsck.custody import CustodyReport, CustodyStatus
from zdda.fsck.verify import verify_package
from zdda.packaging.aip_reader import open_aip
from zdda.packaging.fixity import check_manifest

OURS = Custodian(AT)
LATER = AT + timedelta(days=30)
CONTAINER, RECORD = OURS.package()


def codes(report: CustodyReport) -> set[str | None]:
    return {check.code for check in report.checks if check.code}


def test_a_thief_with_old_revocation_data_and_a_false_date_proves_nothing() -> None:
    """The stolen key's certificate is revoked by now; the thief dates the seal into the life of an old answer."""
    custodian = Custodian(AT, seed=6)
    container, _ = custodian.package(custodian.inputs())
    custodian.clock.move_to(AT + timedelta(days=3))
    custodian.authority.revoke(custodian.seal)
    late_record = custodian.evidence(group_of(container))
    report = verified(container, late_record, custodian.anchors, LATER)
    assert report.status is CustodyStatus.NOT_PROVABLE
    assert codes(report) == {"seal-revocation-stale"}


def test_evidence_that_came_late_proves_with_the_seal_s_news_in_its_token() -> None:
    custodian = Custodian(AT, seed=7)
    container, _ = custodian.package(custodian.inputs())
    custodian.clock.move_to(AT + timedelta(days=3))
    record = custodian.evidence(group_of(container), also=custodian.revocation(custodian.seal))
    report = verified(container, record, custodian.anchors, LATER)
    assert report.status is CustodyStatus.PROVEN
    assert report.proven_at == (AT + timedelta(days=3)).replace(microsecond=0)


def test_the_news_in_the_token_of_a_late_batch_tell_of_the_theft() -> None:
    custodian = Custodian(AT, seed=8)
    container, _ = custodian.package(custodian.inputs())
    custodian.clock.move_to(AT + timedelta(days=3))
    custodian.authority.revoke(custodian.seal)
    record = custodian.evidence(group_of(container), also=custodian.revocation(custodian.seal))
    report = verified(container, record, custodian.anchors, LATER)
    assert report.status is CustodyStatus.BROKEN
    assert codes(report) == {"seal-untrusted"}


def test_who_may_have_sealed_can_be_said() -> None:
    ours, other = OURS.signer.certificate, Custodian(AT, seed=9).signer.certificate
    report = verify_package(io.BytesIO(CONTAINER), RECORD, OURS.anchors, LATER, seal_certificates=(other, ours))
    assert report.status is CustodyStatus.PROVEN
    assert report.sealed_by is not None
    assert report.sealed_by.sha256 == hashlib.sha256(ours).hexdigest()
    assert "CN=" in report.sealed_by.subject
    report = verify_package(io.BytesIO(CONTAINER), RECORD, OURS.anchors, LATER, seal_certificates=(other,))
    assert report.status is CustodyStatus.BROKEN
    assert codes(report) == {"seal-other-certificate"}


def group_of(container: bytes) -> tuple[bytes, ...]:
    """The digests of the package's group of data objects, as its evidence has them."""
    aip = open_aip(io.BytesIO(container))
    digests, _ = check_manifest(aip)
    return (
        hashlib.sha256(aip.manifest).digest(),
        hashlib.sha256(aip.seal).digest(),
        *(digests[entry.name].sha256 for entry in aip.entries),
    )
