"""Completes a timestamp token before it is stored: whoever verifies it later needs nothing but an anchor.

The signer's chain goes into ``SignedData.certificates``, CRLs and OCSP answers into ``SignedData.crls`` (RFC 5652
clause 5.1; OCSP answers as ``id-ri-ocsp-response``, RFC 5940). Neither set is covered by the signature, so the
token's signature and what it says stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable

from asn1crypto import cms, core, x509

from zdda.signatures.der import SET, encode
from zdda.trust.revocation import RevocationData

_OCSP_RESPONSE = "1.3.6.1.5.5.7.16.2"
_OTHER = 0xA1


def complete_token(token: bytes, chain: Iterable[bytes], revocation: RevocationData) -> bytes:
    """The DER of the token with these certificates, CRLs and OCSP answers added, each once, in DER's order of a SET.

    Deterministic. Raises ``ValueError`` for bytes that are no token.
    """
    content = cms.ContentInfo.load(token, strict=True)
    signed = content["content"]
    wanted = [cms.CertificateChoices("certificate", x509.Certificate.load(der)).dump() for der in chain]
    certificates = sorted({*_present(signed["certificates"]), *wanted})
    held = _present(signed["crls"])
    values = [*revocation.crls, *(_other(answer) for answer in revocation.ocsps)]
    lists = sorted({*held, *values})
    completed = cms.SignedData(
        {
            "version": "v5" if revocation.ocsps or _has_other(held) else signed["version"].native,
            "digest_algorithms": signed["digest_algorithms"],
            "encap_content_info": signed["encap_content_info"],
            "certificates": cms.CertificateSet.load(encode(SET, b"".join(certificates))),
            "signer_infos": signed["signer_infos"],
            **({"crls": cms.RevocationInfoChoices.load(encode(SET, b"".join(lists)))} if lists else {}),
        }
    )
    result: bytes = cms.ContentInfo({"content_type": "signed_data", "content": completed}).dump()
    return result


def _other(answer: bytes) -> bytes:
    """``OtherRevocationInfoFormat`` of an OCSP response, tagged [1] IMPLICIT (RFC 5652 clause 10.2.1)."""
    return encode(_OTHER, core.ObjectIdentifier(_OCSP_RESPONSE).dump() + answer)


def _has_other(choices: Iterable[bytes]) -> bool:
    return any(choice[0] == _OTHER for choice in choices)


def _present(choices: core.SetOf) -> list[bytes]:
    return [] if isinstance(choices, core.Void) else [choice.dump() for choice in choices]
