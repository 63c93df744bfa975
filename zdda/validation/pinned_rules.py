"""The rules that reports pin by digest: policies and algorithm catalogues, kept as canonical JSON beside reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zdda.crypto.algorithm_document import read_canonical
from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.validation.policy import ValidationPolicy
from zdda.validation.policy_document import read_canonical_policy

PINS = ("policy", "algorithmCatalogue")
"""Members of a report that name rules by ``sha256``."""

_SHIPPED = (ValidationPolicy(), AlgorithmCatalogue())


def pinned(reports: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Those of this release's own rules that some report pins, by which they can be repeated when they have changed."""
    digests = {_pin(report, name) for report in reports for name in PINS}
    return [rules.canonical for rules in _SHIPPED if rules.digest in digests]


def of_this_release(policy: ValidationPolicy, catalogue: AlgorithmCatalogue) -> bool:
    return (policy.digest, catalogue.digest) == tuple(rules.digest for rules in _SHIPPED)


def rules_of(
    report: Mapping[str, Any], kept: Callable[[str], bytes | None]
) -> tuple[ValidationPolicy, AlgorithmCatalogue]:
    """The policy and the catalogue that a report pins, each from ``kept`` (by the digest in hexadecimal) or, where it
    is not there, this release's own, which may be another. Raises ``PolicyError``, ``CatalogueError``, and
    ``ValueError`` for a report that pins none, or bytes that are not those of the pin."""
    policy, catalogue = (_kept(report, name, kept) for name in PINS)
    return (
        _SHIPPED[0] if policy is None else read_canonical_policy(policy),
        _SHIPPED[1] if catalogue is None else read_canonical(catalogue),
    )


def _kept(report: Mapping[str, Any], name: str, kept: Callable[[str], bytes | None]) -> bytes | None:
    pin = _pin(report, name)
    if pin is None:
        raise ValueError("the report pins no rules")
    data = kept(pin)
    if data is not None and hashlib.sha256(data).hexdigest() != pin:
        raise ValueError("the rules are not those that the report pins")
    return data


def _pin(report: Mapping[str, Any], name: str) -> str | None:
    rules = report.get(name)
    value = rules.get("sha256") if isinstance(rules, Mapping) else None
    return value if isinstance(value, str) and len(value) == 64 else None
