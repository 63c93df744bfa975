"""Whether a certificate is qualified at a given time, and on a qualified device (ETSI TS 119 615), over facts.

The lists themselves (TS 119 612) are read and verified elsewhere; here their services are facts: what each was, and
from when until when. What is contradictory is not qualified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

EIDAS = datetime(2016, 6, 30, 22, tzinfo=UTC)
"""Regulation (EU) 910/2014 applies from 1 July 2016, 0:00 Brussels time."""

_TYPE = "http://uri.etsi.org/TrstSvc/Svctype/"
CA_QC, QTST = f"{_TYPE}CA/QC", f"{_TYPE}TSA/QTST"
_STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
_GRANTED = frozenset({f"{_STATUS}granted"})
_GRANTED_BEFORE = frozenset(f"{_STATUS}{name}" for name in ("undersupervision", "supervisionincessation", "accredited"))
_QCP, _QCP_PLUS = "0.4.0.1456.1.2", "0.4.0.1456.1.1"


class CertificateUse(StrEnum):
    """What a qualified certificate is for (EN 319 412-5 clause 4.2.3)."""

    SIGNATURE = "signature"
    SEAL = "seal"
    WEBSITE = "website"
    UNKNOWN = "unknown"


_DECLARED_USE = {
    "0.4.0.1862.1.6.1": CertificateUse.SIGNATURE,
    "0.4.0.1862.1.6.2": CertificateUse.SEAL,
    "0.4.0.1862.1.6.3": CertificateUse.WEBSITE,
}
_QUALIFIED_FOR = {
    "QCForESig": CertificateUse.SIGNATURE,
    "QCForESeal": CertificateUse.SEAL,
    "QCForWSA": CertificateUse.WEBSITE,
}
_SERVICE_FOR = {
    "ForeSignatures": CertificateUse.SIGNATURE,
    "ForeSeals": CertificateUse.SEAL,
    "ForWebSiteAuthentication": CertificateUse.WEBSITE,
}


@dataclass(frozen=True, slots=True)
class TrustService:
    """A service of a trusted list in one state, from ``start`` until before ``end`` (None: to this day).

    ``type``, ``status``: URIs of TS 119 612. ``qualifiers``: the last path segment of the qualifiers whose criteria the
    certificate in question meets; ``additional``: the same of additionalServiceInformation. ``in_union``: the list is
    reached from the EU list of lists and of a version that is understood. ``third_country``: it is there by a mutual
    recognition, ``recognised`` says that this service is covered by it.
    """

    type: str
    status: str
    start: datetime
    end: datetime | None = None
    qualifiers: frozenset[str] = frozenset()
    additional: frozenset[str] = frozenset()
    in_union: bool = True
    third_country: bool = False
    recognised: bool = False

    def in_force(self, time: datetime) -> bool:
        return self.start <= time and (self.end is None or time < self.end)

    def granted(self, time: datetime) -> bool:
        """In force at ``time``, with a status that stands for qualified then, and counted in the Union."""
        statuses = _GRANTED if time >= EIDAS else _GRANTED_BEFORE
        counted = self.in_union and (self.recognised or not self.third_country)
        return counted and self.in_force(time) and self.status in statuses


@dataclass(frozen=True, slots=True)
class CertificateDeclaration:
    """What a certificate says of itself: QcCompliance, QcSSCD, QcType (EN 319 412-5), certificate policies."""

    issued_at: datetime
    compliance: bool = False
    secure_device: bool = False
    types: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()

    @property
    def qualified(self) -> bool:
        """Before eIDAS the certificate policies of TS 101 456 stand for the statement."""
        old = self.issued_at < EIDAS and bool(self.policies & {_QCP, _QCP_PLUS})
        return self.compliance or old

    @property
    def on_secure_device(self) -> bool:
        return self.secure_device or (self.issued_at < EIDAS and _QCP_PLUS in self.policies)

    @property
    def use(self) -> CertificateUse:
        """Without a type a qualified certificate is for signatures (EN 319 412-5 clause 4.2.3); with several, it is
        not known for what."""
        if not self.types:
            return CertificateUse.SIGNATURE if self.qualified else CertificateUse.UNKNOWN
        found = {_DECLARED_USE.get(name, CertificateUse.UNKNOWN) for name in self.types}
        return found.pop() if len(found) == 1 else CertificateUse.UNKNOWN


@dataclass(frozen=True, slots=True)
class CertificateStatusAtTime:
    """``secure_device``: the key lies in a qualified signature or seal creation device."""

    qualified: bool
    use: CertificateUse
    secure_device: bool


def certificate_at(
    declared: CertificateDeclaration, services: Iterable[TrustService], time: datetime
) -> CertificateStatusAtTime:
    """The certificate's status at ``time``. Where several services speak of it, they must agree."""
    granted = [service for service in services if service.type == CA_QC and service.granted(time)]
    found = [item for service in granted if (item := _by_service(declared, service, time)) is not None]
    if not found:
        return CertificateStatusAtTime(False, declared.use, False)
    uses = {item.use for item in found}
    return CertificateStatusAtTime(
        all(item.qualified for item in found),
        uses.pop() if len(uses) == 1 else CertificateUse.UNKNOWN,
        all(item.secure_device for item in found),
    )


def _by_service(
    declared: CertificateDeclaration, service: TrustService, time: datetime
) -> CertificateStatusAtTime | None:
    """None where the service is for other uses, and so says nothing of this certificate."""
    qualifiers = service.qualifiers
    qualified = declared.qualified
    if "NotQualified" in qualifiers:
        qualified = False
    elif "QCStatement" in qualifiers:
        qualified = True
    use = _use(declared, service)
    offered = {_SERVICE_FOR[name] for name in service.additional if name in _SERVICE_FOR}
    if time >= EIDAS and use is not CertificateUse.UNKNOWN and offered and use not in offered:
        return None
    return CertificateStatusAtTime(qualified, use, qualified and _secure_device(declared, qualifiers, time))


def _use(declared: CertificateDeclaration, service: TrustService) -> CertificateUse:
    stated = {_QUALIFIED_FOR[name] for name in service.qualifiers if name in _QUALIFIED_FOR}
    offered = {_SERVICE_FOR[name] for name in service.additional if name in _SERVICE_FOR}
    if not stated:
        return declared.use
    use = stated.pop() if len(stated) == 1 else CertificateUse.UNKNOWN
    return use if not offered or use in offered else CertificateUse.UNKNOWN


def _secure_device(declared: CertificateDeclaration, qualifiers: frozenset[str], time: datetime) -> bool:
    """Who says that there is none is believed; who says that there is, in the words of the time."""
    if qualifiers & {"QCNoSSCD", "QCNoQSCD"}:
        return False
    affirmed = {"QCWithQSCD", "QCQSCDManagedOnBehalf"} if time >= EIDAS else {"QCWithSSCD"}
    return bool(qualifiers & affirmed) or declared.on_secure_device
