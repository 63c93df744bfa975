"""The seal: openssl and our own reader agree, and every changed bit is refused."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package_signers import AT, pem, signer

from zdda.packaging.cms import _assemble, read, sign
from zdda.packaging.errors import PackageError, SealBroken, SealMalformed
from zdda.packaging.seal import check_seal, make_seal

MANIFEST = b"<manifest/>\r\nwith both\nline ends"
KINDS = ["p256", "p384", "p521", "rsa", "pss"]


@pytest.mark.parametrize("kind", KINDS)
def test_facts_come_back(kind: str) -> None:
    facts = check_seal(make_seal(MANIFEST, signer(kind), AT), MANIFEST)
    assert facts.signing_time == AT.replace(microsecond=0)
    assert facts.certificate == signer(kind).certificate
    assert set(facts.certificates) == {signer(kind).certificate, *signer(kind).chain}
    assert facts.signature_algorithm == signer(kind).signature_algorithm
    assert facts.content is None
    assert facts.timestamps == ()


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_accepts_it(kind: str, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    (tmp_path / "seal.p7s").write_bytes(make_seal(MANIFEST, signer(kind), AT))
    (tmp_path / "manifest").write_bytes(MANIFEST)
    (tmp_path / "ca.pem").write_bytes(pem(kind).authority)
    (tmp_path / "signer.pem").write_bytes(pem(kind).certificate)
    command = "openssl cms -verify -cades -binary -inform DER -in seal.p7s -content manifest -certfile signer.pem"
    command += f" -CAfile ca.pem -purpose any -attime {int(AT.timestamp())} -out verified"
    run = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "verified").read_bytes() == MANIFEST
    (tmp_path / "manifest").write_bytes(MANIFEST + b"!")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_time_after_2049_is_generalized() -> None:
    moment = datetime(2051, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert check_seal(make_seal(MANIFEST, signer(), moment), MANIFEST).signing_time == moment


def test_other_content_is_refused() -> None:
    with pytest.raises(SealBroken):
        check_seal(make_seal(MANIFEST, signer(), AT), MANIFEST + b" ")


@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_every_flipped_bit_of_a_seal_is_seen_or_in_an_issuer(kind: str) -> None:
    """The issuers' certificates are not signed by a seal; the evidence covers them with all of it."""
    seal = make_seal(MANIFEST, signer(kind), AT)
    issuer = seal.index(signer(kind).chain[0])
    for position in range(len(seal)):
        if issuer <= position < issuer + len(signer(kind).chain[0]):
            continue
        changed = bytearray(seal)
        changed[position] ^= 1 << position % 8
        with pytest.raises(PackageError):
            check_seal(bytes(changed), MANIFEST)


def test_attached_and_detached_are_not_mixed_up() -> None:
    with pytest.raises(SealMalformed):
        check_seal(sign(MANIFEST, signer(), AT, attached=True), MANIFEST)
    with pytest.raises(SealMalformed):
        read(make_seal(MANIFEST, signer(), AT), None, "amendment", 10_000)


def test_a_seal_of_level_b_t_is_read() -> None:
    """The signature-time-stamp is an unsigned attribute; any ContentInfo stands for a token here."""
    seal = make_seal(MANIFEST, signer(), AT)
    facts = check_seal(seal, MANIFEST)
    token = make_seal(b"token", signer("rsa"), AT)
    stamped = _assemble(replace(facts, timestamps=(token,)))
    assert check_seal(stamped, MANIFEST) == replace(facts, timestamps=(token,))
    assert len(stamped) > len(seal) + len(token)


def test_bounds() -> None:
    seal = make_seal(MANIFEST, signer(), AT)
    with pytest.raises(SealMalformed):
        read(seal, MANIFEST, "seal", len(seal) - 1)
    with pytest.raises(SealMalformed):
        check_seal(seal + b"\0", MANIFEST)
    with pytest.raises(SealMalformed):
        check_seal(b"\x30\x80" * 200_000, MANIFEST)


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_rubbish_is_refused(data: bytes) -> None:
    seal = make_seal(MANIFEST, signer(), AT)
    for candidate in (data, seal[: len(data) * 4] + data):
        with pytest.raises(PackageError):
            check_seal(candidate, MANIFEST)
