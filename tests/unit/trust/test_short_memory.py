"""A machine that is short of memory gives no verdict, and what it could not read is not remembered as unreadable."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from tests.unit.validation.laboratory import NOW, crl, world
from zdda.trust import crl_reader
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.validate import validate_document

LAB = world()
REVOKED = [(LAB.signer, datetime(2021, 2, 1, tzinfo=UTC), x509.ReasonFlags.key_compromise)]


def test_a_list_that_could_not_be_read_for_want_of_memory_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = crl(LAB.issuing, datetime(2021, 1, 1, tzinfo=UTC)), crl(LAB.issuing, NOW, revoked=REVOKED)

    def judged() -> Any:
        data = RevocationData((crl(LAB.root), old, new))
        return validate_document(io.BytesIO(LAB.basic()), TrustAnchors((LAB.root.der,)), at=NOW, revocation=data)

    real = x509.load_der_x509_crl

    def short(der: bytes, *rest: Any) -> Any:
        if der == new:
            raise MemoryError
        return real(der, *rest)

    crl_reader._lists.clear()
    with monkeypatch.context() as patched:
        patched.setattr(x509, "load_der_x509_crl", short)
        assert judged().not_validated == "resources-exhausted"
    (signature,) = judged().signatures
    assert signature["subindication"] == "REVOKED_NO_POE"
