"""Evidence records (RFC 4998): assembled from batches, renewed, and verified. Pure functions over bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from asn1crypto import cms

from zdda.evidence.hash_tree import PartialHashTree, node
from zdda.evidence.structures import ArchiveTimeStamp, ArchiveTimeStampSequence, EvidenceRecord
from zdda.model.errors import InvalidInput

_ALGORITHMS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "sha1", "sha224"})
_MAX_RECORD = 16 * 1024 * 1024
_MAX_TIMESTAMPS = 1024


class EvidenceMalformed(InvalidInput):
    """The bytes are no evidence record after RFC 4998."""

    code = "evidence-malformed"


class TokenStatus(StrEnum):
    """What is known of a timestamp token."""

    TRUSTED = "trusted"
    NO_ANCHORS = "no-anchors"
    UNTRUSTED = "untrusted"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """The answer on one token: ``gen_time`` where it could be read, and why."""

    status: TokenStatus
    gen_time: datetime | None
    message: str


TokenChecker = Callable[[bytes, bytes, datetime | None], TokenCheck]
"""Called with the token's DER, the imprint it must carry, and the moment it must have been good at: the time of
the timestamp that follows it, or None for the last one (RFC 4998 clause 5.3)."""


class EvidenceStatus(StrEnum):
    """The outcome: PROVEN, BROKEN (a digest, a signature or an order is wrong), or NOT_PROVABLE (nothing is wrong,
    but no anchor was given)."""

    PROVEN = "proven"
    BROKEN = "broken"
    NOT_PROVABLE = "not-provable"


@dataclass(frozen=True, slots=True)
class EvidenceVerdict:
    """What an evidence record proves. ``proven_at`` is the time of its first archive timestamp, None unless proven."""

    status: EvidenceStatus
    proven_at: datetime | None
    findings: tuple[str, ...]
    timestamps: tuple[TokenCheck, ...]

    def __bool__(self) -> bool:
        raise TypeError("ask for .status: NOT_PROVABLE is neither true nor false")


def assemble(
    group: Sequence[bytes], siblings: Sequence[PartialHashTree], token: bytes, algorithm: str = "sha256"
) -> bytes:
    """The DER of a record with one archive timestamp: the group's digests, the way to the root, the token."""
    return _encode([algorithm], [[_archive_timestamp(algorithm, _lists(group, siblings), token)]])


def renew_timestamp(record: bytes, token: bytes) -> bytes:
    """Adds an archive timestamp to the last chain (RFC 4998 clause 5.2, Timestamp Renewal); the token's imprint is
    ``timestamp_renewal_imprint(record)``."""
    parsed = parse(record)
    chains = [list(chain) for chain in parsed["archive_time_stamp_sequence"]]
    chains[-1].append(_archive_timestamp(_algorithm(chains[-1][0]), (), token))
    return _rebuild(parsed, chains, None)


def timestamp_renewal_imprint(record: bytes) -> bytes:
    """The digest of the last archive timestamp's ``timeStamp`` field."""
    last = list(parse(record)["archive_time_stamp_sequence"][-1])
    return hashlib.new(_algorithm(last[0]), last[-1]["time_stamp"].dump()).digest()


def renew_hash_tree(
    record: bytes, group: Sequence[bytes], siblings: Sequence[PartialHashTree], token: bytes, algorithm: str
) -> bytes:
    """Adds a chain under a new algorithm (RFC 4998 clause 5.2, Hash-Tree Renewal). ``group`` holds what
    ``hash_tree_renewal_group`` gave; the token stamps the root that ``siblings`` lead to."""
    parsed = parse(record)
    chains = [list(chain) for chain in parsed["archive_time_stamp_sequence"]]
    chains.append([_archive_timestamp(algorithm, _lists(group, siblings), token)])
    return _rebuild(parsed, chains, algorithm)


