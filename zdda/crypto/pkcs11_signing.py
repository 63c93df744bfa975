"""The seal's private key in a token behind PKCS#11: see ``zdda.crypto.signing.Signer``."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from zdda.crypto.pkcs11_token import KeyMissing, OpenedToken, Pkcs11Token, TokenFailed
from zdda.crypto.signing import check_issuers, digest_for, read_certificates
from zdda.model.errors import InvalidInput

_PROBE = b"does the key belong to the certificate?"


class Pkcs11Signer:
    """EC P-256, P-384 or P-521 (CKM_ECDSA over our digest), or RSA with SHA-256 (CKM_SHA256_RSA_PKCS, with ``pss``
    CKM_SHA256_RSA_PKCS_PSS); a ``Signer``.

    Every signature is verified under the certificate before it is given away: a token that signs wrong, or with
    another key, seals nothing.
    """

    def __init__(
        self,
        token: Pkcs11Token,
        label: str,
        certificate: x509.Certificate,
        issuers: tuple[x509.Certificate, ...] = (),
        *,
        pss: bool = False,
    ) -> None:
        """Signs once, to see that key and certificate belong together; raises ``InvalidInput`` where they do not, and
        what ``Pkcs11Token.call`` raises."""
        public = certificate.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise InvalidInput("a signing key is EC or RSA")
        self._token = token
        self._label = label
        self._public = public
        self._hash = digest_for(public)
        self._pss = pss
        if isinstance(public, ec.EllipticCurvePublicKey):
            if pss:
                raise InvalidInput("an EC key does not sign with RSASSA-PSS")
            self.signature_algorithm = "ecdsa"
        else:
            self.signature_algorithm = "rsassa_pss" if pss else "rsassa_pkcs1v15"
        self.digest_algorithm = self._hash.name
        check_issuers(certificate, issuers)
        self.certificate = certificate.public_bytes(Encoding.DER)
        self.chain = tuple(issuer.public_bytes(Encoding.DER) for issuer in issuers)
        if not self._verified(self._token.call(lambda opened: self._signed(opened, _PROBE)), _PROBE):
            raise InvalidInput("the certificate belongs to another key")

    def sign(self, message: bytes) -> bytes:
        signature = self._token.call(lambda opened: self._signed(opened, message))
        if not self._verified(signature, message):
            raise TokenFailed("the token's signature does not verify under the certificate")
        return signature

    @classmethod
    def load(cls, token: Pkcs11Token, label: str, certificate_pem_chain: bytes, *, pss: bool = False) -> Pkcs11Signer:
        """With a PEM bundle: the signer's certificate, then its issuers in order. Raises as the constructor does."""
        certificate, issuers = read_certificates(certificate_pem_chain)
        return cls(token, label, certificate, issuers, pss=pss)

    def _signed(self, opened: OpenedToken, message: bytes) -> bytes:
        from pkcs11 import MGF, KeyType, Mechanism, ObjectClass

        key = opened.key(self._label, ObjectClass.PRIVATE_KEY)
        elliptic = isinstance(self._public, ec.EllipticCurvePublicKey)
        if key.key_type != (KeyType.EC if elliptic else KeyType.RSA):
            raise KeyMissing(f"the key {self._label} is of another kind than the certificate's")
        if elliptic:
            digest = hashes.Hash(self._hash)
            digest.update(message)
            return _as_der(key.sign(digest.finalize(), mechanism=Mechanism.ECDSA))
        if not self._pss:
            return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS))
        parameters = (Mechanism.SHA256, MGF.SHA256, self._hash.digest_size)
        return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=parameters))

    def _verified(self, signature: bytes, message: bytes) -> bool:
        try:
            if isinstance(self._public, ec.EllipticCurvePublicKey):
                self._public.verify(signature, message, ec.ECDSA(self._hash))
            elif self._pss:
                pss = padding.PSS(padding.MGF1(self._hash), self._hash.digest_size)
                self._public.verify(signature, message, pss, self._hash)
            else:
                self._public.verify(signature, message, padding.PKCS1v15(), self._hash)
        except InvalidSignature:
            return False
        return True


def _as_der(signature: bytes) -> bytes:
    """PKCS#11 gives r and s side by side, each as long as the order; CMS wants their DER."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
