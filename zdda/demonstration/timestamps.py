"""The demonstration's timestamp authority: RFC 3161 answers, made to be read by any client."""

from __future__ import annotations

import hashlib

from asn1crypto import algos, cms, core, tsp, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from zdda.demonstration.authority import Credential
from zdda.model.clock import Clock, Entropy
from zdda.signatures.der import SEQUENCE, encode

POLICY = "1.3.6.1.4.1.59999.1"
_DIGESTS = {"sha256": 32, "sha384": 48, "sha512": 64}


class DemonstrationTimestamps:
    """Answers timestamp requests with tokens of ``credential`` under ``policy``."""

    def __init__(self, credential: Credential, clock: Clock, entropy: Entropy, policy: str = POLICY) -> None:
        self._credential, self._clock, self._entropy, self._policy = credential, clock, entropy, policy

    def respond(self, request: bytes) -> bytes:
        """A ``TimeStampResp`` (DER): granted, or a rejection with its reason."""
        try:
            parsed = tsp.TimeStampReq.load(request, strict=True)
            imprint = parsed["message_imprint"]
            algorithm = imprint["hash_algorithm"]["algorithm"].native
            digest = imprint["hashed_message"].native
            policy = parsed["req_policy"].native and parsed["req_policy"].dotted
        except (ValueError, TypeError):
            return _rejection("bad_data_format")
        if _DIGESTS.get(algorithm) != len(digest):
            return _rejection("bad_alg")
        if policy not in (None, self._policy):
            return _rejection("unaccepted_policy")
        token = self.token(digest, algorithm, parsed["nonce"].native, bool(parsed["cert_req"].native))
        response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)})
        return bytes(response.dump())

    def token(
        self, digest: bytes, algorithm: str = "sha256", nonce: int | None = None, with_certificates: bool = True
    ) -> bytes:
        """The DER of a token over ``digest``."""
        value = {
            "version": "v1",
            "policy": self._policy,
            "message_imprint": {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest},
            "serial_number": int.from_bytes(self._entropy(8)) >> 1 | 1,
            "gen_time": self._clock.now().replace(microsecond=0),
            "accuracy": {"seconds": 1},
        }
        if nonce is not None:
            value["nonce"] = nonce
        return self._sign(tsp.TSTInfo(value).dump(), with_certificates)

    def _sign(self, content: bytes, with_certificates: bool) -> bytes:
        certificate = x509.Certificate.load(self._credential.der)
        attributes = cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "signing_time", "values": [_utc_time(self._clock)]}),
                cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
                cms.CMSAttribute(
                    {
                        "type": "signing_certificate_v2",
                        "values": [
                            tsp.SigningCertificateV2(
                                {
                                    "certs": [
                                        tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(self._credential.der).digest()})
                                    ]
                                }
                            )
                        ],
                    }
                ),
            ]
        )
        signature = self._credential.key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
                "signer_infos": [
                    cms.SignerInfo(
                        {
                            "version": "v1",
                            "sid": cms.SignerIdentifier(
                                "issuer_and_serial_number",
                                cms.IssuerAndSerialNumber(
                                    {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                                ),
                            ),
                            "digest_algorithm": {"algorithm": "sha256"},
                            "signed_attrs": attributes,
                            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                            "signature": signature,
                        }
                    )
                ],
            }
        )
        if with_certificates:
            below_root = (self._credential.certificate, *self._credential.chain[:-1])
            signed["certificates"] = [
                cms.CertificateChoices("certificate", x509.Certificate.load(each.public_bytes(Encoding.DER)))
                for each in below_root
            ]
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def _utc_time(clock: Clock) -> cms.Time:
    return cms.Time({"utc_time": clock.now().replace(microsecond=0)})


def _rejection(reason: str) -> bytes:
    return encode(SEQUENCE, tsp.PKIStatusInfo({"status": "rejection", "fail_info": {reason}}).dump())