def hash_tree_renewal_group(record: bytes, digests: Sequence[bytes], algorithm: str) -> tuple[bytes, ...]:
    """H(H(d) ‖ H(ArchiveTimeStampSequence)) for each object's digest under the new algorithm; not sorted."""
    return _bound(digests, parse(record)["archive_time_stamp_sequence"].dump(), algorithm)


def parse(record: bytes) -> EvidenceRecord:
    """Reads DER strictly; raises ``EvidenceMalformed``."""
    if len(record) > _MAX_RECORD:
        raise EvidenceMalformed("an evidence record is over 16 MiB")
    try:
        parsed = EvidenceRecord.load(record, strict=True)
        if parsed["version"].native != 1:
            raise EvidenceMalformed("an evidence record has another version than 1")
        chains = parsed["archive_time_stamp_sequence"]
        count = sum(len(chain) for chain in chains)
        if not len(chains) or not all(len(chain) for chain in chains) or count > _MAX_TIMESTAMPS:
            raise EvidenceMalformed("an evidence record has no archive timestamp, or too many")
        for chain in chains:
            for archive_timestamp in chain:
                _reduced(archive_timestamp)
                archive_timestamp["time_stamp"]["content_type"].native  # noqa: B018 - parses now, not later
    except EvidenceMalformed:
        raise
    except Exception as error:
        raise EvidenceMalformed("the bytes are no evidence record") from error
    assert isinstance(parsed, EvidenceRecord)
    return parsed


def verify(record: bytes, digests: Mapping[str, Sequence[bytes]], check_token: TokenChecker) -> EvidenceVerdict:
    """Verifies a record over one data object group (RFC 4998 clauses 4.3 and 5.3).

    ``digests`` gives the digest of every object of the group under each algorithm that the record uses. Every
    object must be in the record's first list, and nothing else may be. Raises ``EvidenceMalformed``.
    """
    sequence = parse(record)["archive_time_stamp_sequence"]
    flat = [archive_timestamp for chain in sequence for archive_timestamp in chain]
    imprints, findings = _imprints(sequence, digests)
    checks: list[TokenCheck] = []
    following: datetime | None = None
    for archive_timestamp, imprint in zip(reversed(flat), reversed(imprints), strict=True):
        token = archive_timestamp["time_stamp"].dump()
        check = check_token(token, imprint, following)
        checks.insert(0, check)
        if check.gen_time is not None and following is not None and check.gen_time > following:
            findings.append("archive timestamps are not in the order of time")
        following = check.gen_time or following
    findings += [check.message for check in checks if check.status in (TokenStatus.BROKEN, TokenStatus.UNTRUSTED)]
    if findings:
        return EvidenceVerdict(EvidenceStatus.BROKEN, None, tuple(findings), tuple(checks))
    if any(check.status is TokenStatus.NO_ANCHORS for check in checks):
        messages = tuple(check.message for check in checks if check.status is TokenStatus.NO_ANCHORS)
        return EvidenceVerdict(EvidenceStatus.NOT_PROVABLE, None, messages, tuple(checks))
    return EvidenceVerdict(EvidenceStatus.PROVEN, checks[0].gen_time, (), tuple(checks))


def _imprints(
    sequence: ArchiveTimeStampSequence, digests: Mapping[str, Sequence[bytes]]
) -> tuple[list[bytes], list[str]]:
    """What each token in turn must stamp, and what is wrong on the way there."""
    imprints: list[bytes] = []
    findings: list[str] = []
    for number, chain in enumerate(sequence):
        algorithm = _algorithm(chain[0])
        group = tuple(digests.get(algorithm, ()))
        if not group:
            findings.append(f"the objects' digests under {algorithm} are not known")
        if number:
            before = ArchiveTimeStampSequence(list(sequence)[:number])
            group = _bound(group, before.dump(), algorithm)
        for place, archive_timestamp in enumerate(chain):
            if _algorithm(archive_timestamp) != algorithm:
                findings.append("a chain changes its digest algorithm (RFC 4998 clause 5.2)")
            wanted = group
            if place:
                wanted = (hashlib.new(algorithm, chain[place - 1]["time_stamp"].dump()).digest(),)
            imprint, finding = _lead(wanted, _reduced(archive_timestamp), algorithm, strict=not place)
            imprints.append(imprint)
            findings += finding
    return imprints, findings


