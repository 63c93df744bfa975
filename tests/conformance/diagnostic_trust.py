"""Trusted-list services and what certificates declare, from EU DSS diagnostic data."""

from __future__ import annotations

from tests.conformance.diagnostic_facts import NAMESPACE, DiagnosticEvidence, Element, every, find, moment, text, true
from zdda.signatures.certificates import Certificate
from zdda.validation.qualification import CertificateDeclaration, TrustService

_VERSIONS = {"5", "6"}


def declaration_of(certificate: Certificate, evidence: DiagnosticEvidence) -> CertificateDeclaration:
    element = evidence.elements[evidence.identifier(certificate)]
    statements = find(element, "CertificateExtensions/QcStatements")
    policies = every(element, "CertificateExtensions/CertificatePolicies/certificatePolicy")
    return CertificateDeclaration(
        certificate.not_before,
        statements is not None and _present(statements, "QcCompliance"),
        statements is not None and _present(statements, "QcSSCD"),
        frozenset(str(item.text) for item in every(statements, "QcTypes/QcType"))
        if statements is not None
        else frozenset(),
        frozenset(str(item.text) for item in policies),
    )


def _present(statements: Element, name: str) -> bool:
    found = find(statements, name)
    return found is not None and true(found.get("present"))


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
