"""What a fuzzed input must not break, and what all targets share: the world they judge in, made once.

Two promises: whatever the bytes, there is an answer and no internal error, and every form of the report can be
written; and nothing passes, or is believed, that is not word for word what was signed.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from tests.unit.signatures.test_cades import CONTENT
from tests.unit.validation.laboratory import NOW, world
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.etsi_report import etsi_report
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.simple_report import simple_report
from zdda.validation.summary import summary_html, summary_text
from zdda.validation.validate import validate_document

__all__ = ["CONTENT", "Mutate", "Target", "Violation", "judged", "passes"]

# Forms of the report are made for one input in so many: they cost as much as the validation.
_WRITTEN_OF = 32
Mutate = Callable[[bytes, int], bytes]
"""libFuzzer's own change of some bytes, to at most so many."""


class Violation(AssertionError):
    """A promise is broken; the bytes that did it are the fuzzer's last input."""


@dataclass(frozen=True)
class Target:
    """``seeds``: well-made inputs to begin from. ``mutate``: from an input, the most bytes there may be, a seed of
    chance and libFuzzer's own mutator to another input."""

    run: Callable[[bytes], None]
    seeds: Callable[[], tuple[bytes, ...]]
    mutate: Callable[[bytes, int, int, Mutate], bytes] | None = None


@cache
def _trust() -> tuple[TrustAnchors, RevocationData]:
    lab = world()
    return TrustAnchors((lab.root.der,)), RevocationData(lab.crls())


def judged(data: bytes, detached: Iterable[bytes] = ()) -> ValidationReport:
    """The report on a document; raises ``Violation`` for an internal error, and where a form of it cannot be made."""
    anchors, revocation = _trust()
    report = validate_document(
        io.BytesIO(data), anchors, at=NOW, detached=[io.BytesIO(each) for each in detached], revocation=revocation
    )
    reason = report.content["notValidated"]
    if reason is not None and reason["code"] == "internal-error":
        raise Violation(f"internal error {reason['detail']}")
    if (report.worst() is Indication.TOTAL_PASSED) > passes(report):
        raise Violation("passed without a signature that passes")
    if zlib.crc32(data) % _WRITTEN_OF == 0:
        _write(report)
    return report


def passes(report: ValidationReport) -> bool:
    """Whether any signature does."""
    return any(each["indication"] == "TOTAL_PASSED" for each in report.content["signatures"])


def _write(report: ValidationReport) -> None:
    values = {datum.sha256: datum.data for datum in report.validation_data}
    try:
        etsi_report(report.content, values)
        simple = simple_report(report.content, values)
        summary_text(simple, "cs")
        summary_html(simple, "en")
        json.dumps(report.content).encode("ascii")
    except Exception as error:
        raise Violation(f"a report cannot be written: {type(error).__name__}") from error
