"""New validation reports for packages of the simulated archive, whose documents nobody opens."""

from __future__ import annotations

import hashlib
from typing import Any

from zdda.model.canonical_json import canonical_json
from zdda.packaging.renewed_validation import RenewedValidation, ValidatedDocument


def renewed(verdict: str = "TOTAL_PASSED", name: str = "simulated") -> RenewedValidation:
    """A report on document 1 by a policy of this name."""
    policy: dict[str, Any] = {"name": name}
    catalogue: dict[str, Any] = {"version": "simulated"}
    report = {
        "format": "zdda-simulated-report/1",
        "policy": {"sha256": hashlib.sha256(canonical_json(policy)).hexdigest()},
        "algorithmCatalogue": {"sha256": hashlib.sha256(canonical_json(catalogue)).hexdigest()},
    }
    return RenewedValidation((ValidatedDocument(1, verdict, report),), policy, catalogue)