def _lead(
    group: Sequence[bytes], lists: Sequence[PartialHashTree], algorithm: str, *, strict: bool
) -> tuple[bytes, list[str]]:
    """Walks one reduced tree (RFC 4998 clause 4.3): the root, and what is wrong."""
    if not lists:
        if len(group) != 1:
            return b"", ["a group of several objects needs a reduced hash tree"]
        return group[0], []
    findings = []
    first = lists[0]
    if not set(group) <= set(first) or not group:
        findings.append("an object's digest is not in the reduced hash tree")
    elif strict and len(group) > 1 and sorted(first) != sorted(group):
        findings.append("the reduced hash tree's first list holds digests that are not the group's")
    elif len(set(first)) != len(first) and strict and len(group) == 1:
        findings.append("the reduced hash tree's first list names a digest twice")
    digest = node(first, algorithm)
    for level in lists[1:]:
        digest = node((digest, *level), algorithm)
    return digest, findings


def _bound(digests: Sequence[bytes], sequence: bytes, algorithm: str) -> tuple[bytes, ...]:
    history = hashlib.new(algorithm, sequence).digest()
    return tuple(hashlib.new(algorithm, digest + history).digest() for digest in digests)


def _lists(group: Sequence[bytes], siblings: Sequence[PartialHashTree]) -> list[PartialHashTree]:
    if len(group) > 1:
        return [tuple(sorted(group)), *siblings]
    return [tuple(sorted((group[0], *siblings[0]))), *siblings[1:]] if siblings else []


def _archive_timestamp(algorithm: str, lists: Sequence[PartialHashTree], token: bytes) -> ArchiveTimeStamp:
    value: dict[str, object] = {
        "digest_algorithm": {"algorithm": algorithm},
        "time_stamp": cms.ContentInfo.load(token, strict=True),
    }
    if lists:
        value["reduced_hashtree"] = [list(level) for level in lists]
    return ArchiveTimeStamp(value)


def _encode(algorithms: Sequence[str], chains: Sequence[Sequence[ArchiveTimeStamp]]) -> bytes:
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": [{"algorithm": name} for name in algorithms],
            "archive_time_stamp_sequence": [list(chain) for chain in chains],
        }
    )
    encoded: bytes = record.dump()
    return encoded


def _rebuild(parsed: EvidenceRecord, chains: Sequence[Sequence[ArchiveTimeStamp]], added: str | None) -> bytes:
    algorithms = [item["algorithm"].native for item in parsed["digest_algorithms"]]
    if added is not None and added not in algorithms:
        algorithms.append(added)
    return _encode(algorithms, chains)


def _algorithm(archive_timestamp: ArchiveTimeStamp) -> str:
    """The digest algorithm: stated, or else the token's (RFC 4998 clause 4.1)."""
    stated = archive_timestamp["digest_algorithm"].native
    name = stated["algorithm"] if stated else _imprint_algorithm(archive_timestamp)
    if name not in _ALGORITHMS:
        raise EvidenceMalformed("an archive timestamp uses an unknown digest algorithm")
    return str(name)


def _imprint_algorithm(archive_timestamp: ArchiveTimeStamp) -> str:
    try:
        content = archive_timestamp["time_stamp"]["content"]["encap_content_info"]["content"].parsed
        return str(content["message_imprint"]["hash_algorithm"]["algorithm"].native)
    except Exception as error:
        raise EvidenceMalformed("an archive timestamp holds no timestamp token") from error


def _reduced(archive_timestamp: ArchiveTimeStamp) -> list[PartialHashTree]:
    lists = archive_timestamp["reduced_hashtree"].native or []
    if not all(lists):
        raise EvidenceMalformed("a reduced hash tree holds an empty list")
    return [tuple(level) for level in lists]
