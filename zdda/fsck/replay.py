"""Validates an archived document again from what its package pins, and compares with the sealed report.

Nothing but the package and the anchors given is looked at: the moment is the sealed report's, the revocation data
are those it lists, policy and algorithm catalogue those that the package keeps. No clock, no network.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.model.canonical_json import canonical_json
from zdda.model.clock import parse_time
from zdda.model.errors import InvalidInput
from zdda.packaging.aip_reader import Aip
from zdda.packaging.renewed_validation import RenewedValidation
from zdda.signatures.late_stream import LateStream
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.pinned_rules import of_this_release, rules_of
from zdda.validation.policy import ValidationPolicy
from zdda.validation.report import ValidationReport
from zdda.validation.report_difference import PINS, Difference, differences
from zdda.validation.validate import validate_document


class CannotReplay(InvalidInput):
    """What the sealed report pins is not all at hand; ``reason`` in the details."""

    code = "cannot-replay"


@dataclass(frozen=True, slots=True)
class Replay:
    """``same_version``: the report was made again by the engine, policy and algorithms that the sealed one pins.
    ``own_rules``: policy or algorithms are the package's, not this release's; what they say, nobody here has decided.
    ``policy``: the name and SHA-256 of the policy. ``sealed`` and ``made`` are SHA-256 of the two reports' bytes."""

    number: int
    same_version: bool
    own_rules: bool
    policy: tuple[str, str]
    sealed: str
    made: str
    differences: tuple[Difference, ...]

    def __bool__(self) -> bool:
        raise TypeError("a replay is not a truth value: ask same()")

    def same(self) -> bool:
        """By the same version: the same bytes. By another: the same but for the version itself."""
        if self.same_version:
            return self.sealed == self.made
        return all(each.where.split("/")[0] in PINS for each in self.differences)

    def as_json(self) -> dict[str, Any]:
        return {
            "document": self.number,
            "same": self.same(),
            "sameVersion": self.same_version,
            "ownRules": self.own_rules,
            "policy": {"name": self.policy[0], "sha256": self.policy[1]},
            "sealedReport": self.sealed,
            "madeReport": self.made,
            "differences": [each.as_json() for each in self.differences],
        }


class PackageReplay:
    """Of one package. ``anchors``: from the caller, never from the package; every one that a sealed report names has
    to be among them, others are not used."""

    def __init__(self, package: Aip, anchors: TrustAnchors) -> None:
        self._package, self._anchors = package, anchors
        self._checked: set[int] = set()

    def document(self, number: int) -> Replay:
        """Of document ``number`` (from 1). Raises ``CannotReplay``, or a ``PackageError`` where the package is
        damaged."""
        return self._made_again(number, self.sealed(number), self._package.rules)

    def renewed(self, content: RenewedValidation) -> list[Replay]:
        """Of the reports that an amendment of the package holds, from the data in the package and the amendment's own
        rules. Raises as ``document`` does."""
        rules = {
            hashlib.sha256(each).hexdigest(): each for each in map(canonical_json, (content.policy, content.catalogue))
        }
        replays = []
        for each in content.documents:
            if not 1 <= each.number <= len(self._package.documents):
                raise CannotReplay("the package has no document of that number", reason="no-such-document")
            replays.append(self._made_again(each.number, _whole(each.report), rules.get))
        return replays

    def _made_again(self, number: int, sealed: Mapping[str, Any], kept: Callable[[str], bytes | None]) -> Replay:
        policy, catalogue = _rules(sealed, kept)
        at = parse_time(sealed["validationTime"])
        made = self.judged(number, sealed, _pinned(sealed, self._anchors), at, policy, catalogue)
        return Replay(
            number=number,
            same_version=all(sealed[pin] == made[pin] for pin in PINS),
            own_rules=not of_this_release(policy, catalogue),
            policy=(policy.name, policy.digest),
            sealed=hashlib.sha256(canonical_json(sealed)).hexdigest(),
            made=hashlib.sha256(canonical_json(made)).hexdigest(),
            differences=differences(sealed, made),
        )

    def sealed(self, number: int) -> Mapping[str, Any]:
        """The sealed report of document ``number``. Raises ``CannotReplay``."""
        if not 1 <= number <= len(self._package.documents):
            raise CannotReplay("the package has no document of that number", reason="no-such-document")
        return _whole(self._package.report(number))

    def judged(
        self,
        number: int,
        sealed: Mapping[str, Any],
        anchors: TrustAnchors,
        at: datetime,
        policy: ValidationPolicy,
        catalogue: AlgorithmCatalogue,
    ) -> Mapping[str, Any]:
        """A report on document ``number`` by these anchors and rules, at this moment, from the certificates and
        revocation data that its sealed report lists."""
        others = [other for other in range(1, len(self._package.documents) + 1) if other != number]
        return validate_document(
            self._opened(number),
            anchors,
            at=at,
            revocation=_revocation(sealed, self._package),
            certificates=_certificates(sealed, self._package),
            detached=[LateStream(partial(self._opened, other)) for other in others],
            guessed=True,  # as at intake
            policy=policy,
            catalogue=catalogue,
        ).as_json()

    def _opened(self, number: int) -> BinaryIO:
        """A document whose digest was found right, before any parser sees its bytes."""
        if number not in self._checked:
            for _ in self._package.stream(self._package.documents[number - 1].member):
                pass
            self._checked.add(number)
        # buffered: a read of the member may give less than was asked for
        return io.BufferedReader(self._package.open_document(number))


