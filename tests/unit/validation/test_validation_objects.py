"""What a piece of validation data is, told in a line; hostile bytes tell nothing and raise nothing."""

from __future__ import annotations

import io

import pytest
from laboratory import NOW, world

from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.report import ValidationDatum
from zdda.validation.validate import validate_document
from zdda.validation.validation_objects import facts_of


def test_every_piece_of_a_report_says_what_it_is() -> None:
    lab = world()
    content = validate_document(
        io.BytesIO(lab.with_timestamp()),
        TrustAnchors((lab.root.der,)),
        at=NOW,
        revocation=RevocationData(lab.crls()),
    ).as_json()
    roles = {}
    for datum in content["validationData"]:
        roles.setdefault(datum["role"], datum)
        assert datum["issuer"]
        assert datum["validFrom"] <= datum["validUntil"]
    assert set(roles) == {"certificate", "crl", "timestamp"}
    assert roles["certificate"]["subject"]
    assert roles["certificate"]["serialNumber"]
    assert roles["timestamp"]["validFrom"] == content["timestamps"][0]["time"]


@pytest.mark.parametrize("role", ["certificate", "crl", "ocsp", "timestamp"])
@pytest.mark.parametrize("data", [b"", b"\x30\x80", b"\x30\x03\x02\x01\x01", bytes(1000)])
def test_rubbish_tells_nothing(role: str, data: bytes) -> None:
    assert set(facts_of(ValidationDatum(role, data)).values()) == {None}
