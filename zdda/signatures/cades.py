"""CMS and CAdES signatures (RFC 5652, EN 319 122): attached or detached, BER or DER, in PEM armour or bare.

Fills the signature model and does the byte-level cryptography; never judges trust.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

from zdda.signatures import cms
from zdda.signatures.ber import extent
from zdda.signatures.cades_profile import profile_of
from zdda.signatures.cades_timestamps import Surroundings, TimestampCount, timestamps_of
from zdda.signatures.content import Content, Detached, choose_content, differs
from zdda.signatures.errors import FormatError
from zdda.signatures.model import (
    DigestMatcher,
    Finding,
    Profile,
    ReferenceState,
    Severity,
    Signature,
    SignedDocument,
    SignedProperties,
    Timestamp,
)
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.signer_info import find_signer, reference_state, signed_properties
from zdda.signatures.transmitted import MessagePieces, message_pieces, signer_pieces

MAXIMUM_SIGNERS = 100
MAXIMUM_COUNTER_SIGNATURES = 100
MAXIMUM_DEPTH = 5
_ARMOUR = re.compile(rb"-----BEGIN (?:PKCS7|CMS|PKCS #7 SIGNED DATA)-----([A-Za-z0-9+/=\s]+)-----END ")
# Of these a second instance, or a second value, would leave it open which one is meant (RFC 5652 clause 11).
_SINGLE = (cms.CONTENT_TYPE, cms.MESSAGE_DIGEST, cms.SIGNING_CERTIFICATE, cms.SIGNING_CERTIFICATE_V2)

_AFTER_MESSAGE = Finding("bytes-after-message", Severity.WARNING)


class DocumentTooLarge(Exception):
    """A CMS message that is not read into memory whole."""


def load(document: BinaryIO) -> tuple[bytes, tuple[Finding, ...]]:
    """The message's bytes, armour taken off, and what is to be said of what stands behind the armour. Raises
    ``DocumentTooLarge`` over 64 MiB, ``FormatError`` for armour that is none."""
    length = document.seek(0, io.SEEK_END)
    if length > cms.MAXIMUM_LENGTH:
        raise DocumentTooLarge(f"{length} bytes")
    document.seek(0)
    data = document.read()
    start = data.lstrip(b"\xef\xbb\xbf\t\r\n ")
    if not start.startswith(b"-----BEGIN "):
        return data, ()
    armoured = _ARMOUR.match(start)
    if armoured is None:
        raise FormatError("PEM armour without a CMS message in it")
    try:
        message = binascii.a2b_base64(armoured[1])
    except binascii.Error as error:
        raise FormatError("PEM armour without a CMS message in it") from error
    # Another message behind it is not read: then it must not seem to have been.
    behind = start[armoured.end() :].partition(b"-----")[2].strip()
    return message, (_AFTER_MESSAGE,) if behind else ()


def document_of(signed: cms.SignedData, detached: Detached = Detached()) -> SignedDocument:  # noqa: B008 - immutable
    """All signatures of a CMS message, counter-signatures in them.

    Raises ``FormatError`` where the message
    exceeds a limit; a signer that is broken is a signature with FATAL findings.
    """
    if len(signed.signers) > MAXIMUM_SIGNERS:
        raise FormatError(f"a CMS message has more than {MAXIMUM_SIGNERS} signers")
    content = choose_content(signed, detached, lambda signer, candidate: _verified(signer, signed, candidate))
    reader = _Reader(signed)
    signatures = _told_apart(
        reader.signature(signer, content, (number,)) for number, signer in enumerate(signed.signers)
    )
    findings = []
    if _trailing(signed.der):
        findings.append(_AFTER_MESSAGE)
    if signed.content is not None and differs(signed.content, detached):
        # RFC 5652 clause 5.2: the content is the message's own. Whoever names another one must hear that it is not.
        findings.append(Finding("detached-content-ignored", Severity.WARNING))
    return SignedDocument(
        format="CMS",
        length=len(signed.der),
        signatures=signatures,
        certificates=signed.certificates,
        crls=signed.crls,
        ocsps=signed.ocsps,
        findings=tuple(findings),
        detached_content=content.digest("sha256") if content is not None and signed.content is None else None,
    )


def _told_apart(siblings: Iterable[Signature]) -> tuple[Signature, ...]:
    """Those that stand beside one another, with a finding where two are the same signature: which of them a report, a
    timestamp or a counter-signature is about is then not to be told."""
    found = tuple(replace(each, counter_signatures=_told_apart(each.counter_signatures)) for each in siblings)
    values = Counter((each.signature_value, each.data_to_be_signed) for each in found if each.signature_value)
    duplicated = Finding("signature-duplicated", Severity.WARNING)
    return tuple(
        replace(each, findings=(*each.findings, duplicated))
        if values[each.signature_value, each.data_to_be_signed] > 1
        else each
        for each in found
    )


def _trailing(data: bytes) -> bool:
    try:
        return extent(data)[3] < len(data)
    except FormatError:
        return False  # BER that was read, and whose end our own reader does not find


def _verified(signer: cms.Signer, signed: cms.SignedData, content: Content) -> bool:
    return find_signer(signer, signed.certificates, (), content.digest, content.data)[1]


class _Reader:
    """Counts what hostile messages multiply: counter-signatures and timestamps over all signers."""

    def __init__(self, signed: cms.SignedData) -> None:
        self.signed = signed
        self.counter_signatures = 0
        self.timestamps = TimestampCount()
        self.pieces: MessagePieces | None = None

    def signature(self, signer: cms.Signer, content: Content | None, path: tuple[int, ...]) -> Signature:
        """``path``: the position of the SignerInfo; of a counter-signature below that of its parent."""
        counter = len(path) > 1
        place = "/".join(map(str, path)).encode("ascii")
        identifier = _identifier(signer, place)
        findings = [Finding("attribute-unreadable", Severity.WARNING, name) for name in self._unread(signer, counter)]
        repeated = _repeated(signer)
        findings += repeated
        references: tuple[cms.CertificateReference, ...] = ()
        try:
            references = cms.certificate_references(signer)
        except FormatError as error:
            findings.append(Finding("signing-certificate-unreadable", Severity.FATAL, str(error)))
        certificate, verified = None, False
        if content is not None:
            certificate, verified = find_signer(
                signer, self.signed.certificates, references, content.digest, content.data
            )
        else:
            certificate, _ = find_signer(signer, self.signed.certificates, references, lambda name: b"")
        try:
            matcher = _matcher(signer, content, verified)
            properties = signed_properties(signer)
            consistent = self._consistent(signer, properties, counter, findings)
        except FormatError as error:
            findings.append(Finding("signed-attributes-unreadable", Severity.FATAL, str(error)))
            matcher, properties, consistent = None, SignedProperties(), False
        counters = self._counter_signatures(signer, path, findings)
        timestamps: tuple[Timestamp, ...] = ()
        try:
            self.timestamps.add(signer)
            around = Surroundings(self._message, lambda: signer_pieces(signer.encoded), content, counters)
            timestamps = timestamps_of(signer, identifier, around)
        except FormatError as error:
            findings.append(Finding("timestamps-unreadable", Severity.FATAL, str(error)))
        # What cannot be read is no token of any kind: told of the signature, which it is no part of.
        findings += [
            Finding("timestamp-unreadable", Severity.WARNING, item.type.value)
            for item in timestamps
            if item.token is None
        ]
        timestamps = tuple(item for item in timestamps if item.token is not None)
        claimed = None
        try:
            claimed = cms.signing_time(signer)
        except FormatError:
            findings.append(Finding("signing-time-unreadable", Severity.WARNING))
        if any(oid in cms.OBSOLETE for oid, _ in signer.unsigned):
            findings.append(Finding("obsolete-attribute-not-read", Severity.WARNING))
        own = cms.validation_values(signer)
        return Signature(
            identifier=identifier,
            profile=profile_of(self.signed, signer, certificate, references, properties, counter),
            counter=counter,
            signature_value=signer.signature,
            algorithm=signer.algorithm,
            digest_algorithm=signer.digest_algorithm,
            data_to_be_signed=signer.signed_attributes,
            # RFC 5652 clause 5.6: the value holds only where message-digest is the digest that was computed anew; and
            # clause 11 forbids attributes that say two things. RFC 6211: it fails where algorithms were exchanged.
            value_intact=verified
            and consistent
            and not repeated
            and properties.algorithm_protection != "mismatch"
            and matcher is not None
            and matcher.intact,
            matchers=(matcher,) if matcher is not None else (),
            signer=certificate,
            reference=reference_state(references, certificate),
            references=references,
            claimed_signing_time=claimed,
            properties=properties,
            certificates=own.certificates if counter else self.signed.certificates,
            crls=own.crls if counter else self.signed.crls,
            ocsps=own.ocsps if counter else self.signed.ocsps,
            timestamps=timestamps,
            findings=tuple(findings),
            covered_until=len(self.signed.der),
            document_length=len(self.signed.der),
            counter_signatures=tuple(counters.values()),
            unsigned_attributes=tuple(dict.fromkeys(oid for oid, _ in signer.unsigned)),
        )

    def _message(self) -> MessagePieces:
        if self.pieces is None:
            self.pieces = message_pieces(self.signed.der)
        return self.pieces

    def _unread(self, signer: cms.Signer, counter: bool) -> tuple[str, ...]:
        return cms.validation_values(signer).unread if counter else self.signed.unread

    def _consistent(
        self, signer: cms.Signer, properties: SignedProperties, counter: bool, findings: list[Finding]
    ) -> bool:
        """RFC 5652 clauses 5.3, 11.1 and 11.4: content-type is that of the content; there are signed attributes where
        it is not data; a counter-signature, which has no content, has no content-type."""
        if counter:
            if properties.content_type is not None:
                findings.append(Finding("counter-signature-with-content-type", Severity.FATAL))
            return True
        if signer.signed_attributes is None:
            return self.signed.content_type == cms.DATA
        return properties.content_type == self.signed.content_type

    def _counter_signatures(
        self, signer: cms.Signer, path: tuple[int, ...], findings: list[Finding]
    ) -> dict[tuple[int, int], Signature]:
        """RFC 5652 clause 11.4: each value is a SignerInfo over the octets of this one's signature value."""
        found: dict[tuple[int, int], Signature] = {}
        for position, (oid, values) in enumerate(signer.unsigned):
            if oid != cms.COUNTER_SIGNATURE:
                continue
            for number, value in enumerate(values):
                self.counter_signatures += 1
                if self.counter_signatures > MAXIMUM_COUNTER_SIGNATURES or len(path) > 2 * MAXIMUM_DEPTH:
                    findings.append(Finding("counter-signatures-not-read", Severity.FATAL, "too many or too deep"))
                    return found
                below = (*path, position, number)
                try:
                    counter = cms.parse_signer(value)
                    found[position, number] = self.signature(counter, Content(signer.signature), below)
                except FormatError as error:
                    found[position, number] = _unreadable(value, below, str(error), len(self.signed.der))
        return found


