"""Verifies the custody of one package from its container, its evidence record and given trust anchors alone.

No network, no store, no catalog. Everything read is hostile: whatever a parser raises is a finding, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import BinaryIO

from cryptography import x509

from zdda.crypto.digests import ContentDigests, digests_of
from zdda.evidence.evidence_record import (
    EvidenceMalformed,
    EvidenceStatus,
    EvidenceVerdict,
)
from zdda.evidence.evidence_record import parse as parse_evidence
from zdda.evidence.evidence_record import verify as verify_evidence
from zdda.fsck.algorithms_then import unreliable_algorithm
from zdda.fsck.custody import Check, CheckName, CustodyReport, CustodyStatus, Outcome, SealedVerdict, Sealer, status_of
from zdda.fsck.evidence_tokens import token_checker
from zdda.fsck.old_news import rests_on_old_news
from zdda.model.errors import IntegrityError, ZddaError
from zdda.packaging.aip_reader import Aip, open_aip
from zdda.packaging.cms import SignedData
from zdda.packaging.errors import PackageError
from zdda.packaging.fixity import check_manifest, check_mets, check_premis
from zdda.packaging.zip_structure import DEFAULT_LIMITS, ContainerLimits
from zdda.signatures.certificates import load_certificate
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_model import KEY_WAS_SAFE

_CLOCKS_APART = timedelta(hours=24)
_MOST_FINDINGS = 100
_SEALING = frozenset({"digital_signature", "content_commitment"})
_SET_APART = frozenset(f"1.3.6.1.5.5.7.3.{number}" for number in (1, 8, 9))
"""Extended key usages serverAuth, timeStamping, OCSPSigning."""


def verify_package(
    container: BinaryIO,
    evidence_record: bytes | None,
    anchors: TrustAnchors,
    at: datetime,
    limits: ContainerLimits = DEFAULT_LIMITS,
    seal_certificates: Collection[bytes] = (),
) -> CustodyReport:
    """Never raises for what is in the package or the record: that is in the report.

    ``container`` is seekable; ``evidence_record`` DER of RFC 4998, None where there is none; ``at`` the moment the
    question is asked of. ``seal_certificates``: DER, of which one must have sealed; none: any that an anchor vouches
    for, and the report says which. Reads every byte once, in constant memory.
    """
    return _Verification(container, evidence_record, anchors, at, limits, frozenset(seal_certificates)).report()


class _Verification:
    """One run; each step adds its checks and leaves what later ones need."""

    def __init__(
        self,
        container: BinaryIO,
        evidence_record: bytes | None,
        anchors: TrustAnchors,
        at: datetime,
        limits: ContainerLimits,
        seal_certificates: frozenset[bytes],
    ) -> None:
        self._container = container
        self._record = evidence_record
        self._anchors = anchors
        self._at = at
        self._limits = limits
        self._seal_certificates = seal_certificates
        self._checks: list[Check] = []
        self._aip: Aip | None = None
        self._digests: dict[str, ContentDigests] = {}
        self._seal: SignedData | None = None
        self._verdict: EvidenceVerdict | None = None

    def report(self) -> CustodyReport:
        steps: dict[CheckName, Callable[[], None]] = {
            CheckName.CONTAINER: self._check_container,
            CheckName.MANIFEST: self._check_manifest,
            CheckName.METS: self._check_mets,
            CheckName.PREMIS: self._check_premis,
            CheckName.SEAL: self._check_seal,
            CheckName.EVIDENCE: self._check_evidence,
            CheckName.SEAL_TRUST: self._check_seal_trust,
        }
        for name, step in steps.items():
            self._guarded(name, step)
        checks = tuple(self._checks)
        status = status_of(checks)
        proven = self._verdict.proven_at if self._verdict is not None and status is CustodyStatus.PROVEN else None
        return CustodyReport(
            status=status,
            at=self._at,
            package=self._aip.package_id if self._aip else None,
            sealed_at=self._seal.signing_time if self._seal else None,
            sealed_by=_sealer(self._seal.certificate) if self._seal else None,
            proven_at=proven,
            checks=checks,
            documents=self._documents(),
        )

    def _guarded(self, name: CheckName, step: Callable[[], None]) -> None:
        try:
            step()
        except PackageError as error:
            self._add(name, Outcome.FAILED, error.reason, error.code, error.member)
        except IntegrityError as error:
            self._add(name, Outcome.FAILED, str(error), error.code)
        except ZddaError as error:
            self._add(name, Outcome.NOT_CHECKED, str(error), error.code)
        except OSError as error:
            self._add(name, Outcome.NOT_CHECKED, f"reading failed: {error.strerror or type(error).__name__}", "read")
        except Exception as error:  # noqa: BLE001 - hostile bytes find what no one foresaw; it is never a pass
            self._add(name, Outcome.NOT_CHECKED, f"the check itself failed ({type(error).__name__})", "internal")

    def _add(
        self, name: CheckName, outcome: Outcome, message: str, code: str | None = None, member: str | None = None
    ) -> None:
        self._checks.append(Check(name, outcome, message, code, member))

    def _opened(self, name: CheckName) -> Aip | None:
        if self._aip is None:
            self._add(name, Outcome.NOT_CHECKED, "the container could not be opened", "depends")
        return self._aip

    def _check_container(self) -> None:
        self._aip = open_aip(self._container, self._limits)
        count = len(self._aip.container.entries)
        self._add(CheckName.CONTAINER, Outcome.PASSED, f"canonical form, {count} members")

    def _check_manifest(self) -> None:
        aip = self._opened(CheckName.MANIFEST)
        if aip is None:
            return
        self._digests, errors = check_manifest(aip)
        for error in errors[:_MOST_FINDINGS]:
            self._add(CheckName.MANIFEST, Outcome.FAILED, error.reason, error.code, error.member)
        if not errors:
            message = f"{len(self._digests)} files, each with its digest, none unlisted"
            self._add(CheckName.MANIFEST, Outcome.PASSED, message)

    def _check_mets(self) -> None:
        aip = self._opened(CheckName.METS)
        if aip is not None:
            check_mets(aip, self._digests)
            self._add(CheckName.METS, Outcome.PASSED, "package and representation list every file as it is")

    def _check_premis(self) -> None:
        aip = self._opened(CheckName.PREMIS)
        if aip is not None:
            check_premis(aip, self._digests)
            message = f"{len(aip.documents)} documents with both digests, as they are"
            self._add(CheckName.PREMIS, Outcome.PASSED, message)

    def _check_seal(self) -> None:
        aip = self._opened(CheckName.SEAL)
        if aip is None:
            return
        seal = aip.check_seal()
        if seal.signing_time != aip.deposit.sealed_at.replace(microsecond=0):
            self._add(CheckName.SEAL, Outcome.FAILED, "tells another time than the deposit record", "seal-time")
            return
        self._seal = seal
        self._add(CheckName.SEAL, Outcome.PASSED, f"intact, made {seal.signing_time.isoformat()}")

    def _check_evidence(self) -> None:
        aip = self._opened(CheckName.EVIDENCE)
        if aip is None:
            return
        if self._record is None:
            message = "no evidence record was given"
            self._add(CheckName.EVIDENCE, Outcome.NOT_PROVABLE, message, "evidence-missing")
            return
        if len(self._digests) != len(aip.entries):
            message = "not all files of the package could be read"
            self._add(CheckName.EVIDENCE, Outcome.NOT_CHECKED, message, "depends")
            return
        try:
            checker = token_checker(self._anchors, self._at)
            verdict = verify_evidence(self._record, self._group(aip), checker, self._at)
        except EvidenceMalformed as error:
            self._add(CheckName.EVIDENCE, Outcome.FAILED, str(error), error.code)
            return
        self._verdict = verdict
        if verdict.status is EvidenceStatus.PROVEN and verdict.proven_at is not None:
            message = f"proven since {verdict.proven_at.isoformat()}"
            self._add(CheckName.EVIDENCE, Outcome.PASSED, message)
            return
        broken = verdict.status is not EvidenceStatus.NOT_PROVABLE
        outcome = Outcome.FAILED if broken else Outcome.NOT_PROVABLE
        code = "evidence-broken" if broken else "evidence-not-provable"
        if not broken and not self._anchors.certificates:
            code = "evidence-no-anchors"
        for finding in verdict.findings[:_MOST_FINDINGS] or ("proves nothing",):
            self._add(CheckName.EVIDENCE, outcome, finding, code)

    def _group(self, aip: Aip) -> Mapping[str, list[bytes]]:
        """Digests of the bytes as they were read, not as anything in the package tells them."""
        whole = [digests_of(aip.manifest), digests_of(aip.seal), *(self._digests[each.name] for each in aip.entries)]
        return {"sha256": [each.sha256 for each in whole], "sha512": [each.sha512 for each in whole]}

    def _check_seal_trust(self) -> None:
        """The sealing certificate has to have been good when the evidence's first timestamp was made."""
        aip, seal, name = self._aip, self._seal, CheckName.SEAL_TRUST
        if aip is None or seal is None:
            self._add(name, Outcome.NOT_CHECKED, "there is no intact seal", "depends")
            return
        if not self._anchors.certificates:
            self._add(name, Outcome.NOT_PROVABLE, "no trust anchor was given for the seal", "seal-no-anchors")
            return
        proven = None if self._verdict is None else self._verdict.proven_at
        if proven is not None and seal.signing_time > proven + _CLOCKS_APART:
            self._add(name, Outcome.FAILED, "the seal claims to be younger than its evidence", "seal-time")
            return
        moment = proven or seal.signing_time
        certificates, revocation = self._trust_data(aip, seal)
        result = validate_path(
            seal.certificate, certificates, self._anchors, moment, revocation, latest_revocation=self._at
        )
        if not _may_seal(seal.certificate):
            message = "the seal's certificate is for another use than sealing"
            self._add(name, Outcome.FAILED, message, "seal-purpose")
        elif self._seal_certificates and seal.certificate not in self._seal_certificates:
            self._add(
                name, Outcome.FAILED, "sealed by another certificate than was asked for", "seal-other-certificate"
            )
        elif result.status is PathStatus.REVOCATION_UNKNOWN:
            message = "nothing tells whether the seal's certificate was revoked"
            self._add(name, Outcome.NOT_PROVABLE, message, "seal-revocation-unknown")
        elif result.status is not PathStatus.VALID:
            message = f"the seal's certificate is not trusted at {moment.isoformat()}: {result.status}"
            self._add(name, Outcome.FAILED, message, "seal-untrusted")
        elif proven is None:
            message = "the seal's certificate is trusted, but nothing proves the time of the seal"
            self._add(name, Outcome.NOT_PROVABLE, message, "seal-time-unproven")
        elif weak := unreliable_algorithm(_algorithm_of(seal), (seal.digest_algorithm,), result, proven):
            message = f"the seal rests on an algorithm that was not relied upon at the proven time ({weak})"
            self._add(name, Outcome.NOT_PROVABLE, message, "seal-algorithm")
        elif self._authority_was_robbed(seal.certificate, certificates, revocation):
            message = "an authority over the seal was revoked: whoever has its key may have made the news of the seal"
            self._add(name, Outcome.NOT_PROVABLE, message, "seal-authority-revoked")
        elif rests_on_old_news(result, proven):
            message = "the revocation data had run out before the time that the evidence proves"
            self._add(name, Outcome.NOT_PROVABLE, message, "seal-revocation-stale")
        else:
            by = _sealer(seal.certificate)
            message = f"sealed by {by.subject} (SHA-256 {by.sha256[:16]}…), trusted at {moment.isoformat()}"
            self._add(name, Outcome.PASSED, message)

    def _authority_was_robbed(
        self, certificate: bytes, certificates: tuple[bytes, ...], revocation: RevocationData
    ) -> bool:
        """Whether a CA of the seal's path is known by now to be revoked for a reason that does not say that its key was
        safe: revocation data of any date could have been made with it, and the evidence's first token covers none."""
        now = validate_path(certificate, certificates, self._anchors, self._at, revocation, latest_revocation=self._at)
        facts = (fact for member in now.members[1:] for fact in member.revocation)
        return any(fact.revoked_by(self._at) and fact.reason not in KEY_WAS_SAFE for fact in facts)

    def _trust_data(self, aip: Aip, seal: SignedData) -> tuple[tuple[bytes, ...], RevocationData]:
        """Certificates and revocation data that package and evidence carry: material, never an anchor."""
        certificates = [*seal.certificates, *aip.validation_data("certificate")]
        crls, ocsps = list(aip.validation_data("crl")), list(aip.validation_data("ocsp"))
        for token in self._tokens():
            with suppress(ZddaError):
                parsed = parse_timestamp_token(token)
                certificates += parsed.certificates
                crls += parsed.crls
                ocsps += parsed.ocsps
        return tuple(dict.fromkeys(certificates)), RevocationData(
            tuple(dict.fromkeys(crls)), tuple(dict.fromkeys(ocsps))
        )

    def _tokens(self) -> Iterator[bytes]:
        if self._record is not None and self._verdict is not None:
            for chain in parse_evidence(self._record)["archive_time_stamp_sequence"]:
                for archive_timestamp in chain:
                    yield archive_timestamp["time_stamp"].dump()

    def _documents(self) -> tuple[SealedVerdict, ...]:
        if self._aip is None:
            return ()
        return tuple(
            SealedVerdict(
                each.facts.number,
                each.facts.role,
                each.facts.media_type,
                each.facts.length,
                each.facts.sha256,
                each.facts.verdict,
            )
            for each in self._aip.documents
        )


def _algorithm_of(seal: SignedData) -> SignatureAlgorithm:
    return SignatureAlgorithm(seal.signature_algorithm, seal.digest_algorithm)


def _sealer(certificate: bytes) -> Sealer:
    parsed = load_certificate(certificate)
    try:
        subject = x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    except ValueError:
        subject = parsed.subject.hex()
    return Sealer(subject, parsed.sha256.hex())


def _may_seal(certificate: bytes) -> bool:
    """Whether the key may sign content (RFC 5280 clause 4.2.1.3) and is not set apart for another use."""
    parsed = load_certificate(certificate)
    usage, extended = parsed.key_usage, parsed.extended_key_usage or frozenset()
    return (usage is None or bool(usage & _SEALING)) and not extended & _SET_APART
