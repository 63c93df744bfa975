"""Evidence records (RFC 4998): assembled from batches, renewed, and verified. Pure functions over bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from asn1crypto import cms, tsp

from zdda.crypto.algorithms import AlgorithmCatalogue, Reliability
from zdda.evidence.hash_tree import PartialHashTree, node
from zdda.evidence.structures import ArchiveTimeStamp, ArchiveTimeStampSequence, EvidenceRecord
from zdda.model.errors import InvalidInput

_ALGORITHMS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "sha1", "sha224"})
_TST_INFO = tsp.TSTInfo  # asn1crypto's registries grow on import: without tsp a token's content would not be parsed
_MAX_RECORD = 16 * 1024 * 1024
_MAX_TIMESTAMPS = 1024


class EvidenceMalformed(InvalidInput):
    """The bytes are no evidence record after RFC 4998."""

    code = "evidence-malformed"


class TokenStatus(StrEnum):
    """What is known of a timestamp token. UNPROVEN: nothing is wrong with it, but what is at hand does not show that
    it was good when it had to be (its certificate expired unrenewed, its revocation status is unknown)."""

    TRUSTED = "trusted"
    NO_ANCHORS = "no-anchors"
    UNPROVEN = "unproven"
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
class TimestampVerdict:
    """One archive timestamp, numbered from 0 within its chain: what its token must stamp, and how that went.

    ``imprint`` is the root that its reduced hash tree leads to, by ``digest_algorithm`` (``hashlib``'s name).
    """

    chain: int
    number: int
    digest_algorithm: str
    imprint: bytes
    status: TokenStatus
    gen_time: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class EvidenceVerdict:
    """What an evidence record proves. ``proven_at`` is the time of its first archive timestamp, None unless proven.

    ``findings`` say what is wrong, or, where nothing is, what is lacking; empty if proven.
    """

    status: EvidenceStatus
    proven_at: datetime | None
    findings: tuple[str, ...]
    timestamps: tuple[TimestampVerdict, ...]

    def __bool__(self) -> bool:
        raise TypeError("ask for .status: NOT_PROVABLE is neither true nor false")


def assemble(
    group: Sequence[bytes], siblings: Sequence[PartialHashTree], token: bytes, algorithm: str = "sha256"
) -> bytes:
    """The DER of a record with one archive timestamp: the group's digests, the way to the root, the token.

    The same values give the same bytes. Raises ``ValueError`` for an empty group or a token that is no ContentInfo.
    """
    if not group:
        raise ValueError("a data object group has at least one object")
    return _encode([algorithm], [[_archive_timestamp(algorithm, _lists(group, siblings), token)]])


def renew_timestamp(record: bytes, token: bytes, siblings: Sequence[PartialHashTree] = ()) -> bytes:
    """Adds an archive timestamp to the last chain (RFC 4998 clause 5.2, Timestamp Renewal).

    The token stamps the root that ``siblings`` lead to from ``timestamp_renewal_imprint(record)``: one renewal may
    cover very many records. Its digest algorithm is the chain's.
    """
    parsed = parse(record)
    chains = [list(chain) for chain in parsed["archive_time_stamp_sequence"]]
    algorithm = _algorithm(chains[-1][0])
    leaf = (timestamp_renewal_imprint(record),)
    chains[-1].append(_archive_timestamp(algorithm, _lists(leaf, siblings), token))
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
                _algorithm(archive_timestamp)
                _imprint_algorithm(archive_timestamp)
                archive_timestamp["attributes"].native  # noqa: B018 - parses now, not later
        for field in ("digest_algorithms", "crypto_infos", "encryption_info"):
            parsed[field].native  # noqa: B018
    except EvidenceMalformed:
        raise
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:
        raise EvidenceMalformed("the bytes are no evidence record") from error
    assert isinstance(parsed, EvidenceRecord)
    return parsed


def verify(
    record: bytes,
    digests: Mapping[str, Sequence[bytes]],
    check_token: TokenChecker,
    at: datetime | None = None,
    algorithms: AlgorithmCatalogue = AlgorithmCatalogue(),  # noqa: B008 - immutable
) -> EvidenceVerdict:
    """Verifies a record over one data object group (RFC 4998 clauses 4.3 and 5.3).

    ``digests`` gives the digest of every object of the group under each algorithm that the record uses. Every
    object must be in the record's first list, and nothing else may be. ``at`` is the moment the question is asked
    of, against which the last chain's digest algorithm is judged by ``algorithms``; without it, the time of the last
    archive timestamp. Raises ``EvidenceMalformed``.
    """
    parsed = parse(record)
    sequence = parsed["archive_time_stamp_sequence"]
    links = _links(sequence, digests)
    broken = [finding for link in links for finding in link.broken] + _undeclared(parsed, links)
    lacking = [finding for link in links for finding in link.lacking]
    if parsed["encryption_info"].native is not None:
        lacking.append("the record says that the objects were encrypted: that is not judged here")
    verdicts: list[TimestampVerdict] = []
    following: datetime | None = None
    # RFC 4998 clause 5.3: each must have been good when the next was made, the last one now
    for link in reversed(links):
        check = check_token(link.token, link.imprint, following)
        verdicts.insert(0, TimestampVerdict(link.chain, link.number, link.algorithm, link.imprint, *_parts(check)))
        if check.gen_time is not None and following is not None and check.gen_time > following:
            broken.append("archive timestamps are not in the order of time")
        following = check.gen_time or following
    lacking += _weak(verdicts, at, algorithms)
    for verdict in verdicts:
        if verdict.status in (TokenStatus.BROKEN, TokenStatus.UNTRUSTED):
            broken.append(verdict.message)
        elif verdict.status is not TokenStatus.TRUSTED:
            lacking.append(verdict.message)
    if broken:
        return EvidenceVerdict(EvidenceStatus.BROKEN, None, tuple(dict.fromkeys(broken)), tuple(verdicts))
    if lacking:
        return EvidenceVerdict(EvidenceStatus.NOT_PROVABLE, None, tuple(dict.fromkeys(lacking)), tuple(verdicts))
    return EvidenceVerdict(EvidenceStatus.PROVEN, verdicts[0].gen_time, (), tuple(verdicts))


@dataclass(frozen=True, slots=True)
class _Link:
    """One archive timestamp on its way: what its token must stamp, what is wrong with it, what is lacking."""

    chain: int
    number: int
    algorithm: str
    imprint: bytes
    token: bytes
    broken: tuple[str, ...]
    lacking: tuple[str, ...]


def _links(sequence: ArchiveTimeStampSequence, digests: Mapping[str, Sequence[bytes]]) -> list[_Link]:
    """Every archive timestamp in order, with the imprint that RFC 4998 clause 5.3 demands of its token."""
    links: list[_Link] = []
    for number, chain in enumerate(sequence):
        algorithm = _algorithm(chain[0])
        objects = tuple(digests.get(algorithm, ()))
        if objects and number:
            before = ArchiveTimeStampSequence(list(sequence)[:number])
            objects = _bound(objects, before.dump(), algorithm)
        for place, archive_timestamp in enumerate(chain):
            broken, lacking = [], []
            if _algorithm(archive_timestamp) != algorithm:
                broken.append("a chain changes its digest algorithm (RFC 4998 clause 5.2)")
            if _imprint_algorithm(archive_timestamp) != algorithm:
                broken.append("a timestamp is not under the digest algorithm of its hash tree (RFC 4998 clause 4.3)")
            wanted = objects
            if place:
                wanted = (hashlib.new(algorithm, chain[place - 1]["time_stamp"].dump()).digest(),)
            lists = _reduced(archive_timestamp)
            if wanted:
                imprint, wrong = _lead(wanted, lists, algorithm)
                broken += wrong
            else:
                imprint = _root(lists, algorithm) if lists else b""
                lacking.append(f"the objects' digests under {algorithm} are not known")
            token = archive_timestamp["time_stamp"].dump()
            links.append(_Link(number, place, algorithm, imprint, token, tuple(broken), tuple(lacking)))
    return links


def _undeclared(parsed: EvidenceRecord, links: Sequence[_Link]) -> list[str]:
    """RFC 4998 clause 3.1: digestAlgorithms lists all that the record uses."""
    declared = {item["algorithm"].native for item in parsed["digest_algorithms"]}
    missing = sorted({link.algorithm for link in links} - declared)
    return [f"the record does not declare its digest algorithm {name}" for name in missing]


def _weak(verdicts: Sequence[TimestampVerdict], at: datetime | None, catalogue: AlgorithmCatalogue) -> list[str]:
    """RFC 4998 clause 5.3: a chain's digest algorithm was secure at the time of the next chain's first archive
    timestamp; the last chain's is at the time of the question."""
    starts = [verdict for verdict in verdicts if not verdict.number]
    found = []
    for index, start in enumerate(starts):
        moment = starts[index + 1].gen_time if index + 1 < len(starts) else at or verdicts[-1].gen_time
        verdict = catalogue.digest_at(start.digest_algorithm, moment) if moment else None
        if verdict and verdict.reliability not in (Reliability.RELIABLE, Reliability.EXPIRED_AFTER_REVIEW):
            found.append(f"{start.digest_algorithm} was no longer secure when it had to be")
    return found


def _parts(check: TokenCheck) -> tuple[TokenStatus, datetime | None, str]:
    return check.status, check.gen_time, check.message


def _lead(group: Sequence[bytes], lists: Sequence[PartialHashTree], algorithm: str) -> tuple[bytes, list[str]]:
    """Walks one reduced tree (RFC 4998 clause 4.3): the root, and what is wrong.

    Where the group has several objects the first list is the group's own (clause 4.2): every one of them and
    nothing else, each as often as it occurs.
    """
    if not lists:
        if len(group) != 1:
            return b"", ["a group of several objects needs a reduced hash tree"]
        return group[0], []
    findings = []
    if not set(group) <= set(lists[0]):
        findings.append("an object's digest is not in the reduced hash tree")
    elif len(group) > 1 and sorted(lists[0]) != sorted(group):
        findings.append("the reduced hash tree's first list holds digests that are not the group's")
    return _root(lists, algorithm), findings


def _root(lists: Sequence[PartialHashTree], algorithm: str) -> bytes:
    digest = node(lists[0], algorithm)
    for level in lists[1:]:
        digest = node((digest, *level), algorithm)
    return digest


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


def _encode(
    algorithms: Sequence[str], chains: Sequence[Sequence[ArchiveTimeStamp]], kept: Mapping[str, object] | None = None
) -> bytes:
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": [{"algorithm": name} for name in algorithms],
            **(kept or {}),
            "archive_time_stamp_sequence": [list(chain) for chain in chains],
        }
    )
    encoded: bytes = record.dump()
    return encoded


def _rebuild(parsed: EvidenceRecord, chains: Sequence[Sequence[ArchiveTimeStamp]], added: str | None) -> bytes:
    algorithms = [item["algorithm"].native for item in parsed["digest_algorithms"]]
    if added is not None and added not in algorithms:
        algorithms.append(added)
    kept = {name: parsed[name] for name in ("crypto_infos", "encryption_info") if parsed[name].native is not None}
    return _encode(algorithms, chains, kept)


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
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:
        raise EvidenceMalformed("an archive timestamp holds no timestamp token") from error


def _reduced(archive_timestamp: ArchiveTimeStamp) -> list[PartialHashTree]:
    lists = archive_timestamp["reduced_hashtree"].native or []
    if not all(lists):
        raise EvidenceMalformed("a reduced hash tree holds an empty list")
    return [tuple(level) for level in lists]
