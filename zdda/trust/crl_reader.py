"""A CRL taken apart once per process (RFC 5280 clause 5.1): its head as facts, its entries where they lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from zdda.model.byte_cache import ByteCache
from zdda.signatures import der as tlv
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.signed_structure import split_signed
from zdda.trust.crl_entries import CrlEntries
from zdda.trust.revocation_model import MAXIMUM_LENGTH, generalized_time

_EXPIRED_CERTIFICATES_ON_CRL = x509.ObjectIdentifier("2.5.29.60")
_SEQUENCE, _INTEGER = 0x30, 0x02
_REMEMBERED = 192 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Crl:
    """``issuer``: DER name. ``number``, ``base_number``: of clauses 5.2.3 and 5.2.4; with a base it is a delta.
    ``entries``: None where nobody is revoked. ``keeps_expired_since``: expiredCertsOnCRL (X.509 clause 9.5.2.8)."""

    der: bytes
    digest: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    number: int | None
    base_number: int | None
    point: x509.IssuingDistributionPoint | None
    keeps_expired_since: datetime | None
    algorithm: SignatureAlgorithm
    entries: CrlEntries | None

    @property
    def indirect(self) -> bool:
        return self.point is not None and self.point.indirect_crl

    def updates(self, complete: Crl) -> bool:
        """Whether this delta CRL may be joined with ``complete`` (clause 6.3.3 c; their signers are compared by
        whoever asks)."""
        if self.base_number is None or complete.base_number is not None:
            return False
        if self.number is None or complete.number is None:
            return False
        same_scope = self.issuer == complete.issuer and self.point == complete.point
        return same_scope and self.base_number <= complete.number < self.number


_lists: ByteCache[bytes, Crl | str] = ByteCache(_REMEMBERED)


def load_crl(der: bytes) -> Crl | None:
    """None where the bytes cannot be read or have a critical extension that is not understood.

    The key is the very bytes: a dictionary compares all of them, and nothing else decides the value.
    """
    if len(der) > MAXIMUM_LENGTH:
        return None
    found = _lists.get(der, lambda: _read(der), lambda crl: _weight(der, crl))
    return found if isinstance(found, Crl) else None


def _weight(der: bytes, crl: Crl | str) -> int:
    entries = crl.entries if isinstance(crl, Crl) else None
    return len(der) + (entries.weight if entries is not None else 0) + 2048


def _read(der: bytes) -> Crl | str:
    try:
        # Reads every entry strictly and keeps none: what follows may rely on well-formed DER.
        parsed = x509.load_der_x509_crl(der)
        point = keeps = number = base = None
        for extension in parsed.extensions:
            value = extension.value
            if isinstance(value, x509.IssuingDistributionPoint):
                point = value
            elif isinstance(value, x509.DeltaCRLIndicator):
                base = value.crl_number
            elif isinstance(value, x509.CRLNumber):
                number = value.crl_number
            elif extension.oid == _EXPIRED_CERTIFICATES_ON_CRL and isinstance(value, x509.UnrecognizedExtension):
                keeps = generalized_time(value.value)
                if keeps is None and extension.critical:
                    return "unreadable critical extension"  # RFC 5280 clause 5.2: it cannot be processed
            elif extension.critical:
                return "unknown critical extension"
        issuer, entries = _parts(der, point is not None and point.indirect_crl)
        return Crl(
            der,
            hashlib.sha256(der).digest(),
            issuer,
            parsed.last_update_utc,
            parsed.next_update_utc,
            number,
            base,
            point,
            keeps,
            split_signed(der).algorithm,
            entries,
        )
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise whatever they like; unread is unknown
        return type(error).__name__


def _parts(der: bytes, indirect: bool) -> tuple[bytes, CrlEntries | None]:
    """The issuer's DER name and the place of revokedCertificates in TBSCertList (clause 5.1.2)."""
    _, start, end, _ = tlv.read(der)
    _, start, end, _ = tlv.read(der, start, end)
    fields = list(tlv.children(der, start, end, 8))
    if fields[0][0] == _INTEGER:
        fields = fields[1:]
    issuer = der[fields[1][1] : fields[1][2]]
    for tag, first, last in fields[3:]:
        if tag == _SEQUENCE:
            _, start, end, _ = tlv.read(der, first, last)
            return issuer, CrlEntries(der, start, end, indirect)
    return issuer, None
