"""All processes over one document (EN 319 102-1 clauses 5.3 to 5.6), always in full: basic, with time, archival.

Facts in, conclusions out: no clock, no I/O, no bytes. Every timestamp is judged at present first (clause 5.4), then
from the latest back with the proofs of the later ones; then every signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from zdda.model.proof_of_existence import ProofsOfExistence
from zdda.signatures.model import Signature, Timestamp, TimestampType
from zdda.validation.archival import Archival, validate_archival, validate_archival_timestamp
from zdda.validation.basic import Basic, validate_basic_signature, validate_timestamp
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import Conclusion, Indication, total
from zdda.validation.proofs import EvidenceRecordFact, proofs_of_record, proofs_of_timestamp
from zdda.validation.with_time import WithTime, validate_with_time


@dataclass(frozen=True, slots=True, eq=False)
class JudgedTimestamp:
    """``basic``: at the validation time alone. ``archival``: the final word, with what later timestamps prove."""

    timestamp: Timestamp
    basic: Basic
    archival: Archival

    @property
    def conclusion(self) -> Conclusion:
        return self.archival.conclusion


@dataclass(frozen=True, slots=True, eq=False)
class JudgedSignature:
    signature: Signature
    basic: Basic
    with_time: WithTime
    archival: Archival

    @property
    def conclusion(self) -> Conclusion:
        """The signature's, in the words of clause 5.1.3 table 4."""
        return total(self.archival.conclusion)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRecord:
    """``conclusion``: PASSED where the record is intact and each of its timestamps passed."""

    record: EvidenceRecordFact
    passed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """``timestamps`` by identifier: a token that stands in several places is judged in each."""

    signatures: tuple[JudgedSignature, ...]
    timestamps: Mapping[str, JudgedTimestamp]
    records: tuple[JudgedRecord, ...]
    proofs: ProofsOfExistence


def judge(
    signatures: Sequence[Signature],
    timestamps: Iterable[Timestamp],
    evidence: Evidence,
    records: Sequence[EvidenceRecordFact] = (),
) -> Judged:
    """``timestamps``: all of them, those inside signatures too; not those inside ``records``."""
    basics: dict[str, tuple[Timestamp, Basic]] = {}
    for timestamp in (*timestamps, *(item for record in records for item in record.timestamps)):
        if timestamp.identifier not in basics:
            basics[timestamp.identifier] = (timestamp, validate_timestamp(timestamp, evidence))
    inside = {item.identifier: record for record in records for item in record.timestamps}
    proofs = ProofsOfExistence(evidence.validation_time)
    judged: dict[str, JudgedTimestamp] = {}
    done: list[JudgedRecord] = []
    for timestamp, basic in sorted(basics.values(), key=_latest_first):
        archival = validate_archival_timestamp(timestamp, basic, evidence, proofs)
        judged[timestamp.identifier] = JudgedTimestamp(timestamp, basic, archival)
        passed = archival.conclusion.indication is Indication.PASSED
        record = inside.get(timestamp.identifier)
        if record is None:
            if passed:
                proofs = proofs_of_timestamp(timestamp, proofs)
            continue
        if passed and record.intact:
            proofs = proofs_of_timestamp(timestamp, proofs)
        if timestamp is record.timestamps[0]:
            # The first one is the earliest: all the others are judged already.
            whole = record.intact and all(
                item.identifier in judged and judged[item.identifier].conclusion.indication is Indication.PASSED
                for item in record.timestamps
            )
            done.append(JudgedRecord(record, whole))
            if whole:
                proofs = proofs_of_record(record, proofs)
    done += [JudgedRecord(record, False) for record in records if not record.timestamps]
    covering = _covering(signatures, basics.values())
    found = []
    for signature in signatures:
        content = [
            (timestamp, basics[timestamp.identifier][1].conclusion)
            for timestamp in signature.timestamps
            if timestamp.type is TimestampType.CONTENT and timestamp.identifier in basics
        ]
        basic = validate_basic_signature(signature, evidence, content)
        with_time = validate_with_time(signature, basic, covering.get(signature.identifier, ()), evidence, content)
        found.append(
            JudgedSignature(
                signature, basic, with_time, validate_archival(signature, basic, with_time, evidence, proofs)
            )
        )
    return Judged(tuple(found), judged, tuple(done), proofs)


def _covering(
    signatures: Iterable[Signature], basics: Iterable[tuple[Timestamp, Basic]]
) -> dict[str, list[tuple[Timestamp, Conclusion]]]:
    """For each signature the timestamps that cover it: found once, however many there are of both."""
    found: dict[str, list[tuple[Timestamp, Conclusion]]] = {item.identifier: [] for item in signatures}
    names = {bytes.fromhex(identifier): identifier for identifier in found}
    for timestamp, basic in basics:
        for name in names.keys() & set(timestamp.covers):
            found[names[name]].append((timestamp, basic.conclusion))
    return found


def _latest_first(item: tuple[Timestamp, Basic]) -> tuple[bool, float, int]:
    """Of the same second, the one over more goes first: it may cover the other. Unreadable ones last."""
    timestamp = item[0]
    time: datetime | None = timestamp.token.gen_time if timestamp.token is not None else None
    return (time is None, -time.timestamp() if time is not None else 0.0, -len(timestamp.covers))
