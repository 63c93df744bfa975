"""Hostile CMS: signatures (RFC 5652) and timestamp tokens (RFC 3161).

A changed message hardly ever verifies, and so never reaches what is asked of one that does. Therefore a message whose
attributes were changed is judged once more, signed again by a key that is trusted: as if its signer were the enemy.
"""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from functools import cache

from asn1crypto import tsp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fuzz.promises import CONTENT, Violation, judged, passes
from tests.unit.signatures.cms_maker import (
    attribute,
    in_segments,
    indefinite,
    signed_attributes,
    signed_data,
    signer_info,
)
from tests.unit.signatures.test_archive_coverage import archived_v2
from tests.unit.signatures.test_cades_timestamps import counter
from tests.unit.signatures.test_cms_plain import BY_ASN1CRYPTO, told
from tests.unit.validation.laboratory import SIGNED, Member, key, token, world
from zdda.signatures import cades, cms
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import new_digest
from zdda.signatures.timestamp_token import parse_timestamp_token

OTHER = CONTENT + b"!"
_ATTEMPTS = 16


@cache
def cms_seeds() -> tuple[bytes, ...]:
    lab = world()
    chain = [lab.signer.der, lab.issuing.der]
    digest = hashlib.sha256(CONTENT).digest()
    attributes = signed_attributes(lab.signer, digest)
    info = signer_info(lab.signer, attributes)

    def stamped(value: bytes) -> list[bytes]:
        made = token(lab.authority, hashlib.sha256(value).digest(), certificates=lab.chain[:1])
        return [attribute(cms.SIGNATURE_TIMESTAMP, made)]

    later = signed_attributes(lab.signer, digest, moment=SIGNED + timedelta(minutes=1))
    timestamped = signer_info(lab.signer, later, unsigned=stamped)
    countersigned = signer_info(lab.signer, attributes, unsigned=lambda value: [counter(value)])
    return (
        signed_data([info], CONTENT, chain),
        signed_data([info], None, chain),
        signed_data([timestamped], CONTENT, chain, lab.crls()),
        signed_data([info, timestamped], CONTENT, chain),
        signed_data([info], CONTENT, chain, write=indefinite, write_content=in_segments),
        signed_data([countersigned], CONTENT, chain),
        signed_data([signer_info(lab.signer, None, content=CONTENT)], CONTENT, chain),
        archived_v2(None),
    )


def fuzz_cms(data: bytes) -> None:
    """Attached and detached SignedData."""
    must_be_read_alike(data)
    message = _read(data)
    if passes(judged(data, [CONTENT])) and message is not None and message.content not in (CONTENT, None):
        raise Violation("a message passes that holds other content than was signed")
    if message is None:
        return
    if message.content is None and passes(judged(data, [OTHER])):
        raise Violation("a detached signature passes over other content")
    again = signed_again(data, message, world().signer)
    if again is not None and passes(judged(again, [CONTENT])):
        _must_name_its_content(again)


def must_be_read_alike(data: bytes) -> None:
    """Our own reader of plain messages takes what asn1crypto takes, as asn1crypto takes it."""
    if told(data, cms.parse_signed_data) != told(data, BY_ASN1CRYPTO):
        raise Violation("a message is not read as asn1crypto reads it")


def _read(data: bytes) -> cms.SignedData | None:
    try:
        return cms.parse_signed_data(cades.load(io.BytesIO(data))[0])
    except FormatError:
        return None


@cache
def _known_attributes() -> frozenset[bytes]:
    """What the seeds' first signers signed."""
    read = (cms.parse_signed_data(seed) for seed in (*cms_seeds(), *token_seeds()))
    return frozenset(each.signers[0].signed_attributes or b"" for each in read)


def signed_again(data: bytes, message: cms.SignedData, member: Member) -> bytes | None:
    """The message with its first signature made anew, if that is of anything new. Every other message is given the
    digest of its content too. The lengths stay: an ECDSA value has a few, and chance gives the one that is wanted."""
    if not message.signers:
        return None
    signer = message.signers[0]
    attributes, value = signer.signed_attributes, signer.signature
    if attributes is None or attributes in _known_attributes() or not 68 <= len(value) <= 72:
        return None
    if data.count(value) != 1:
        return None
    content = CONTENT if message.content is None else message.content
    start = attributes.find(b"\x04\x20")
    if data[-1] & 1 and start >= 0 and data.count(attributes[start : start + 34]) == 1:
        new = b"\x04\x20" + hashlib.sha256(content).digest()
        data = data.replace(attributes[start : start + 34], new)
        attributes = attributes[:start] + new + attributes[start + 34 :]
    for _ in range(_ATTEMPTS):
        fresh = key(member.name).sign(attributes, ec.ECDSA(hashes.SHA256()))
        if len(fresh) == len(value):
            return data.replace(value, fresh)
    return None


def _must_name_its_content(data: bytes) -> None:
    """RFC 5652 clause 11.2: what is signed is the digest of the content, whatever else is."""
    message = cms.parse_signed_data(data)
    signer = message.signers[0]
    value = new_digest(signer.digest_algorithm)
    value.update(CONTENT if message.content is None else message.content)
    if value.digest() not in (signer.signed_attributes or b""):
        raise Violation("a signature passes that names other content")


# --- timestamp tokens


@cache
def token_seeds() -> tuple[bytes, ...]:
    lab = world()
    return (
        token(lab.authority, hashlib.sha256(CONTENT).digest(), certificates=lab.chain[:1]),
        token(lab.authority, hashlib.sha256(CONTENT).digest()),
    )


@cache
def _stamped() -> frozenset[bytes]:
    """The TSTInfo of each seed."""
    return frozenset(_info_of(seed) for seed in token_seeds())


def _info_of(token_der: bytes) -> bytes:
    return bytes(cms.parse_signed_data(token_der).content or b"")


def fuzz_token(data: bytes) -> None:
    """Tokens, by themselves and as documents."""
    must_be_read_alike(data)
    if passes(judged(data, [CONTENT])):
        raise Violation("a timestamp passes for a signature")
    try:
        parsed = parse_timestamp_token(data)
        message = cms.parse_signed_data(data)
    except FormatError:
        return
    digest = hashlib.sha256(CONTENT).digest()
    if parsed.signature_intact and parsed.signer_certificate == world().authority.der:
        if not parsed.is_over_digest(digest):
            raise Violation("an intact token tells another imprint")
        if _info_of(data) not in _stamped():
            raise Violation("an intact token holds other information")
    again = signed_again(data, message, world().authority)
    if again is None:
        return
    judged(again, [CONTENT])
    try:
        parsed = parse_timestamp_token(again)
    except FormatError:
        return
    if parsed.signature_intact and parsed.is_over_digest(digest):
        info = tsp.TSTInfo.load(message.content or b"")
        if info["message_imprint"]["hashed_message"].native != digest:
            raise Violation("a token is taken for one over data that it does not name")
