"""Whether what custody rests on was made with algorithms that the catalogue relies upon at a moment (TS 119 312)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from zdda.crypto.algorithms import AlgorithmCatalogue, AlgorithmVerdict, Reliability
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.trust.paths import PathResult

_CATALOGUE = AlgorithmCatalogue()
_ENOUGH = (Reliability.RELIABLE, Reliability.EXPIRED_AFTER_REVIEW)
"""An end that was set for a day after the catalogue's last review does not fail, as in validation."""


def unreliable_algorithm(
    algorithm: SignatureAlgorithm, digests: Iterable[str], path: PathResult, moment: datetime
) -> str | None:
    """The first algorithm that is not relied upon, None where all are: of the signature value made with the path's
    first certificate, of the ``digests`` beside it, of the signatures on the path's certificates but the anchor's."""
    if not path.members:
        return None
    signer = path.members[0].certificate
    found = [_of_value(algorithm, signer.key_size, moment), *((name, _digest(name, moment)) for name in digests)]
    found += _of_path(path, moment)
    return next((name for name, verdict in found if verdict.reliability not in _ENOUGH), None)


def _of_path(path: PathResult, moment: datetime) -> Iterator[tuple[str, AlgorithmVerdict]]:
    for member, above in zip(path.members, path.members[1:], strict=False):
        if not member.is_anchor:
            algorithm = member.certificate.signature
            yield _of_value(algorithm, above.certificate.key_size, moment)
            yield str(algorithm.hash), _CATALOGUE.digest_at(algorithm.hash, moment)


def _of_value(algorithm: SignatureAlgorithm, size: int | None, moment: datetime) -> tuple[str, AlgorithmVerdict]:
    return f"{algorithm.mechanism} of {size} bits", _CATALOGUE.key_at(algorithm.mechanism, size, moment)


def _digest(name: str, moment: datetime) -> AlgorithmVerdict:
    return _CATALOGUE.digest_at(name, moment)