def _identifier(signer: cms.Signer, place: bytes) -> str:
    """Of the signature in its place: the same SignerInfo elsewhere is another signature."""
    value = hashlib.sha256(b"cms/%b/" % place)
    for part in (signer.issuer, signer.key_identifier, signer.signed_attributes, signer.signature):
        value.update(hashlib.sha256(part or b"").digest())
    value.update(f"{signer.serial}/{signer.digest_algorithm}/{signer.algorithm}".encode())
    return value.hexdigest()


def _repeated(signer: cms.Signer) -> list[Finding]:
    """Attributes that RFC 5652 clause 11 and RFC 5035 allow once, with one value."""
    findings = []
    for oid in (*_SINGLE, cms.SIGNING_TIME):
        values = [len(members) for kind, members in signer.signed if kind == oid]
        if len(values) > 1 or any(count != 1 for count in values):
            severity = Severity.FATAL if oid in _SINGLE else Severity.WARNING
            findings.append(Finding("signed-attribute-repeated", severity, oid))
    return findings


def _matcher(signer: cms.Signer, content: Content | None, verified: bool) -> DigestMatcher:
    algorithm = signer.digest_algorithm
    if signer.signed_attributes is None:
        found = content is not None and signer.digest_stated
        return DigestMatcher("SIGNED_VALUE", "content", algorithm, found, verified)
    claimed = cms.message_digest(signer)
    if content is None or claimed is None or not signer.digest_stated:
        return DigestMatcher("MESSAGE_DIGEST", "content", algorithm, False, False)
    intact = hmac.compare_digest(claimed, content.digest(algorithm))
    return DigestMatcher("MESSAGE_DIGEST", "content", algorithm, True, intact)


def _unreadable(value: bytes, path: tuple[int, ...], why: str, length: int) -> Signature:
    place = "/".join(map(str, path)).encode("ascii")
    return Signature(
        identifier=hashlib.sha256(b"cms/%b/" % place + value).hexdigest(),
        profile=Profile.CMS_NOT_ETSI,
        counter=True,
        signature_value=b"",
        algorithm=SignatureAlgorithm("unknown", None),
        digest_algorithm="unknown",
        data_to_be_signed=None,
        value_intact=False,
        matchers=(),
        signer=None,
        reference=ReferenceState.MISSING,
        references=(),
        claimed_signing_time=None,
        properties=SignedProperties(),
        certificates=(),
        crls=(),
        ocsps=(),
        timestamps=(),
        findings=(Finding("counter-signature-unreadable", Severity.FATAL, why),),
        covered_until=length,
        document_length=length,
    )
