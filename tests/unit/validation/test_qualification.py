"""Qualification of certificates, signatures and timestamps over trusted-list facts (ETSI TS 119 615)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.validation.facts_laboratory import day
from zdda.validation.indications import Indication
from zdda.validation.qualification import (
    CA_QC,
    EIDAS,
    QTST,
    CertificateDeclaration,
    CertificateUse,
    TrustService,
    certificate_at,
)
from zdda.validation.trust_level import (
    SignatureQualification,
    TimestampQualification,
    TrustLevel,
    qualify_signature,
    qualify_timestamp,
    reaches,
)

STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
ESIGN, ESEAL, WEB = "0.4.0.1862.1.6.1", "0.4.0.1862.1.6.2", "0.4.0.1862.1.6.3"
ISSUED, SIGNED = day(2020), day(2021)
QUALIFIED = CertificateDeclaration(ISSUED, True, True, frozenset({ESIGN}))
SERVICE = TrustService(
    CA_QC, f"{STATUS}granted", EIDAS, additional=frozenset({"ForeSignatures", "ForeSeals", "ForWebSiteAuthentication"})
)
OLD = TrustService(CA_QC, f"{STATUS}accredited", day(2010), EIDAS)


def signature(
    declared: CertificateDeclaration = QUALIFIED,
    *services: TrustService,
    indication: Indication = Indication.TOTAL_PASSED,
) -> str:
    return qualify_signature(indication, declared, services or (SERVICE,), SIGNED).value


def qualifiers(*names: str) -> TrustService:
    return replace(SERVICE, qualifiers=frozenset(names))


def test_what_the_certificate_declares_under_a_granted_service() -> None:
    assert signature() == "QESIG"
    assert signature(replace(QUALIFIED, secure_device=False)) == "ADESIG_QC"
    assert signature(replace(QUALIFIED, compliance=False)) == "ADESIG"
    assert signature(replace(QUALIFIED, types=frozenset({ESEAL}))) == "QESEAL"
    assert signature(replace(QUALIFIED, types=frozenset({WEB}))) == "NOT_ADES"
    assert signature(replace(QUALIFIED, types=frozenset())) == "QESIG"
    assert signature(replace(QUALIFIED, types=frozenset({ESIGN, ESEAL}))) == "UNKNOWN_QC_QSCD"
    assert signature(CertificateDeclaration(ISSUED)) == "UNKNOWN"


def test_the_verdict_goes_before_the_quality() -> None:
    assert signature(indication=Indication.INDETERMINATE) == "INDETERMINATE_QESIG"
    assert signature(indication=Indication.TOTAL_FAILED) == "NOT_ADES_QC_QSCD"
    assert qualify_signature(Indication.TOTAL_PASSED, QUALIFIED, (), SIGNED) is SignatureQualification.NA


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("NotQualified",), "ADESIG"),
        (("NotQualified", "QCStatement"), "ADESIG"),
        (("QCNoQSCD",), "ADESIG_QC"),
        (("QCNoSSCD",), "ADESIG_QC"),
        (("QCNoQSCD", "QCWithQSCD"), "ADESIG_QC"),
        (("QCQSCDStatusAsInCert",), "QESIG"),
        (("QCForESeal",), "QESEAL"),
        (("QCForESeal", "QCForESig"), "UNKNOWN_QC_QSCD"),
    ],
)
def test_the_list_overrules_the_certificate(names: tuple[str, ...], expected: str) -> None:
    assert signature(QUALIFIED, qualifiers(*names)) == expected


def test_the_list_may_add_what_the_certificate_does_not_say() -> None:
    plain = CertificateDeclaration(ISSUED, types=frozenset({ESIGN}))
    assert signature(plain, qualifiers("QCStatement", "QCWithQSCD")) == "QESIG"
    assert signature(plain, qualifiers("QCStatement", "QCQSCDManagedOnBehalf")) == "QESIG"
    assert signature(plain, qualifiers("QCStatement", "QCWithSSCD")) == "ADESIG_QC"  # words of before eIDAS
    assert signature(plain, qualifiers("QCWithQSCD")) == "ADESIG"  # no device makes it qualified


def test_it_must_be_qualified_when_issued_and_when_signed() -> None:
    granted_later = replace(SERVICE, start=ISSUED + timedelta(days=1))
    withdrawn = replace(SERVICE, end=ISSUED + timedelta(days=1))
    assert signature(QUALIFIED, granted_later) == "ADESIG"
    assert signature(QUALIFIED, withdrawn) == "ADESIG"
    assert signature(QUALIFIED, withdrawn, granted_later) == "QESIG"
    assert signature(QUALIFIED, replace(SERVICE, status=f"{STATUS}withdrawn")) == "ADESIG"
    changed = (replace(withdrawn, qualifiers=frozenset({"QCNoQSCD"})), granted_later)
    assert signature(QUALIFIED, *changed) == "QESIG"  # the device counts when it signs
    other_use = (withdrawn, replace(granted_later, qualifiers=frozenset({"QCForESeal"})))
    assert signature(QUALIFIED, *other_use) == "UNKNOWN_QC_QSCD"


def test_services_that_do_not_count() -> None:
    assert signature(QUALIFIED, replace(SERVICE, type="http://uri.etsi.org/TrstSvc/Svctype/CA/PKC")) == "ADESIG"
    assert signature(QUALIFIED, replace(SERVICE, in_union=False)) == "ADESIG"
    assert signature(QUALIFIED, replace(SERVICE, third_country=True)) == "ADESIG"
    assert signature(QUALIFIED, replace(SERVICE, third_country=True, recognised=True)) == "QESIG"
    assert signature(QUALIFIED, replace(SERVICE, additional=frozenset({"ForeSeals"}))) == "ADESIG"


def test_services_that_contradict_each_other_give_the_lesser() -> None:
    assert signature(QUALIFIED, SERVICE, qualifiers("NotQualified")) == "ADESIG"
    assert signature(QUALIFIED, SERVICE, qualifiers("QCNoQSCD")) == "ADESIG_QC"
    assert signature(QUALIFIED, SERVICE, qualifiers("QCForESeal")) == "UNKNOWN_QC_QSCD"
    assert signature(QUALIFIED, SERVICE, SERVICE) == "QESIG"


def test_certificates_of_before_eidas_declare_by_their_policy() -> None:
    plus, plain = "0.4.0.1456.1.1", "0.4.0.1456.1.2"
    old = CertificateDeclaration(day(2014), policies=frozenset({plus}))
    at = day(2015)
    assert certificate_at(old, (OLD,), at).secure_device
    assert certificate_at(replace(old, policies=frozenset({plain})), (OLD,), at).qualified
    assert not certificate_at(replace(old, policies=frozenset({plain})), (OLD,), at).secure_device
    assert not certificate_at(replace(old, issued_at=ISSUED), (SERVICE,), SIGNED).qualified
    assert certificate_at(old, (OLD, SERVICE), SIGNED).qualified
    assert certificate_at(old, (replace(OLD, status=f"{STATUS}granted"),), at).use is CertificateUse.SIGNATURE
    assert not certificate_at(old, (replace(OLD, status=f"{STATUS}accreditationceased"),), at).qualified
    assert certificate_at(old, (replace(OLD, qualifiers=frozenset({"QCNoSSCD"})),), at).qualified


def test_a_timestamp_is_qualified_when_made_and_when_proven() -> None:
    service = TrustService(QTST, f"{STATUS}granted", EIDAS, day(2022))
    assert qualify_timestamp((service,), day(2020), day(2021)) is TimestampQualification.QTSA
    assert qualify_timestamp((service,), day(2020), day(2022)) is TimestampQualification.TSA
    assert qualify_timestamp((SERVICE,), day(2020)) is TimestampQualification.TSA
    assert qualify_timestamp((), day(2020)) is TimestampQualification.NA
    assert qualify_timestamp((service,)) is TimestampQualification.TSA


def test_recognised_after_the_czech_act_is_a_level_of_its_own() -> None:
    levels = {item: item.level for item in SignatureQualification}
    recognised = {item.value for item, level in levels.items() if reaches(level, TrustLevel.RECOGNISED)}
    assert recognised == {"QESIG", "QESEAL", "ADESIG_QC", "ADESEAL_QC"}
    qualified = {item.value for item, level in levels.items() if reaches(level, TrustLevel.QUALIFIED)}
    assert qualified == {"QESIG", "QESEAL"}
    failed = [item for item in levels if item.value.startswith(("INDETERMINATE", "NOT_", "NA"))]
    assert all(levels[item] is TrustLevel.NONE for item in failed)
    assert TimestampQualification.QTSA.level is TrustLevel.QUALIFIED
    assert TimestampQualification.TSA.level is TrustLevel.NONE
