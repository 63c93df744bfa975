"""Certificates, revocation data and paths of EU DSS diagnostic data as facts, without any bytes.

Names of tokens are 32 bytes made from their Ids: the core takes them for digests and never looks behind them.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.signatures.certificates import NO_REV_AVAIL, OCSP_NO_CHECK, VALIDITY_ASSURED_SHORT_TERM, Certificate
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.trust.paths import PathCertificate, PathResult, PathStatus
from zdda.trust.revocation import CertificateStatus, Doubt, RevocationFact, decisive_fact
from zdda.trust.revocation_model import timing_doubts
from zdda.validation.policy import ValidationPolicy
from zdda.validation.qualification import CertificateDeclaration

NAMESPACE = "{http://dss.esig.europa.eu/validation/diagnostic}"
Element = Any
_MECHANISMS = {
    "RSA": "rsassa_pkcs1v15",
    "RSASSA-PSS": "rsassa_pss",
    "ECDSA": "ecdsa",
    "DSA": "dsa",
    "PLAIN-ECDSA": "plain_ecdsa",
}
_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "crlSign": "crl_sign",
}
_REASONS = {"certificateHold": "certificate_hold", "keyCompromise": "key_compromise"}


def name(identifier: str) -> bytes:
    return hashlib.sha256(identifier.encode()).digest()


def find(element: Element, path: str) -> Element:
    return element.find("/".join(NAMESPACE + part for part in path.split("/")))


def every(element: Element, path: str) -> list[Element]:
    return list(element.findall("/".join(NAMESPACE + part for part in path.split("/"))))


def text(element: Element, path: str) -> str | None:
    found = find(element, path)
    return None if found is None or found.text is None else str(found.text).strip()


def moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value.replace("Z", "+00:00"))


def true(value: str | None) -> bool:
    return value == "true"


def digest_of(value: str | None) -> str:
    return (value or "").lower().replace("-", "_")


def algorithm_of(token: Element) -> SignatureAlgorithm:
    mechanism = text(token, "BasicSignature/EncryptionAlgoUsedToSignThisToken") or ""
    digest = digest_of(text(token, "BasicSignature/DigestAlgoUsedToSignThisToken"))
    return SignatureAlgorithm(_MECHANISMS.get(mechanism.replace("_", "-"), mechanism), digest or None)


def intact(token: Element) -> bool:
    return true(text(token, "BasicSignature/SignatureIntact"))


class DiagnosticEvidence:
    """What the core asks, answered from one file of diagnostic data."""

    def __init__(self, root: Element, policy: ValidationPolicy, catalogue: AlgorithmCatalogue) -> None:
        time = moment(text(root, "ValidationDate"))
        assert time is not None
        self.validation_time = time
        self.policy = policy
        self.catalogue = catalogue
        self.elements = {str(item.get("Id")): item for item in every(root, "UsedCertificates/Certificate")}
        self.certificates = {key: _certificate(key, item) for key, item in self.elements.items()}
        self._by_name = {certificate.sha256: key for key, certificate in self.certificates.items()}
        self._revocations = {str(item.get("Id")): item for item in every(root, "UsedRevocations/Revocation")}
        self._paths: dict[str, PathResult] = {}

    @cached_property
    def _open(self) -> set[str]:
        return set()

    def identifier(self, certificate: Certificate) -> str:
        return self._by_name[certificate.sha256]

    def certificate(self, name: bytes) -> Certificate | None:
        key = self._by_name.get(name)
        return None if key is None else self.certificates[key]

    def declaration_of(self, certificate: Certificate) -> CertificateDeclaration:
        return _declaration(certificate, self.elements[self.identifier(certificate)])

    def path_of(self, certificate: Certificate) -> PathResult:
        key = self.identifier(certificate)
        if key not in self._paths:
            self._paths[key] = self._path(key)
        return self._paths[key]

    def _path(self, key: str) -> PathResult:
        chain = self.chain(key)
        end = self._anchor(chain)
        if end is None:
            members = tuple(PathCertificate(self.certificates[item], False, (), False) for item in chain)
            return PathResult(self.validation_time, PathStatus.NO_PATH, None, members)
        chain = chain[: end + 1]
        failure = self._constraint_failure(chain)
        found = []
        for index, item in enumerate(chain[:-1]):
            certificate = self.certificates[item]
            exempt = index == 0 and bool(certificate.extensions & {NO_REV_AVAIL, VALIDITY_ASSURED_SHORT_TERM})
            facts = self.facts(item, chain[index + 1])
            found.append(PathCertificate(certificate, False, facts, exempt))
        found.append(PathCertificate(self.certificates[chain[-1]], True, (), False, self.sunset(chain[-1])))
        status = PathStatus.VALID if failure is None else PathStatus.CONSTRAINTS
        names = tuple(self.certificates[item].der for item in chain)
        return PathResult(self.validation_time, status, names, tuple(found), (), failure)

    def chain(self, key: str) -> list[str]:
        """The certificate and those above it, as the diagnostic data list them."""
        listed = [str(item.get("Certificate")) for item in every(self.elements[key], "CertificateChain/ChainItem")]
        found = [key, *(item for item in listed if item != key and item in self.certificates)]
        return list(dict.fromkeys(found))

    def sunset(self, key: str) -> datetime | None:
        return moment(find(self.elements[key], "Trusted").get("sunsetDate"))

    def _anchor(self, chain: list[str]) -> int | None:
        """The first anchor in force below which every certificate has revocation data, else the first of all."""
        trusted = [index for index, item in enumerate(chain) if true(text(self.elements[item], "Trusted"))]
        in_force = [
            index
            for index in trusted
            if ((until := self.sunset(chain[index])) is None or self.validation_time < until)
            and all(every(self.elements[item], "Revocations/CertificateRevocation") for item in chain[:index])
        ]
        return next(iter(in_force or trusted), None)

    def _constraint_failure(self, chain: list[str]) -> str | None:
        """RFC 5280 clause 6.1, as far as the diagnostic data tell: signatures, basic constraints, path length."""
        for index, item in enumerate(chain[:-1]):
            if not intact(self.elements[item]):
                return "signature"
            issued = find(self.elements[item], "IssuerEntityKey")
            if issued is None or not (true(issued.get("key")) and true(issued.get("subjectName"))):
                return "issuer"
            if index == 0:
                continue
            certificate = self.certificates[item]
            if not certificate.is_ca:
                return "basic constraints"
            below = sum(not self.certificates[other].self_issued for other in chain[1:index])
            if certificate.path_length is not None and below > certificate.path_length:
                return "path length"
        return None

    # --- revocation

    def facts(self, key: str, issuer: str) -> tuple[RevocationFact, ...]:
        found = []
        for told in every(self.elements[key], "Revocations/CertificateRevocation"):
            source = self._revocations.get(str(told.get("Revocation")))
            fact = None if source is None else self._fact(key, issuer, told, source)
            if fact is not None:
                found.append(fact)
        found.sort(key=lambda fact: (fact.this_update, fact.produced_at), reverse=True)
        return tuple(found)

    def _fact(self, key: str, issuer: str, told: Element, source: Element) -> RevocationFact | None:
        signing = find(source, "SigningCertificate")
        signer = None if signing is None else str(signing.get("Certificate"))
        this_update = moment(text(source, "ThisUpdate"))
        if text(source, "Type") == "OCSP" and not every(source, "FoundCertificates/RelatedCertificate/CertificateRef"):
            return None  # nothing says that the responder named is who signed (RFC 6960 clause 4.2.2.3)
        if not intact(source) or signer not in self.certificates or this_update is None:
            return None
        certificate, responder = self.certificates[key], self.certificates[signer]
        produced_at = moment(text(source, "ProductionDate")) or this_update
        # Whatever the data hold was gathered for this validation: none is too late.
        doubts = timing_doubts(certificate, responder, this_update, produced_at, this_update)
        status = CertificateStatus((text(told, "Status") or "unknown").lower())
        if status is CertificateStatus.UNKNOWN:
            doubts.append(Doubt.STATUS_UNKNOWN)
        if (
            status is CertificateStatus.GOOD
            and certificate.not_after < this_update
            and not self._kept(key, issuer, source)
        ):
            doubts.append(Doubt.CERTIFICATE_HAD_EXPIRED)
        about: tuple[RevocationFact, ...] = ()
        trusted = true(text(self.elements[signer], "Trusted"))
        if signer != issuer and not trusted:
            # Whom the CA authorised (RFC 6960 clause 4.2.2.2) the data do not tell: a trusted path stands for it.
            if self._anchor(self.chain(signer)) is None:
                return None
            about, doubt = self._about_responder(signer)
            doubts.extend(doubt)
        reason = text(told, "Reason")
        return RevocationFact(
            (text(source, "Type") or "").lower(),
            name(str(source.get("Id"))),
            status,
            moment(text(told, "RevocationDate")),
            _REASONS.get(reason, reason) if reason else None,
            this_update,
            moment(text(source, "NextUpdate")),
            produced_at,
            responder,
            algorithm_of(source),
            tuple(doubts),
            about,
            trusted,
        )

    def _kept(self, key: str, issuer: str, source: Element) -> bool:
        """The answer is about expired certificates too (RFC 6960 clause 4.4.4, X.509 expiredCertsOnCRL, certHash)."""
        if true(text(source, "CertHashExtensionMatch")):
            return True
        services = [
            item
            for part in (key, issuer)
            for item in self.elements[part].iter(NAMESPACE + "ExpiredCertsRevocationInfo")
        ]
        since = [
            moment(text(source, "ArchiveCutOff")),
            moment(text(source, "ExpiredCertsOnCRL")),
            *(moment(item.text) for item in services),
        ]
        end = self.certificates[key].not_after
        return any(item is not None and end >= item for item in since)

    def _about_responder(self, key: str) -> tuple[tuple[RevocationFact, ...], list[Doubt]]:
        """RFC 6960 clause 4.2.2.2.1: a responder is checked itself where it does not say that it need not be."""
        if OCSP_NO_CHECK in self.certificates[key].extensions:
            return (), []
        if key in self._open:
            return (), [Doubt.RESPONDER_NOT_CHECKED]
        chain = self.chain(key)
        self._open.add(key)
        facts = self.facts(key, chain[1])
        self._open.discard(key)
        fact = decisive_fact(facts, self.validation_time)
        if fact is None:
            return facts, [Doubt.RESPONDER_NOT_CHECKED]
        return facts, [Doubt.RESPONDER_REVOKED] if fact.revoked_by(self.validation_time) else []


def _certificate(key: str, item: Element) -> Certificate:
    extensions = find(item, "CertificateExtensions")
    listed = [] if extensions is None else [part for part in extensions if part.get("present") != "false"]
    oids = {str(part.get("OID")): true(part.get("critical")) for part in listed if part.get("OID")}
    basic = None if extensions is None else find(extensions, "BasicConstraints")
    usage = None if extensions is None else find(extensions, "KeyUsages")
    extended = None if extensions is None else find(extensions, "ExtendedKeyUsages")
    identifiers = {
        part: None if extensions is None else text(extensions, part)
        for part in ("SubjectKeyIdentifier/ski", "AuthorityKeyIdentifier/keyIdentifier")
    }
    size = text(item, "PublicKeySize")
    start, end = moment(text(item, "NotBefore")), moment(text(item, "NotAfter"))
    assert start is not None
    assert end is not None
    subject, issuer = (text(item, f"{part}DistinguishedName") or "" for part in ("Subject", "Issuer"))
    certificate = Certificate(
        der=name(key),
        sha256=name(key),
        serial=int(text(item, "SerialNumber") or 0),
        issuer=issuer.encode(),
        subject=subject.encode(),
        not_before=start,
        not_after=end,
        public_key=None,
        public_key_info=(text(item, "EntityKey") or key).encode(),
        key_identifier=_bytes(identifiers["SubjectKeyIdentifier/ski"]),
        authority_key_identifier=_bytes(identifiers["AuthorityKeyIdentifier/keyIdentifier"]),
        is_ca=basic is not None and true(basic.get("CA")),
        path_length=None,
        key_usage=None if usage is None else frozenset(_USAGES.get(part.text, part.text) for part in usage),
        extended_key_usage=None if extended is None else frozenset(str(part.text) for part in extended),
        critical_extensions=frozenset(oid for oid, critical in oids.items() if critical),
        extensions=frozenset(oids),
        signature=algorithm_of(item),
        key_size=int(size) if size else None,
    )
    length = None if basic is None else basic.get("pathLenConstraint")
    return certificate if length is None else replace(certificate, path_length=int(length))


def _declaration(certificate: Certificate, element: Element) -> CertificateDeclaration:
    statements = find(element, "CertificateExtensions/QcStatements")
    policies = every(element, "CertificateExtensions/CertificatePolicies/certificatePolicy")
    types = [] if statements is None else every(statements, "QcTypes/QcType")
    stated = [
        statements is not None and (found := find(statements, name)) is not None and true(found.get("present"))
        for name in ("QcCompliance", "QcSSCD")
    ]
    return CertificateDeclaration(
        certificate.not_before,
        stated[0],
        stated[1],
        frozenset(str(item.text) for item in types),
        frozenset(str(item.text) for item in policies),
    )


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else b64decode(value)
