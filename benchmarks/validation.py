"""Validation alone, on one core: against stock pyHanko, the second document of a CA against the first, and the look-up
of a certificate in a long CRL against asn1crypto's scan. ``python -m benchmarks validation shared crl``."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko_certvalidator import ValidationContext

from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.documents import PdfStamper, plain_pdf, sign_pdf
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.jobs.worker import settle_collector
from zdda.model.clock import SystemClock, system_entropy
from zdda.signatures.certificates import load_certificate
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import CertificateStatus, RevocationData, revocation_facts
from zdda.validation.validate import validate_document

_LISTED = 50_000
# The first documents of a process are not counted: its imports and its caches of the authority come with them.
_FIRST, _DOCUMENTS = 5, 40
_ROUNDS = 5
_CLOCK = SystemClock()


@dataclass(frozen=True)
class _Authority:
    """An authority nobody has seen before, and its revocation data."""

    authority: DemonstrationAuthority
    timestamps: DemonstrationTimestamps
    anchors: TrustAnchors
    revocation: RevocationData

    @classmethod
    def new(cls) -> _Authority:
        authority = DemonstrationAuthority(_CLOCK, system_entropy, "http://127.0.0.1:1")
        return cls(
            authority,
            DemonstrationTimestamps(authority.timestamping, _CLOCK, system_entropy),
            TrustAnchors((authority.root_certificate(),)),
            RevocationData((authority.crl("root"), authority.crl("issuing"))),
        )

    def b_t(self, filler: int = 155_000) -> bytes:
        signer = self.authority.issue_signer("Jana Ukázková")
        return sign_pdf(plain_pdf("Zpráva", filler), signer, self.timestamps)

    def b_lta(self) -> bytes:
        credential = self.authority.issue_signer("Jana Ukázková")
        signer = signers.SimpleSigner(
            signing_cert=asn1_x509.Certificate.load(credential.der),
            signing_key=_key(credential.key),
            cert_registry=self.context().certificate_registry,
        )
        metadata = signers.PdfSignatureMetadata(
            field_name="Signature1",
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.PADES,
            validation_context=self.context(),
            embed_validation_info=True,
            use_pades_lta=True,
        )
        out = BytesIO()
        writer = IncrementalPdfFileWriter(BytesIO(plain_pdf("Zpráva", 155_000)))
        pdf_signer = signers.PdfSigner(metadata, signer, timestamper=PdfStamper(self.timestamps))
        asyncio.run(pdf_signer.async_sign_pdf(writer, output=out))
        return out.getvalue()

    def context(self) -> ValidationContext:
        """pyHanko's context; the same one serves every document."""
        return ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(self.anchors.certificates[0])],
            other_certs=[asn1_x509.Certificate.load(self.authority.certificate("issuing"))],
            crls=[asn1_crl.CertificateList.load(der) for der in self.revocation.crls],
            allow_fetching=False,
        )

    def ours(self, pdf: bytes) -> None:
        """Validates to the full report, as bytes."""
        report = validate_document(BytesIO(pdf), self.anchors, at=_CLOCK.now(), revocation=self.revocation)
        if len(report.as_canonical_json()) < 1000 or str(report.worst()) != "TOTAL_PASSED":
            raise RuntimeError(f"the sample is {report.worst()}")


def _key(key: Any) -> Any:
    from asn1crypto import keys
    from cryptography.hazmat.primitives import serialization

    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return keys.PrivateKeyInfo.load(private)


