"""What a CMS SignedData holds (RFC 5652), taken apart; bytes as they were transmitted."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from zdda.signatures.certificates import Certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm, new_digest

Attributes = tuple[tuple[str, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True)
class CertificateReference:
    """One entry of a signing-certificate attribute (RFC 5035): the digest, and issuer and serial if given."""

    digest_algorithm: str
    digest: bytes
    issuer: bytes | None
    serial: int | None

    def matches_digest(self, certificate: Certificate) -> bool:
        value = new_digest(self.digest_algorithm)
        value.update(certificate.der)
        return hmac.compare_digest(value.digest(), self.digest)

    def matches_issuer_serial(self, certificate: Certificate) -> bool:
        """True where no issuer and serial are given (RFC 5035 clause 4: they are optional)."""
        if self.serial is None:
            return True
        return self.serial == certificate.serial and same_name(self.issuer or b"", certificate.issuer)


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """One SignerInfo. ``signed_attributes`` is the SET that the signature value is over, or None; ``encoded`` the
    SignerInfo as it was transmitted. ``digest_stated``: digestAlgorithm is a digest algorithm (RFC 5652 clause 5.3);
    where it is a signature algorithm, ``digest_algorithm`` is the hash of that one, enough for the value alone."""

    version: int
    issuer: bytes | None
    serial: int | None
    key_identifier: bytes | None
    digest_algorithm: str
    algorithm: SignatureAlgorithm
    signature: bytes
    signed_attributes: bytes | None
    signed: Attributes
    unsigned: Attributes
    encoded: bytes
    digest_stated: bool = True

    def signed_value(self, oid: str) -> bytes | None:
        """The one value of a signed attribute; raises ``FormatError`` where there are several (RFC 5652
        clause 11)."""
        values = [value for name, members in self.signed if name == oid for value in members]
        if len(values) > 1:
            raise FormatError(f"signed attribute {oid} has {len(values)} values")
        return values[0] if values else None

    def unsigned_values(self, oid: str) -> tuple[bytes, ...]:
        return tuple(value for name, members in self.unsigned if name == oid for value in members)


@dataclass(frozen=True, slots=True, eq=False)
class SignedData:
    """A parsed SignedData. ``content`` is None where the content is detached.

    ``certificates``, ``crls``, ``ocsps``: those of the sets and of the signers' attributes, each once. ``unread``:
    attributes whose values cannot be read.
    """

    der: bytes
    version: int
    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    signers: tuple[Signer, ...]
    unread: tuple[str, ...] = ()
