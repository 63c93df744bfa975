"""The XML report from the detailed one: nothing invented, nothing executable, golden bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.unit.validation.test_report_golden import report
from zdda.model.canonical_json import parse_json
from zdda.validation.etsi_objects import embedded
from zdda.validation.etsi_report import etsi_report

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "validation"
VR = "{http://uri.etsi.org/19102/v1.4.1#}"
DIGEST = "ab" * 32


def data_of(name: str) -> dict[str, bytes]:
    return {datum.sha256: datum.data for datum in report(name).validation_data}


def tree_of(content: Any, data: dict[str, bytes] | None = None, document: str | None = None) -> Any:
    return etree.fromstring(etsi_report(content, data or {}, document))


def signed() -> dict[str, Any]:
    """The sealed form of a report, to be changed at will."""
    value: dict[str, Any] = parse_json((GOLDEN / "report-v1-signed-with-timestamp.json").read_bytes())
    return value


def test_the_report_is_byte_for_byte_what_it_was() -> None:
    made = etsi_report(report("signed-with-timestamp").as_json(), data_of("signed-with-timestamp"), DIGEST)
    assert made == (GOLDEN / "etsi-v1-signed-with-timestamp.xml").read_bytes()


def test_verdict_time_signer_and_chain_are_those_of_the_detailed_report() -> None:
    content, data = signed(), data_of("signed-with-timestamp")
    (one,) = content["signatures"]
    found = tree_of(content, data, DIGEST).find(f"{VR}SignatureValidationReport")
    assert found.findtext(f"{VR}SignatureIdentifier/{VR}DAIdentifier") == one["identifier"]
    status = found.find(f"{VR}SignatureValidationStatus")
    assert status.findtext(f"{VR}MainIndication") == "urn:etsi:019102:mainindication:total-passed"
    assert status.find(f"{VR}SubIndication") is None
    best = found.find(f"{VR}ValidationTimeInfo/{VR}BestSignatureTime")
    assert best.findtext(f"{VR}POETime") == one["bestSignatureTime"]
    assert best.find(f"{VR}POEObject").get("VOReference") == "T-1"
    chain = status.find(f"{VR}AssociatedValidationReportData/{VR}CertificateChain")
    assert [each.get("VOReference") for each in chain] == [f"C-{each}" for each in one["certificatePath"]]
    assert chain[-1].tag == f"{VR}TrustAnchor"
    assert "CN=" in found.findtext(f"{VR}SignerInformation/{VR}Signer")
    process = found.find(f"{VR}SignatureValidationProcess")
    assert process.findtext(f"{VR}SignatureValidationProcessID") == "urn:etsi:019102:validationprocess:LTA"
    pins = etree.tostring(process).decode()
    assert all(pin in pins for pin in (content["engine"], content["policy"]["sha256"], *content["trustAnchors"]))


def test_every_constraint_is_there_with_its_outcome() -> None:
    content = parse_json((GOLDEN / "report-v1-damaged.json").read_bytes())
    (one,) = content["signatures"]
    blocks = [*one["buildingBlocks"], *one["processes"]]
    records = [(block, record) for block in blocks for record in block["constraints"]]
    found = tree_of(content).findall(
        f"{VR}SignatureValidationReport/{VR}ValidationConstraintsEvaluationReport/{VR}ValidationConstraint"
    )
    assert len(found) == len(records)
    for element, (block, record) in zip(found, records, strict=True):
        identifier = element.findtext(f"{VR}ValidationConstraintIdentifier")
        assert identifier == f"urn:zdda:constraint:{block['name']}:{record['id']}"
        main = element.findtext(f"{VR}ValidationStatus/{VR}MainIndication")
        disabled = record["status"] == "ignored"
        assert element.findtext(f"{VR}ConstraintStatus/{VR}Status").endswith("disabled" if disabled else "applied")
        assert (main is None) == disabled
        assert disabled or main.endswith(":passed") == (record["status"] != "not-ok")


def test_a_constraint_that_the_policy_ignores_is_disabled_and_has_no_outcome() -> None:
    content = signed()
    content["signatures"][0]["buildingBlocks"][0]["constraints"][0]["status"] = "ignored"
    first = tree_of(content).find(f".//{VR}ValidationConstraint")
    assert first.findtext(f"{VR}ConstraintStatus/{VR}Status") == "urn:etsi:019102:constraintStatus:disabled"
    assert first.find(f"{VR}ValidationStatus") is None


def test_a_constraint_that_failed_is_never_passed_whatever_its_block_says() -> None:
    content = signed()
    block = content["signatures"][0]["buildingBlocks"][0]
    block["constraints"][0]["status"] = "not-ok"
    assert block["indication"] == "PASSED"
    main = tree_of(content).findtext(f".//{VR}ValidationConstraint/{VR}ValidationStatus/{VR}MainIndication")
    assert main == "urn:etsi:019102:mainindication:indeterminate"


@pytest.mark.parametrize(
    ("name", "main", "sub"),
    [
        ("unsigned", "urn:zdda:mainindication:no-signature", None),
        ("plain-text", "urn:zdda:mainindication:no-signature", None),
        ("unreadable", "urn:etsi:019102:mainindication:indeterminate", "urn:zdda:subindication:refused"),
    ],
)
def test_a_document_without_a_judged_signature_says_so(name: str, main: str, sub: str | None) -> None:
    (found,) = tree_of(report(name).as_json()).findall(f"{VR}SignatureValidationReport")
    assert found.findtext(f"{VR}SignatureValidationStatus/{VR}MainIndication") == main
    assert found.findtext(f"{VR}SignatureValidationStatus/{VR}SubIndication") == sub


def test_what_is_at_hand_is_embedded_and_what_is_long_stands_by_its_digest() -> None:
    content, data = signed(), data_of("signed-with-timestamp")
    whole = tree_of(content, data).findall(f".//{VR}ValidationObject/{VR}ValidationObjectRepresentation/{VR}base64")
    assert len(whole) == len(content["validationData"])
    assert tree_of(content, {}).find(f".//{VR}base64") is None
    datum = next(datum for datum in content["validationData"] if datum["role"] == "crl")
    crl, datum["length"] = datum["sha256"], 64 * 1024 + 1
    fewer = tree_of(content, data)
    found = fewer.find(f".//{VR}ValidationObject[@id='R-{crl}']/{VR}ValidationObjectRepresentation")
    assert [each.tag for each in found] == [f"{VR}DigestAlgAndValue"]


def test_a_report_never_grows_beyond_its_bound() -> None:
    content = signed()
    long = [{"role": "ocsp", "sha256": f"{number:064x}", "length": 64 * 1024} for number in range(200)]
    assert len(embedded({**content, "validationData": long})) == 128


def test_a_report_from_before_tokens_were_named_is_still_written() -> None:
    content = signed()
    for item in (*content["signatures"], *content["timestamps"]):
        item.pop("token", None)
        item.pop("dataToBeSigned", None)
        item.pop("changesAfterSigning", None)
    found = tree_of(content).find(f".//{VR}ValidationObject[@id='T-1']/{VR}ValidationObjectRepresentation/{VR}URI")
    assert found.text == f"urn:zdda:timestamp:{content['timestamps'][0]['identifier']}"


def test_texts_of_a_hostile_document_stay_texts() -> None:
    content = signed()
    record = content["signatures"][0]["buildingBlocks"][0]["constraints"][0]
    record["checked"] = "]]></z:Checked><MainIndication>&x;\x00\ud800"
    content["policy"]["name"] = "a policy <of> ours\u202e"
    tree = tree_of(content)
    assert (
        tree.find(".//{urn:zdda:validation-report:1}Checked").text == "]]></z:Checked><MainIndication>&x;\ufffd\ufffd"
    )
    assert len(tree.findall(f"{VR}SignatureValidationReport/{VR}SignatureValidationStatus/{VR}MainIndication")) == 1


def test_a_revoked_certificate_is_told_with_its_time() -> None:
    content = signed()
    one = content["signatures"][0]
    records = [record for block in one["buildingBlocks"] for record in block["constraints"]]
    revoked = next(record for record in records if record["id"] == "not-revoked")
    revoked.update(status="not-ok", checked="2021-01-01T00:00:00.000Z")
    told = tree_of(content).find(f"{VR}SignatureValidationReport").find(f".//{VR}RevocationStatusInformation")
    assert told.find(f"{VR}ValidationObjectId").get("VOReference") == f"C-{one['signingCertificate']}"
    assert told.findtext(f"{VR}RevocationTime") == "2021-01-01T00:00:00.000Z"
    used = next(record["checked"] for record in records if record["id"] == "revocation-data-acceptable")
    assert told.find(f"{VR}RevocationObject").get("VOReference") == f"R-{used}"