@contextmanager
def _one_core() -> Iterator[None]:
    """This process, and those that it starts, on one core: moving about costs whoever is measured at the time."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def validation(folder: Path) -> bool:
    """Full reports on B-T and B-LTA documents against stock pyHanko, in a process of its own, with one context. Each
    document is another one, by another signer, and is validated once. The middle ratio of several rounds counts."""
    rounds = [_round(folder / str(number)) for number in range(_ROUNDS)]
    well = True
    for name, bound in (("B-T", 5.0), ("B-LTA", 4.0)):
        ratios = sorted(stock[name] / mine[name] for mine, stock in rounds)
        mine, stock = (statistics.median(each[side][name] for each in rounds) * 1000 for side in (0, 1))
        ratio = statistics.median(ratios)
        well &= ratio >= bound
        print(
            f"validation {name}: {mine:.2f} ms with the full report, pyHanko {stock:.2f} ms, ratio {ratio:.2f} "
            f"({', '.join(f'{each:.2f}' for each in ratios)})"
        )
    return well


@_one_core()
def _round(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """(seconds a document of each kind, those of stock pyHanko): the middle ones of so many."""
    folder.mkdir()
    here = _Authority.new()
    documents = {
        "B-T": [here.b_t() for _ in range(_FIRST + _DOCUMENTS)],
        "B-LTA": [here.b_lta() for _ in range(_FIRST + _DOCUMENTS)],
    }
    mine = {}
    for name, pdfs in documents.items():
        for number, pdf in enumerate(pdfs):
            (folder / f"{name}-{number:03}.pdf").write_bytes(pdf)
        gc.collect()
        settle_collector()  # as a worker does before its first call
        taken = [_seconds(lambda pdf=pdf: here.ours(pdf)) for pdf in pdfs]  # type: ignore[misc]
        mine[name] = statistics.median(taken[_FIRST:])
    (folder / "root.der").write_bytes(here.anchors.certificates[0])
    (folder / "issuing.der").write_bytes(here.authority.certificate("issuing"))
    for number, der in enumerate(here.revocation.crls):
        (folder / f"{number}.crl").write_bytes(der)
    command = [sys.executable, "-m", "benchmarks.stock_pyhanko", str(folder), str(_FIRST), *documents]
    stock: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return mine, stock


def shared(_folder: Path) -> bool:
    """The second document of a CA, by another signer, against the first; the process has seen neither CA nor TSA."""
    warm = _Authority.new()
    warm.ours(warm.b_t())
    first, second = [], []
    for _ in range(25):
        here = _Authority.new()
        one, two = here.b_t(0), here.b_t(0)
        gc.collect()
        first.append(_seconds(lambda here=here, one=one: here.ours(one)))  # type: ignore[misc]
        second.append(_seconds(lambda here=here, two=two: here.ours(two)))  # type: ignore[misc]
    ratio = statistics.median(first) / statistics.median(second)
    print(
        f"shared: first {statistics.median(first) * 1000:.2f} ms, second {statistics.median(second) * 1000:.2f} ms, "
        f"ratio {ratio:.2f}"
    )
    return ratio >= 2.0


def crl(_folder: Path) -> bool:
    """A certificate looked up in a CRL of 50,000 entries that nobody has read yet, its signature verified, against
    asn1crypto's scan of the same list."""
    here = _Authority.new()
    credential = here.authority.issue_signer("Jana Ukázková")
    certificate = load_certificate(credential.der)
    issuer = load_certificate(here.authority.certificate("issuing"))
    ours, theirs = [], []
    for number in range(5):
        der = _long_list(here, certificate.serial if number % 2 else None)
        expected = CertificateStatus.REVOKED if number % 2 else CertificateStatus.GOOD
        gc.collect()
        begun = time.process_time()
        facts = revocation_facts(certificate, issuer, RevocationData((der,)), _CLOCK.now())
        ours.append(time.process_time() - begun)
        if [fact.status for fact in facts] != [expected]:
            raise RuntimeError("the list says something else")
        begun = time.process_time()
        entries = asn1_crl.CertificateList.load(der)["tbs_cert_list"]["revoked_certificates"]
        if any(entry["user_certificate"].native == certificate.serial for entry in entries) != bool(number % 2):
            raise RuntimeError("asn1crypto reads something else")
        theirs.append(time.process_time() - begun)
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(
        f"crl: {statistics.median(ours) * 1000:.1f} ms with its signature verified, asn1crypto's scan "
        f"{statistics.median(theirs) * 1000:.0f} ms, ratio {ratio:.1f} ({len(der)} bytes)"
    )
    return ratio >= 30.0


def _long_list(here: _Authority, listed: int | None) -> bytes:
    now = _CLOCK.now().replace(microsecond=0)
    serials = [int.from_bytes(secrets.token_bytes(16)) >> 1 | 1 << 120 for _ in range(_LISTED)]
    if listed is not None:
        serials[-1] = listed
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(here.authority.issuing.certificate.subject)
        .last_update(now)
        .next_update(now + timedelta(days=1))
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(here.authority.issuing.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _seconds(call: Callable[[], None], times: int = 1) -> float:
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times
