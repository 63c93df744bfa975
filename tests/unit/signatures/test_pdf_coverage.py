"""What a PDF document timestamp proves to have existed, and what it does not."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta

import pytest

from tests.unit.validation.laboratory import SIGNED, sign_pdf, token, update, world
from zdda.signatures.pdf import read_pdf


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%b\nendstream" % (len(data), data)


def with_document_timestamp(
    pdf: bytes, number: int, store: bytes, fields: tuple[int, ...], type: str = "DocTimeStamp"
) -> bytes:
    return sign_pdf(
        pdf,
        lambda imprint: token(world().authority, imprint, SIGNED + timedelta(days=number), certificates=world().chain),
        number=number,
        fields=fields,
        sub_filter="ETSI.RFC3161",
        type=type,
        store=store,
    )


def test_a_document_timestamp_covers_earlier_revisions_and_nothing_later() -> None:
    lab = world()
    early, late = lab.crls()
    first = b"/DSS << /CRLs [30 0 R] >>"
    both = b"/DSS << /CRLs [30 0 R 31 0 R] >>"
    pdf = update(lab.with_timestamp(), {30: stream(early)}, 31)
    pdf = with_document_timestamp(pdf, 20, first, (10,))
    pdf = update(pdf, {31: stream(late)}, 32)
    pdf = with_document_timestamp(pdf, 22, both, (10, 20))
    signed = read_pdf(io.BytesIO(pdf))
    assert set(signed.crls) == {early, late}
    signature, stamps = signed.signatures[0], signed.document_timestamps
    assert [stamp.signature_valid for stamp in stamps] == [True, True]
    identifiers = [bytes.fromhex(item.identifier) for item in (signature, signature.timestamps[0], *stamps)]
    assert signature.timestamps[0].covers == (identifiers[0],)
    certificates = {digest(member.der) for member in (lab.signer, lab.authority, *lab.chain)}
    assert set(stamps[0].covers) == {*identifiers[:2], *certificates, digest(early)}
    assert set(stamps[1].covers) == {*identifiers[:3], *certificates, digest(early), digest(late)}


def test_a_value_whose_object_was_written_again_later_is_not_covered() -> None:
    """The cross-reference table of the last revision decides what the DSS says; it lies after the timestamp."""
    lab = world()
    early, late = lab.crls()
    store = b"/DSS << /CRLs [30 0 R] >>"
    pdf = with_document_timestamp(update(lab.basic(), {30: stream(early)}, 31), 20, store, (10,))
    signed = read_pdf(io.BytesIO(update(pdf, {30: stream(late)}, 31)))
    assert signed.crls == (late,)
    assert digest(late) not in signed.document_timestamps[0].covers


@pytest.mark.parametrize(
    "type",
    [
        "DocTimeStamp /Type /Sig",
        "Sig /Type/DocTimeStamp",
        "Sig",
        "DocTimeStamp /T#79pe /Sig",
        "DocTimeStamp /Type%x\n/Sig",
        "DocTimeStamp /Type /S#69g",
        "DocTimeStamp /Type /Sig /A (obj)",
        f"DocTimeStamp /A ({'x' * 5000}) /Type /Sig",
        "DocTimeStamp /A (1) /A (2)",
    ],
)
def test_a_token_under_two_types_or_another_one_is_no_document_timestamp(type: str) -> None:
    """ISO 32000-2 clauses 7.3.7 and 12.8.5: readers take one entry of two or the other."""
    signed = read_pdf(io.BytesIO(with_document_timestamp(world().basic(), 20, b"", (10,), type)))
    assert signed.document_timestamps == ()
    assert "timestamp-dictionary-mistyped" in [finding.code for finding in signed.findings]
    assert len(signed.signatures) == 1
