"""The demonstration authority: a root, an issuing CA, and what they issue. Every name says DEMONSTRATION."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import Clock, Entropy, format_time, parse_time
from zdda.model.errors import Conflict

_YEAR = timedelta(days=365)
_BEFORE = timedelta(hours=1)
_REVOKED = "revoked.json"
Key = ec.EllipticCurvePrivateKey


class DemonstrationRefused(Conflict):
    """A production archive starts no demonstration authority."""

    code = "demonstration-refused"


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and its certificate, with the issuers' certificates after it."""

    key: Key
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def points_to(self, base_url: str) -> bool:
        """Whether its CRL is at this address."""
        points = self.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        return all(name.value.startswith(f"{base_url}/") for point in points for name in point.full_name or ())

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def chain_pem(self) -> bytes:
        """The certificate, then its issuers."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.chain))


class DemonstrationAuthority:
    """Issues certificates, CRLs and OCSP answers.

    With a ``folder`` its keys outlive a restart; without one they live in memory. ``base_url`` is where its
    OCSP responder and CRLs answer (``zdda.demonstration.server``).
    """

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        base_url: str,
        folder: Path | None = None,
        name: str = "ZDDA DEMONSTRATION",
        environment: str = "demonstration",
    ) -> None:
        if environment == "production":
            raise DemonstrationRefused("the demonstration authority does not start in production")
        self._clock, self._entropy, self._base_url = clock, entropy, base_url.rstrip("/")
        self._folder, self._name = folder, name
        self._revoked = self._load_revoked()
        self.root = self._load("root") or self._save("root", self._make_root(self.new_key()))
        self.issuing = self._loaded_or_made("issuing", self._make_issuing)
        self.timestamping = self._loaded_or_made("tsa", self._make_timestamping)
        self._responder = self._loaded_or_made("ocsp", self._make_responder)

    def root_certificate(self) -> bytes:
        """The DER of the trust anchor."""
        return self.root.der

    def issue_signer(self, common_name: str, valid_for: timedelta = 2 * _YEAR) -> Credential:
        """A person's certificate for signing documents (content commitment)."""
        usage = _usage(digital_signature=True, content_commitment=True)
        return self._issue(common_name, [(usage, True)], valid_for, self.issuing)

    def issue_seal(self) -> Credential:
        """The certificate that seals an archive's packages."""
        usage = _usage(digital_signature=True, content_commitment=True)
        return self._issue(f"{self._name} archive seal", [(usage, True)], 5 * _YEAR, self.issuing)

    def issue_tls_server(self, hosts: Iterable[str] = ("localhost", "127.0.0.1")) -> Credential:
        """A TLS server's certificate for loopback names."""
        names = [_general_name(host) for host in hosts]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (_usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName(names), False),
        ]
        return self._issue("localhost", extensions, _YEAR, self.issuing)

    def revoke(self, credential: Credential) -> None:
        """From now on CRLs and OCSP answers name it."""
        self._revoked[credential.certificate.serial_number] = self._clock.now()
        if self._folder is not None:
            listed = {str(serial): format_time(when) for serial, when in self._revoked.items()}
            (self._folder / _REVOKED).write_bytes(canonical_json(listed))

    def crl(self, issuer: str) -> bytes:
        """The DER of the CRL of ``root`` or ``issuing``; good for a day."""
        credential = self._issuer(issuer)
        now = self._clock.now().replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(credential.certificate.subject)
            .last_update(now)
            .next_update(now + timedelta(days=1))
            .add_extension(_authority_key(credential), critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for serial, when in self._revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when.replace(microsecond=0))
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(credential.key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.DER)

    def ocsp_response(self, request: bytes) -> bytes:
        """The DER answer of the issuing CA's delegated responder; raises ``ValueError`` for a bad request.

        About certificates of another issuer it says ``unauthorized`` (RFC 6960 clause 2.3).
        """
        parsed = ocsp.load_der_ocsp_request(request)
        if (parsed.issuer_name_hash, parsed.issuer_key_hash) != self._issuer_hashes(parsed.hash_algorithm):
            refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
            return refused.public_bytes(serialization.Encoding.DER)
        now = self._clock.now().replace(microsecond=0)
        when = self._revoked.get(parsed.serial_number)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=parsed.issuer_name_hash,
            issuer_key_hash=parsed.issuer_key_hash,
            serial_number=parsed.serial_number,
            algorithm=parsed.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if when else ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=now + timedelta(days=1),
            revocation_time=when.replace(microsecond=0) if when else None,
            revocation_reason=x509.ReasonFlags.key_compromise if when else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self._responder.certificate)
        builder = builder.certificates([self._responder.certificate])
        for extension in parsed.extensions:
            if isinstance(extension.value, x509.OCSPNonce):
                builder = builder.add_extension(extension.value, critical=False)
        return builder.sign(self._responder.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def certificate(self, issuer: str) -> bytes:
        """The DER of ``root``'s or ``issuing``'s certificate."""
        return self._issuer(issuer).der

    def issue_timestamping(
        self,
        valid_for: timedelta = 10 * _YEAR,
        usages: Iterable[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
        critical: bool = True,
    ) -> Credential:
        """A timestamp authority's certificate; what RFC 3161 clause 2.3 asks of it may be left out, for tests."""
        return self._make_timestamping(self.new_key(), valid_for, usages, critical)

    def new_key(self) -> Key:
        """A P-256 key. Keys come from the library's own generator: they are never reproducible."""
        return ec.generate_private_key(ec.SECP256R1())

    def _issuer(self, name: str) -> Credential:
        try:
            return {"root": self.root, "issuing": self.issuing}[name]
        except KeyError as error:
            raise ValueError("the issuers are root and issuing") from error

    def _issuer_hashes(self, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
        subject = self.issuing.certificate.subject.public_bytes()
        key = self.issuing.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return _digest(algorithm, subject), _digest(algorithm, key)

    def _make_root(self, key: Key) -> Credential:
        subject = self._subject(f"{self._name} root CA")
        builder = self._builder(subject, subject, key, 20 * _YEAR)
        certificate = _as_authority(builder, key, path_length=1).sign(key, hashes.SHA256())
        return Credential(key, certificate, ())

    def _make_issuing(self, key: Key) -> Credential:
        builder = self._builder(
            self._subject(f"{self._name} issuing CA"), self.root.certificate.subject, key, 10 * _YEAR
        )
        builder = self._pointers(_as_authority(builder, key, path_length=0), self.root, "root", answers=False)
        certificate = builder.sign(self.root.key, hashes.SHA256())
        return Credential(key, certificate, (self.root.certificate,))

    def _make_timestamping(
        self,
        key: Key,
        valid_for: timedelta = 10 * _YEAR,
        usages: Iterable[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
        critical: bool = True,
    ) -> Credential:
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (_usage(digital_signature=True, content_commitment=True), True),
            (x509.ExtendedKeyUsage(usages), critical),
        ]
        return self._issue(f"{self._name} timestamp authority", extensions, valid_for, self.issuing, key)

    def _make_responder(self, key: Key) -> Credential:
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (_usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
            (x509.OCSPNoCheck(), False),
        ]
        return self._issue(f"{self._name} OCSP responder", extensions, 5 * _YEAR, self.issuing, key)

    def _issue(
        self,
        common_name: str,
        extensions: Iterable[tuple[x509.ExtensionType, bool]],
        valid_for: timedelta,
        issuer: Credential,
        key: Key | None = None,
    ) -> Credential:
        key = key or self.new_key()
        builder = self._builder(self._subject(common_name), issuer.certificate.subject, key, valid_for)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        builder = self._pointers(builder, issuer, "issuing", answers=True)
        certificate = builder.sign(issuer.key, hashes.SHA256())
        return Credential(key, certificate, (issuer.certificate, *issuer.chain))

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: Key, valid_for: timedelta
    ) -> x509.CertificateBuilder:
        now = self._clock.now().replace(microsecond=0)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(self._entropy(16)) >> 1 | 1)
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + valid_for)
        )

    def _pointers(
        self, builder: x509.CertificateBuilder, issuer: Credential, name: str, *, answers: bool
    ) -> x509.CertificateBuilder:
        url = x509.UniformResourceIdentifier
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url(f"{self._base_url}/ca/{name}.cer"))
        ]
        if answers:
            access.append(x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url(f"{self._base_url}/ocsp")))
        point = x509.DistributionPoint([url(f"{self._base_url}/crl/{name}.crl")], None, None, None)
        return (
            builder.add_extension(_authority_key(issuer), critical=False)
            .add_extension(x509.AuthorityInformationAccess(access), critical=False)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        )

    def _subject(self, common_name: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CZ"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{self._name} - not for production"),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )

    def _loaded_or_made(self, name: str, make: Callable[[Key], Credential]) -> Credential:
        """What the folder holds; made anew with the same key where its pointers lead to another address."""
        held = self._load(name)
        if held is None:
            return self._save(name, make(self.new_key()))
        if held.points_to(self._base_url):
            return held
        return self._save(name, make(held.key))

    def _load_revoked(self) -> dict[int, datetime]:
        if self._folder is None or not (self._folder / _REVOKED).exists():
            return {}
        listed = parse_json((self._folder / _REVOKED).read_bytes())
        return {int(serial): parse_time(when) for serial, when in listed.items()}

    def _load(self, name: str) -> Credential | None:
        if self._folder is None or not (self._folder / f"{name}.key").exists():
            return None
        key = serialization.load_pem_private_key((self._folder / f"{name}.key").read_bytes(), None)
        certificates = x509.load_pem_x509_certificates((self._folder / f"{name}.pem").read_bytes())
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Credential(key, certificates[0], tuple(certificates[1:]))

    def _save(self, name: str, credential: Credential) -> Credential:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / f"{name}.pem").write_bytes(credential.chain_pem())
            (self._folder / f"{name}.key").write_bytes(credential.key_pem())
            (self._folder / f"{name}.key").chmod(0o600)
        return credential


def _as_authority(builder: x509.CertificateBuilder, key: Key, path_length: int) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_key(issuer: Credential) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    value = hashes.Hash(algorithm)
    value.update(data)
    return value.finalize()


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(**uses: bool) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    others = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{use: uses.get(use, False) for use in every + others})
