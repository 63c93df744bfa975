"""Trusted-list services from EU DSS diagnostic data."""

from __future__ import annotations

from tests.conformance.diagnostic_facts import NAMESPACE, DiagnosticEvidence, Element, every, moment, text
from zdda.signatures.certificates import Certificate
from zdda.validation.qualification import TrustService

_VERSIONS = {"5", "6"}


def services_of(certificate: Certificate, evidence: DiagnosticEvidence, root: Element) -> tuple[TrustService, ...]:
    element = evidence.elements[evidence.identifier(certificate)]
    lists = {str(item.get("Id")): item for item in every(root, "TrustedLists/TrustedList")}
    found = []
    for provider in every(element, "TrustServiceProviders/TrustServiceProvider"):
        trusted_list = lists.get(str(provider.get("TL")))
        version = None if trusted_list is None else text(trusted_list, "Version")
        for item in every(provider, "TrustServices/TrustService"):
            start = moment(text(item, "StartDate"))
            assert start is not None
            found.append(
                TrustService(
                    text(item, "ServiceType") or "",
                    text(item, "Status") or "",
                    start,
                    moment(text(item, "EndDate")),
                    _last(item, "Qualifier"),
                    _last(item, "AdditionalServiceInfoUri"),
                    in_union=provider.get("LOTL") is not None and version in _VERSIONS,
                    third_country=trusted_list is not None and trusted_list.get("mra") == "true",
                    recognised=item.get("enactedMRA") == "true",
                )
            )
    return tuple(found)


def _last(item: Element, name: str) -> frozenset[str]:
    return frozenset(str(part.text).strip().rsplit("/", 1)[-1] for part in item.iter(NAMESPACE + name))
