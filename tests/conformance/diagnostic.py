"""Runs the core on EU DSS diagnostic data: ``diagnostic.py FOLDER`` writes one JSON line a file.

The diagnostic data hold every fact about a signature and none of its bytes. This adapter is a test's: the archive
itself reads documents.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conformance.diagnostic_facts import DiagnosticEvidence, every, text
from tests.conformance.diagnostic_model import record_of, signature_of, timestamp_of
from tests.conformance.diagnostic_trust import services_of
from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.model.clock import format_time
from zdda.signatures.model import Timestamp
from zdda.validation.indications import Conclusion
from zdda.validation.policy import ValidationPolicy
from zdda.validation.processes import Judged, JudgedSignature, judge
from zdda.validation.trust_level import qualify_signature, qualify_timestamp


def answer(path: Path, folder: Path) -> dict[str, Any]:
    """The verdicts on one file, in the form of the expectations."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.parse(path, parser).getroot()
    evidence = DiagnosticEvidence(root, ValidationPolicy(), AlgorithmCatalogue())
    elements = {str(item.get("Id")): item for item in every(root, "UsedTimestamps/Timestamp")}
    timestamps = {key: timestamp_of(item, evidence) for key, item in elements.items()}
    records = {
        str(item.get("Id")): record_of(item, timestamps) for item in every(root, "EvidenceRecords/EvidenceRecord")
    }
    inside = {stamp.identifier for record in records.values() for stamp in record.timestamps}
    free = [stamp for stamp in timestamps.values() if stamp.identifier not in inside]
    listed = every(root, "Signatures/Signature")
    signatures = [signature_of(item, evidence, timestamps) for item in listed]
    judged = judge(signatures, free, evidence, tuple(records.values()))
    passed = {item.record.identifier: item.passed for item in judged.records}
    return {
        "file": str(path.relative_to(folder)),
        "time": format_time(evidence.validation_time),
        "signatures": [
            {
                "id": item.get("Id"),
                "format": text(item, "SignatureFormat"),
                **_conclusion("basic", found.basic.conclusion),
                **_conclusion("with_time", found.with_time.process.conclusion),
                **_conclusion("archival", found.archival.conclusion),
                **_conclusion("final", found.conclusion),
                "best_time": format_time(found.archival.best_signature_time),
                "qualification": _signature(found, evidence, root),
            }
            for item, found in zip(listed, judged.signatures, strict=True)
        ],
        "timestamps": [
            {
                "id": key,
                "type": elements[key].get("Type"),
                **_conclusion("basic", judged.timestamps[stamp.identifier].basic.conclusion),
                **_conclusion("archival", judged.timestamps[stamp.identifier].conclusion),
                "time": text(elements[key], "ProductionTime"),
                "qualification": _timestamp(judged, stamp, evidence, root),
            }
            for key, stamp in timestamps.items()
        ],
        "evidence_records": [
            {"id": key, "indication": "PASSED" if passed.get(record.identifier) else "INDETERMINATE", "sub": None}
            for key, record in records.items()
        ],
    }


def _signature(found: JudgedSignature, evidence: DiagnosticEvidence, root: Any) -> str | None:
    signer = found.signature.signer
    if signer is None:
        return None
    services, declared = services_of(signer, evidence, root), evidence.declaration_of(signer)
    time = found.archival.best_signature_time
    return qualify_signature(found.conclusion.indication, declared, services, time).value


def _timestamp(judged: Judged, stamp: Timestamp, evidence: DiagnosticEvidence, root: Any) -> str | None:
    token = stamp.token
    signer = (
        None if token is None or token.signer_certificate is None else evidence.certificate(token.signer_certificate)
    )
    if token is None or signer is None:
        return None
    proven = judged.proofs.of(bytes.fromhex(stamp.identifier)).time
    return qualify_timestamp(services_of(signer, evidence, root), token.gen_time, proven).value


def _conclusion(level: str, conclusion: Conclusion) -> dict[str, str | None]:
    sub = conclusion.subindication
    return {level: conclusion.indication.value, f"{level}_sub": None if sub is None else sub.value}


def answers(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.xml")):
        yield answer(path, folder)


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: diagnostic.py FOLDER\n")
        return 2
    for line in answers(Path(sys.argv[1])):
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
