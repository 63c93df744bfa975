"""Whether the signature value of a SignerInfo verifies, and with whose key (RFC 5652 clauses 5.3, 5.4 and 5.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zdda.signatures import der as tlv
from zdda.signatures.as_read import in_definite_length
from zdda.signatures.certificates import Certificate, load_certificate, same_name
from zdda.signatures.cms import RawAttributes, Signer
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import new_digest, verify_digest

ContentDigest = Callable[[str], bytes]


def candidates(signer: Signer, certificates: Iterable[bytes]) -> tuple[Certificate, ...]:
    """The certificates that the signer identifier names (RFC 5652 clause 5.3), unreadable ones left out."""
    found: list[Certificate] = []
    for der in certificates:
        try:
            certificate = load_certificate(der)
        except FormatError:
            continue
        if signer.key_identifier is not None:
            match = signer.key_identifier == certificate.key_identifier
        else:
            match = signer.serial == certificate.serial and same_name(signer.issuer or b"", certificate.issuer)
        if match:
            found.append(certificate)
    return tuple(found)


def verify_signer(
    signer: Signer, certificate: Certificate, content_digest: ContentDigest, content: bytes | None = None
) -> bool:
    """Whether the signature value verifies with this certificate's key (RFC 5652 clause 5.6).

    ``content_digest`` gives the digest of the content for an algorithm's name; it is called only where there
    are no signed attributes. The message-digest attribute is not compared here.
    """
    if signer.signed_attributes is None:
        if signer.algorithm.hash is None or signer.algorithm.hash != signer.digest_algorithm:
            return False
        digest = content_digest(signer.algorithm.hash)
        return verify_digest(certificate.public_key, signer.algorithm, digest, signer.signature, content)
    for message in _encodings(signer.signed_attributes):
        digest = b""
        if signer.algorithm.hash is not None and signer.algorithm.hash != "shake256":
            value = new_digest(signer.algorithm.hash)
            value.update(message)
            digest = value.digest()
        if verify_digest(certificate.public_key, signer.algorithm, digest, signer.signature, message):
            return True
    return False


def _encodings(attributes: bytes) -> Iterable[bytes]:
    """The DER encoding of the attributes, however they were transmitted: RFC 5652 clause 5.4 has the signature
    over it and over nothing else, so members are sorted; then, where that differs, re-encoded whole."""
    try:
        parsed = RawAttributes.load(attributes)
        ordered = tlv.encode(tlv.SET, b"".join(sorted(in_definite_length(item) for item in parsed)))
        yield ordered
        recoded = tlv.encode(tlv.SET, b"".join(sorted(item.dump(force=True) for item in parsed)))
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception:  # noqa: BLE001 - of hostile bytes; what cannot be encoded again is not what was signed
        return
    if recoded != ordered:
        yield recoded
