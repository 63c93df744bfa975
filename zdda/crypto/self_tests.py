"""Known-answer tests of the algorithms that the archive uses itself, with published vectors; for the FIPS mode."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from zdda.model.errors import Unavailable


class SelfTestFailed(Unavailable):
    """An algorithm does not give what its published vector says: nothing is done with it."""

    code = "self-test-failed"


@lru_cache(maxsize=1)
def run_self_tests() -> tuple[str, ...]:
    """The names of the tests that have passed: all of them, once in a process. Raises ``SelfTestFailed``."""
    for name, test in _TESTS.items():
        try:
            passed = test()
        except (InvalidSignature, InvalidTag, InvalidUnwrap, UnsupportedAlgorithm, ValueError) as error:
            raise SelfTestFailed(f"self-test {name} failed ({type(error).__name__})") from error
        if not passed:
            raise SelfTestFailed(f"self-test {name} failed")
    return tuple(_TESTS)


def _digest(name: str, expected: str) -> Callable[[], bool]:
    """FIPS 180-2, appendices B.1, C.1, D.1: the message ``abc``; by both libraries that digest here."""

    def test() -> bool:
        other = hashes.Hash(getattr(hashes, name.upper())())
        other.update(b"abc")
        return hashlib.new(name, b"abc").hexdigest() == expected == other.finalize().hex()

    return test


def _hmac() -> bool:
    """RFC 4231 clause 4.3."""
    mac = hmac.digest(b"Jefe", b"what do ya want for nothing?", "sha256").hex()
    return mac == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def _hkdf() -> bool:
    """RFC 5869 appendix A.1."""
    derived = HKDF(hashes.SHA256(), 42, bytes(range(13)), bytes(range(0xF0, 0xFA))).derive(b"\x0b" * 22)
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    return derived.hex() == expected


def _gcm() -> bool:
    """McGrew and Viega, The Galois/Counter Mode of Operation, test case 16; and that a flipped tag is refused."""
    cipher = AESGCM(bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2))
    nonce, additional = bytes.fromhex("cafebabefacedbaddecaf888"), bytes.fromhex("feedfacedeadbeef" * 2 + "abaddad2")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    if cipher.encrypt(nonce, plain, additional) != sealed or cipher.decrypt(nonce, sealed, additional) != plain:
        return False
    try:
        cipher.decrypt(nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]), additional)
    except InvalidTag:
        return True
    return False


def _key_wrap() -> bool:
    """RFC 3394 clause 4.6: 256 bits of key data under a key of 256 bits."""
    wrapping, key = bytes(range(32)), bytes.fromhex("00112233445566778899aabbccddeeff") + bytes(range(16))
    wrapped = bytes.fromhex("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21")
    return aes_key_wrap(wrapping, key) == wrapped and aes_key_unwrap(wrapping, wrapped) == key


def _ecdsa() -> bool:
    """RFC 6979 appendix A.2.5: P-256, SHA-256, the message ``sample``; signed and verified, and another refused."""
    private = ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
    signature = encode_dss_signature(
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    )
    made = private.sign(b"sample", ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    private.public_key().verify(signature, b"sample", ec.ECDSA(hashes.SHA256()))
    try:
        private.public_key().verify(signature, b"simple", ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return made == signature
    return False


def _rsa() -> bool:
    """RFC 7515 appendix A.2: RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits; verified, and another message refused."""
    public = rsa.RSAPublicNumbers(65537, int.from_bytes(_from_url(_RSA_MODULUS))).public_key()
    signature, scheme = _from_url(_RSA_SIGNATURE), padding.PKCS1v15()
    public.verify(signature, _RSA_MESSAGE, scheme, hashes.SHA256())
    try:
        public.verify(signature, _RSA_MESSAGE + b" ", scheme, hashes.SHA256())
    except InvalidSignature:
        return True
    return False


def _from_url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


_RSA_MODULUS = (
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC"
    "gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6"
    "65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW"
    "yuXpoQ"
)
_RSA_MESSAGE = (
    b"eyJhbGciOiJSUzI1NiJ9"
    b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
_RSA_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
    "Ge77Rw"
)
_TESTS: dict[str, Callable[[], bool]] = {
    "SHA-256": _digest("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    "SHA-384": _digest(
        "sha384",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    ),
    "SHA-512": _digest(
        "sha512",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    "HMAC-SHA-256": _hmac,
    "HKDF-SHA-256": _hkdf,
    "AES-256-GCM": _gcm,
    "AES-256 key wrap": _key_wrap,
    "ECDSA P-256": _ecdsa,
    "RSASSA-PKCS1-v1_5": _rsa,
}
