"""Validation with archival data (EN 319 102-1 clause 5.6).

Past signature validation (5.6.2.4) is not made in this version: the result with time stands, and the record says
so. What it will need is at hand here already: the proofs of existence and every failure that it might cure.
"""

from __future__ import annotations

from zdda.validation.constraints import Block, Checks
from zdda.validation.with_time import WithTime

CLAUSE = "EN 319 102-1 5.6.3"


def validate_archival(with_time: WithTime) -> Block:
    """Never better than the result with time, since nothing more is looked at."""
    checks = Checks("validation-with-archival-data", CLAUSE)
    checks.note("archival-validation-not-needed", with_time.process.conclusion.indication.value)
    return checks.block(with_time.process.conclusion)
