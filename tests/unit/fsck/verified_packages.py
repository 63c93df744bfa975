"""Whole packages with seal and evidence under an authority of their own: an archive's, or a forger's."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from package_samples import CONTENTS, inputs_of

from zdda.crypto.signing import SoftwareSigner
from zdda.demonstration.authority import Credential, DemonstrationAuthority
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.evidence.batch import EvidenceBatch
from zdda.evidence.hash_tree import HashTree, group_digest
from zdda.fsck.custody import CustodyReport
from zdda.fsck.verify import verify_package
from zdda.model.clock import FixedClock
from zdda.packaging.aip import AipInputs, ValidationDatum, build_aip
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.token_completion import complete_token


def counting_entropy(start: int) -> Callable[[int], bytes]:
    state = [start]

    def entropy(n: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(state[0].to_bytes(8)).digest(n)

    return entropy


class Custodian:
    """Seals packages and gets evidence for them. ``now`` is the moment of everything it does."""

    def __init__(self, now: datetime, seed: int = 1, revoked: bool = False) -> None:
        self.clock = FixedClock(now - timedelta(days=1))
        self.entropy = counting_entropy(seed * 1_000_000)
        self.authority = DemonstrationAuthority(self.clock, self.entropy, "http://localhost:1")
        self.seal = self.authority.issue_seal()
        self.clock.move_to(now)
        if revoked:
            self.authority.revoke(self.seal)
        self.timestamps = DemonstrationTimestamps(self.authority.timestamping, self.clock, self.entropy)

    @property
    def anchors(self) -> TrustAnchors:
        return TrustAnchors((self.authority.root.der,))

    @property
    def signer(self) -> SoftwareSigner:
        return SoftwareSigner.load(self.seal.key_pem(), self.seal.chain_pem())

    def revocation(self, credential: Credential) -> RevocationData:
        request = ocsp.OCSPRequestBuilder().add_certificate(
            credential.certificate, self.authority.issuing.certificate, hashes.SHA256()
        )
        answer = self.authority.ocsp_response(request.build().public_bytes(Encoding.DER))
        return RevocationData((self.authority.crl("root"),), (answer,))

    def inputs(
        self, *, with_revocation: bool = True, contents: tuple[tuple[bytes, str, str], ...] = CONTENTS
    ) -> AipInputs:
        data = [ValidationDatum("certificate", each) for each in self.signer.chain]
        if with_revocation:
            revocation = self.revocation(self.seal)
            data += [ValidationDatum("crl", each) for each in revocation.crls]
            data += [ValidationDatum("ocsp", each) for each in revocation.ocsps]
        return replace(inputs_of(contents), validation_data=tuple(data), created_at=self.clock.now())

    def evidence(
        self,
        group: tuple[bytes, ...],
        neighbours: int = 3,
        also: RevocationData = RevocationData(),  # noqa: B008
    ) -> bytes:
        """The evidence record of a package that shares its batch with others; ``also`` goes into its token."""
        leaves = [group_digest(group), *(hashlib.sha256(bytes([n])).digest() for n in range(neighbours))]
        imprint = HashTree(leaves).root
        credential = self.authority.timestamping
        chain = [each.public_bytes(Encoding.DER) for each in credential.chain]
        token = complete_token(self.timestamps.token(imprint), chain, self.revocation(credential) + also)
        batch = EvidenceBatch(UUID(int=1), "hospital-one", self.clock.now(), tuple(leaves), token)
        return batch.evidence_record(0, group)

    def package(self, inputs: AipInputs | None = None) -> tuple[bytes, bytes]:
        """(container, evidence record)."""
        sink = io.BytesIO()
        facts = build_aip(inputs or self.inputs(), self.signer, sink)
        return sink.getvalue(), self.evidence(facts.group)


def verified(container: bytes, record: bytes | None, anchors: TrustAnchors, at: datetime) -> CustodyReport:
    return verify_package(io.BytesIO(container), record, anchors, at)


def load(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)
