"""What PREMIS tells of a deposit until its sealing: the events, and the agents they name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from zdda.packaging.deposit_record import DepositFacts
from zdda.packaging.mets import Software
from zdda.packaging.premis import PremisAgent, PremisEvent, software_agent
from zdda.signatures.certificates import load_certificate

_ACCOUNT = "account"
_CERTIFICATE = "SHA-256 of X.509 certificate"


def agents_of(facts: DepositFacts, software: Software, certificate: bytes) -> list[PremisAgent]:
    """The software, the depositing account, the holder of the sealing certificate."""
    seal = load_certificate(certificate)
    return [
        software_agent(software),
        PremisAgent(_ACCOUNT, facts.account, facts.account, "organization"),
        PremisAgent(_CERTIFICATE, seal.sha256.hex(), _subject(certificate), "organization"),
    ]


@lru_cache(maxsize=16)
def _subject(certificate: bytes) -> str:
    """The subject as RFC 4514 writes it."""
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()


def events_of(
    facts: DepositFacts,
    documents: Sequence[tuple[str, str]],
    software: Software,
    sealed_at: datetime,
    certificate: bytes,
) -> list[PremisEvent]:
    """``documents`` are pairs of path and verdict. The sealing is told before it happens: its failure leaves
    no package behind."""
    machine = software_agent(software)
    archive = (machine.identifier_type, machine.identifier)
    seal = (_CERTIFICATE, load_certificate(certificate).sha256.hex())
    paths = tuple(path for path, _ in documents)
    received = PremisEvent(
        "ingestion",
        facts.received_at,
        f"received as deposit {facts.deposit}",
        "received",
        ((_ACCOUNT, facts.account), archive),
    )
    digested = PremisEvent(
        "message digest calculation", facts.received_at, "SHA-256, SHA-512", "calculated", (archive,), paths
    )
    identified = PremisEvent(
        "format identification", facts.validated_at, "by content, after PRONOM", "identified", (archive,), paths
    )
    validated = [
        PremisEvent(
            "digital signature validation",
            facts.validated_at,
            "ETSI EN 319 102-1, basic validation",
            verdict,
            (archive,),
            (path,),
        )
        for path, verdict in documents
    ]
    created = PremisEvent(
        "information package creation", sealed_at, "E-ARK AIP in an ASiC-E container", "created", (archive,)
    )
    sealed = PremisEvent(
        "digital signature generation", sealed_at, "CAdES-B-B over the ASiC manifest", "sealed", (seal, archive)
    )
    return [received, digested, identified, *validated, created, sealed]
