"""Completes a timestamp token before it is stored: whoever verifies it later needs nothing but an anchor.

The signer's chain goes into ``SignedData.certificates``, CRLs into ``SignedData.crls`` (RFC 5652 clause 5.1), OCSP
answers into the unsigned attribute revocation-values (EN 319 122-1 clause A.1.2.2): the place in ``crls`` that RFC 5940
gives them makes a message that readers of PKCS #7, openssl's among them, refuse. The signature covers none of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from asn1crypto import cms, core, ocsp, x509

from zdda.model.clock import Clock
from zdda.signatures.der import SEQUENCE, SET, children, encode, read
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.tsa_client import AuthorityRefused, AuthorityUnavailable

_REVOCATION_VALUES = "1.2.840.113549.1.9.16.2.24"
_OCSP_VALUES = 0xA1
_MOST_ANSWERS = 1000


def complete_token(token: bytes, chain: Iterable[bytes], revocation: RevocationData) -> bytes:
    """The DER of the token with these certificates, CRLs and OCSP answers added, each once, in DER's order of a SET.

    Deterministic, and adding the same again changes nothing. The signed bytes stay as they came. Raises
    ``ValueError`` or ``FormatError`` for bytes that are no token of one signer.
    """
    content = cms.ContentInfo.load(token, strict=True)
    signed = content["content"]
    if content["content_type"].native != "signed_data" or len(signed["signer_infos"]) != 1:
        raise ValueError("a timestamp token is a SignedData of one signer (RFC 3161 clause 2.4.2)")
    wanted = [cms.CertificateChoices("certificate", x509.Certificate.load(der)).dump() for der in chain]
    certificates = sorted({*_present(signed["certificates"]), *wanted})
    lists = sorted({*_present(signed["crls"]), *revocation.crls})
    completed = cms.SignedData(
        {
            "version": signed["version"].native,
            "digest_algorithms": signed["digest_algorithms"],
            "encap_content_info": signed["encap_content_info"],
            "certificates": cms.CertificateSet.load(encode(SET, b"".join(certificates))),
            "signer_infos": [_with_answers(signed["signer_infos"][0], revocation.ocsps)],
            **({"crls": cms.RevocationInfoChoices.load(encode(SET, b"".join(lists)))} if lists else {}),
        }
    )
    result: bytes = cms.ContentInfo({"content_type": "signed_data", "content": completed}).dump()
    return result


def _with_answers(signer: cms.SignerInfo, answers: Iterable[bytes]) -> cms.SignerInfo:
    """The signer's part with the OCSP answers in its revocation-values attribute, of which there is one at most."""
    basic = {ocsp.OCSPResponse.load(answer)["response_bytes"]["response"].parsed.dump() for answer in answers}
    if not basic:
        return signer
    kind = core.ObjectIdentifier(_REVOCATION_VALUES).dump()
    held, others = b"", []
    for attribute in _present(signer["unsigned_attrs"]):
        _, start, end, _ = read(attribute)
        if attribute[start : start + len(kind)] == kind:
            _, held_from, held_to, _ = read(attribute, start + len(kind), end)
            held = attribute[held_from:held_to]
        else:
            others.append(attribute)
    attribute = encode(SEQUENCE, kind + encode(SET, _merged(held, basic)))
    fields = ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")
    return cms.SignerInfo(
        {
            **{name: signer[name] for name in fields},
            "unsigned_attrs": cms.CMSAttributes.load(encode(SET, b"".join(sorted({*others, attribute})))),
        }
    )


def _merged(held: bytes, basic: set[bytes]) -> bytes:
    """RevocationValues with what was there before and these BasicOCSPResponses, each once."""
    answers, parts = set(basic), {}
    if held:
        _, start, end, _ = read(held)
        for tag, first, last in children(held, start, end, 3):
            parts[tag] = held[first:last]
    if _OCSP_VALUES in parts:
        before = parts[_OCSP_VALUES]
        _, start, end, _ = read(before)
        _, start, end, _ = read(before, start, end)
        answers |= {before[first:last] for _, first, last in children(before, start, end, _MOST_ANSWERS)}
    parts[_OCSP_VALUES] = encode(_OCSP_VALUES, encode(SEQUENCE, b"".join(sorted(answers))))
    return encode(SEQUENCE, b"".join(parts[tag] for tag in sorted(parts)))


def _present(choices: core.SetOf) -> list[bytes]:
    return [] if isinstance(choices, core.Void) else [choice.dump() for choice in choices]


class TokenCompleter:
    """Completes tokens of authorities that end at ``anchors``; ``fetch`` gives CRLs and OCSP answers of a path.

    ``of_seal`` gives those of the certificate that sealed what the token proves, as new as the token: without them a
    verifier could not tell whether the seal's key was still good at the proven time.
    """

    def __init__(
        self,
        anchors: TrustAnchors,
        fetch: Callable[[Sequence[bytes]], RevocationData],
        clock: Clock,
        of_seal: Callable[[], RevocationData] = RevocationData,
    ) -> None:
        self._anchors, self._fetch, self._clock, self._of_seal = anchors, fetch, clock, of_seal

    def __call__(self, token: bytes, /) -> bytes:
        """The completed token, from which a verifier with the anchors alone can judge it.

        Raises ``AuthorityRefused`` for an authority whose certificate is revoked or not trusted, and
        ``AuthorityUnavailable`` while the revocation data of its path cannot be had.
        """
        parsed = parse_timestamp_token(token)
        if parsed.signer_certificate is None:
            raise AuthorityRefused("the authority's token carries no certificate of its signer")
        found = validate_path(
            parsed.signer_certificate, parsed.certificates, self._anchors, parsed.gen_time, RevocationData()
        )
        if found.path is None:
            raise AuthorityRefused("the authority's certificate does not lead to an anchor")
        revocation = RevocationData(parsed.crls, parsed.ocsps) + self._fetch(found.path)
        now = max(self._clock.now(), parsed.gen_time)
        judged = validate_path(parsed.signer_certificate, found.path, self._anchors, now, revocation)
        if judged.status is PathStatus.REVOCATION_UNKNOWN:
            raise AuthorityUnavailable("the revocation data of the authority's certificate cannot be had")
        if judged.status is not PathStatus.VALID:
            raise AuthorityRefused(f"the authority's certificate is not trusted ({judged.status})")
        return complete_token(token, found.path, revocation + self._of_seal())