def _whole(value: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        content = ValidationReport.from_json(value).content
        parse_time(content["validationTime"])
    except (InvalidInput, KeyError, TypeError, ValueError) as error:
        raise CannotReplay("the document was not validated when it was archived", reason="no-report") from error
    if not content.keys() >= {*PINS, "trustAnchors", "validationData"}:
        raise CannotReplay("the report pins too little to be made again", reason="no-pins")
    return content


def _pinned(sealed: Mapping[str, Any], anchors: TrustAnchors) -> TrustAnchors:
    given = {hashlib.sha256(der).hexdigest(): der for der in anchors.certificates}
    missing = [digest for digest in sealed["trustAnchors"] if digest not in given]
    if missing:
        raise CannotReplay(
            f"{len(missing)} of the trust anchors that the report names were not given",
            reason="anchors",
            missing=missing,
        )
    return TrustAnchors(tuple(given[digest] for digest in sealed["trustAnchors"]))


def _rules(
    sealed: Mapping[str, Any], kept: Callable[[str], bytes | None]
) -> tuple[ValidationPolicy, AlgorithmCatalogue]:
    """Those that are kept beside the report; where none are, as in an older package, this release's own."""
    try:
        return rules_of(sealed, kept)
    except (InvalidInput, ValueError) as error:
        raise CannotReplay(
            "the rules that are kept are not of a form that this version reads", reason="rules"
        ) from error


def _certificates(sealed: Mapping[str, Any], package: Aip) -> tuple[bytes, ...]:
    """All certificates that this document's report lists, in its order, but for the anchors: those that the document
    carries among them (they count once), and those that were fetched."""
    held = {hashlib.sha256(data).hexdigest(): data for data in package.validation_data("certificate")}
    listed = [datum["sha256"] for datum in sealed["validationData"] if datum["role"] == "certificate"]
    wanted = [digest for digest in listed if digest not in sealed["trustAnchors"]]
    if any(digest not in held for digest in wanted):
        raise CannotReplay("the package lacks certificates that the report lists", reason="data")
    return tuple(held[digest] for digest in wanted)


def _revocation(sealed: Mapping[str, Any], package: Aip) -> RevocationData:
    """All CRLs and OCSP responses that this document's report lists, in its order: those that the document carries
    among them (they count once), those that were fetched, and none that belongs to another document alone."""
    found: dict[str, list[bytes]] = {}
    for role in ("crl", "ocsp"):
        held = {hashlib.sha256(data).hexdigest(): data for data in package.validation_data(role)}
        wanted = [datum["sha256"] for datum in sealed["validationData"] if datum["role"] == role]
        if any(digest not in held for digest in wanted):
            raise CannotReplay("the package lacks revocation data that the report lists", reason="data")
        found[role] = [held[digest] for digest in wanted]
    return RevocationData(tuple(found["crl"]), tuple(found["ocsp"]))
