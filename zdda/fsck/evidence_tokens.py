"""Judges the timestamp tokens of an evidence record from the anchors given and what the token itself carries."""

from __future__ import annotations

from datetime import datetime

from zdda.evidence.evidence_record import TokenCheck, TokenChecker, TokenStatus
from zdda.signatures.errors import FormatError
from zdda.signatures.timestamp_token import TimestampToken, parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.tsa_client import is_timestamping_certificate


def token_checker(anchors: TrustAnchors, at: datetime) -> TokenChecker:
    """A checker of tokens as RFC 4998 clause 5.3 asks.

    A token must be over the imprint, intact, by a certificate for timestamping alone, and that certificate must
    have been valid and not revoked, by a path to the anchors, when the next timestamp was made; for the last one,
    at ``at``. A token is *completed* before it is stored: its chain and the revocation values of its day lie in
    its CMS. Once those have aged past ``at``, what they can show is that the path was good at genTime; the last
    token is then accepted on that ground, for as long as no evidence says otherwise, and the message says so.
    """

    def check(token_der: bytes, imprint: bytes, following: datetime | None) -> TokenCheck:
        try:
            token = parse_timestamp_token(token_der)
        except FormatError as error:
            return TokenCheck(TokenStatus.BROKEN, None, f"a timestamp token cannot be read: {error}")
        broken = _broken(token, imprint, following or at)
        if broken:
            return TokenCheck(TokenStatus.BROKEN, token.gen_time, f"the timestamp token {broken}")
        if not anchors.certificates:
            return TokenCheck(TokenStatus.NO_ANCHORS, token.gen_time, "no trust anchor was given for the timestamp")
        return _trust(token, anchors, following or at)

    return check


def _broken(token: TimestampToken, imprint: bytes, latest: datetime) -> str | None:
    if not token.is_over_digest(imprint):
        return "is not over the root of the hash tree"
    if token.signer_certificate is None:
        return "carries no certificate of its signer"
    if not token.signature_intact:
        return "has a signature that does not verify"
    if not is_timestamping_certificate(token.signer_certificate):
        return "is signed by a certificate that is not for timestamping alone"
    if token.gen_time > latest:
        return "comes from the future"
    return None


def _trust(token: TimestampToken, anchors: TrustAnchors, moment: datetime) -> TokenCheck:
    revocation = RevocationData(token.crls, token.ocsps)
    assert token.signer_certificate is not None
    for when in (moment, token.gen_time):
        result = validate_path(token.signer_certificate, token.certificates, anchors, when, revocation)
        if result.status is PathStatus.VALID:
            where = "" if when == moment else ", by the revocation values of its day"
            return TokenCheck(TokenStatus.TRUSTED, token.gen_time, f"trusted at {when.isoformat()}{where}")
        if result.status is PathStatus.REVOKED:
            break  # whoever holds the key may date what they like
    return TokenCheck(
        TokenStatus.UNTRUSTED, token.gen_time, f"the timestamp's certificate is not trusted: {result.status}"
    )
