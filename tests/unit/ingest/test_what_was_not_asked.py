"""Who is asked about first, and what a deposit says of those who were not."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from sqlalchemy import select

from tests.simulator.archive import make_archive
from tests.simulator.examiners import NotAllAsked
from tests.unit.signatures import cms_maker
from tests.unit.signatures.test_cades import CONTENT, sha256
from tests.unit.validation.laboratory import NOW, certificate, token, world
from zdda.catalog.deposits import get_deposit
from zdda.catalog.tables import deposit_history
from zdda.ingest.examination import _on_paths
from zdda.ingest.workshop import Examination
from zdda.signatures import cms
from zdda.trust.anchors import TrustAnchors
from zdda.validation.validate import validate_document


def test_worthless_counter_signatures_push_nobody_off_the_list() -> None:
    lab = world()
    decoys = [certificate(f"decoy {number}", None) for number in range(25)]

    def unsigned(value: bytes) -> list[bytes]:
        made = [cms_maker.signer_info(by, cms_maker.signed_attributes(by, sha256(value), None)) for by in decoys]
        stamp = token(lab.authority, sha256(value), certificates=lab.chain)
        return [cms_maker.attribute(cms.COUNTER_SIGNATURE, *made), cms_maker.attribute(cms.SIGNATURE_TIMESTAMP, stamp)]

    first, other = lab.signer, certificate("lab other signer", lab.issuing)
    infos = [
        cms_maker.signer_info(first, cms_maker.signed_attributes(first, sha256(CONTENT)), unsigned=unsigned),
        cms_maker.signer_info(other, cms_maker.signed_attributes(other, sha256(CONTENT))),
    ]
    held = [each.der for each in (first, other, lab.issuing, *decoys)]
    data = cms_maker.signed_data(infos, CONTENT, held, lab.crls())
    report = validate_document(io.BytesIO(data), TrustAnchors((lab.root.der,)), at=NOW)
    found = tuple((each.role, each.data) for each in report.validation_data)
    asked = _on_paths(Examination(None, None, "INDETERMINATE", report.as_json(), found))
    names = {each.der: each.name for each in (first, other, lab.authority, lab.issuing, lab.root)}
    assert [names.get(der, "decoy") for der in asked[:6]] == [
        first.name,
        other.name,
        lab.authority.name,
        lab.issuing.name,
        lab.root.name,
        "decoy",
    ]
    assert {hashlib.sha256(each.der).digest() for each in decoys} <= {hashlib.sha256(each).digest() for each in asked}


def test_a_deposit_says_that_not_everybody_was_asked(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", examiner=NotAllAsked(3))
    told = []
    for _ in range(2):
        status = archive.deposit([b"content"], {})
        archive.settle()
        wanted = select(deposit_history.c.note).where(deposit_history.c.deposit_id == status.deposit_id)
        with archive.archive.database.read() as tx:
            flagged = get_deposit(tx, status.deposit_id).flagged
            notes = {row.note for row in tx.execute(wanted)}
        told.append((flagged, "revocation-data-not-asked" in notes))
    assert told == [(True, True), (False, False)]
    archive.close()
