"""Judges the timestamp tokens of an evidence record from the anchors given and what the token itself carries."""

from __future__ import annotations

from datetime import datetime, timedelta

from zdda.evidence.evidence_record import TokenCheck, TokenChecker, TokenStatus
from zdda.fsck.algorithms_then import unreliable_algorithm
from zdda.fsck.old_news import rests_on_old_news
from zdda.signatures.errors import FormatError
from zdda.signatures.timestamp_token import TimestampToken, parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathResult, PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_model import KEY_WAS_SAFE
from zdda.trust.tsa_client import is_timestamping_certificate

_CLOCKS_APART = timedelta(minutes=5)
"""What an authority's clock may be ahead of ours: as much as the client of the authority accepts."""


def token_checker(
    anchors: TrustAnchors,
    at: datetime,
    revocation: RevocationData = RevocationData(),  # noqa: B008 - immutable
) -> TokenChecker:
    """A checker of tokens as RFC 4998 clause 5.3 asks, at the moment ``at``, from what is given: nothing is fetched.

    Each token, in this order:

    1. is over the imprint, by one signer, intact, its ESSCertID that of the certificate it carries (RFC 3161 clause
       2.4.2, RFC 5816), whose critical extended key usage is timestamping alone (clause 2.3), and not younger than
       its follower, or for the last one than ``at`` by more than five minutes. Else BROKEN.
    2. without any anchor, NO_ANCHORS.
    3. *When it was made* (genTime): its certificate has a path to an anchor, within every validity period, nothing
       revoked. Else UNTRUSTED. The status must come from a CRL or OCSP answer that was current then (for 24 hours
       where it names no next one) or is younger; the token carries them since the day it was stored
       (``zdda.trust.token_completion``). Else UNPROVEN.
    4. *As long as it had to be good*: clause 5.3 wants each archive timestamp "valid relative to the time of the
       following" one, and the last "valid at the time the verification is performed". Where no follower came
       before the certificates ran out, whoever got hold of the key since might have dated the token back, and no
       authority tells any more: UNPROVEN, and so where an algorithm was given up before. Revoked until then,
       UNTRUSTED, unless for a reason that leaves earlier tokens valid (RFC 3161 clause 4).

    What no offline check can know is a revocation after the data at hand; ``revocation`` takes newer data.
    """

    def check(token_der: bytes, imprint: bytes, following: datetime | None) -> TokenCheck:
        try:
            token = parse_timestamp_token(token_der)
        except MemoryError:
            raise  # the machine is at fault, not the bytes
        except Exception as error:  # noqa: BLE001 - whatever a parser of hostile bytes raises, it is no token
            why = str(error) if isinstance(error, FormatError) else type(error).__name__
            return TokenCheck(TokenStatus.BROKEN, None, f"a timestamp token cannot be read: {why}")
        wrong = _broken(token, imprint, following or at + _CLOCKS_APART)
        if wrong:
            return TokenCheck(TokenStatus.BROKEN, token.gen_time, f"the timestamp token {wrong}")
        if not anchors.certificates:
            return TokenCheck(TokenStatus.NO_ANCHORS, token.gen_time, "no trust anchor was given for the timestamp")
        status, message = _trust(token, anchors, following or max(at, token.gen_time), at, revocation)
        return TokenCheck(status, token.gen_time, message)

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


def _trust(
    token: TimestampToken, anchors: TrustAnchors, until: datetime, at: datetime, known: RevocationData
) -> tuple[TokenStatus, str]:
    """Steps 3 and 4. ``until``: when it must still have been good; ``at``: what is known is known by then."""
    data = RevocationData(token.crls, token.ocsps) + known
    assert token.signer_certificate is not None
    latest = max(at, until) + _CLOCKS_APART

    def path_at(moment: datetime) -> PathResult:
        assert token.signer_certificate is not None
        return validate_path(
            token.signer_certificate, token.certificates, anchors, moment, data, latest_revocation=latest
        )

    made = path_at(token.gen_time)
    if made.status is PathStatus.REVOCATION_UNKNOWN:
        return TokenStatus.UNPROVEN, "nothing tells whether the timestamp's certificate was revoked when it was used"
    if made.status is not PathStatus.VALID:
        return TokenStatus.UNTRUSTED, f"the timestamp's certificate was not trusted when it was used: {made.status}"
    if rests_on_old_news(made, token.gen_time):
        return TokenStatus.UNPROVEN, "the timestamp's revocation data had run out before it was made"
    kept = path_at(until)
    weak = _unreliable(token, made, until)
    if weak:
        return TokenStatus.UNPROVEN, f"the timestamp rests on an algorithm that is not relied upon any more ({weak})"
    if _ran_out(kept, until):
        return TokenStatus.UNPROVEN, "the timestamp's certificates expired, and no timestamp followed before"
    if kept.status is PathStatus.REVOKED and not _earlier_tokens_stay(kept, token):
        return TokenStatus.UNTRUSTED, "the timestamp's certificate was revoked, and no timestamp followed before"
    if kept.status not in (PathStatus.VALID, PathStatus.REVOKED):
        return TokenStatus.UNTRUSTED, f"the timestamp's certificate is not trusted: {kept.status}"
    return TokenStatus.TRUSTED, f"trusted from {token.gen_time.isoformat()} to {until.isoformat()}"


def _ran_out(path: PathResult, moment: datetime) -> bool:
    """Whether a certificate's validity has ended, whatever else is wrong: a revocation hides no expiry."""
    return any(moment > member.certificate.not_after for member in path.members if not member.is_anchor)


def _unreliable(token: TimestampToken, path: PathResult, moment: datetime) -> str | None:
    """An algorithm of the token or of its path that the catalogue does not accept at a moment."""
    own = (token.digest_algorithm, token.hash_algorithm)
    return unreliable_algorithm(token.signature_algorithm, own, path, moment)


def _earlier_tokens_stay(result: PathResult, token: TimestampToken) -> bool:
    return result.revoked_certificate == token.signer_certificate and result.revocation_reason in KEY_WAS_SAFE
