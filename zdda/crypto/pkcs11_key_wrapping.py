"""The key-encryption key in a token behind PKCS#11: see ``zdda.crypto.key_wrapping.KeyWrapper``."""

from __future__ import annotations

from typing import Any

from zdda.crypto.key_wrapping import KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH, VERSION
from zdda.crypto.pkcs11_token import KeyMissing, MechanismMissing, OpenedToken, Pkcs11Token, TokenFailed
from zdda.model.clock import Entropy
from zdda.model.errors import IntegrityError


class Pkcs11KeyWrapper:
    """AES-256-GCM (CKM_AES_GCM) by a secret key that never leaves the token; a ``KeyWrapper``.

    The wrapped form is that of ``LocalKeyWrapper``: a local key moved into a token unwraps there what it wrapped.
    """

    def __init__(self, token: Pkcs11Token, label: str, entropy: Entropy) -> None:
        """Asks nothing of the token yet."""
        self._token = token
        self._label = label
        self._entropy = entropy

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Unwrapped once by the token before it is given back. Raises what ``Pkcs11Token.call`` raises."""
        nonce = self._entropy(NONCE_LENGTH)
        return VERSION + nonce + self._token.call(lambda opened: _sealed(self._key(opened), nonce, key, context))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises ``IntegrityError``, and what ``Pkcs11Token.call`` raises."""
        if wrapped[:1] != VERSION:
            raise IntegrityError("a wrapped key has no known version")
        nonce, sealed = wrapped[1 : 1 + NONCE_LENGTH], wrapped[1 + NONCE_LENGTH :]
        if len(sealed) < TAG_LENGTH:
            raise IntegrityError("a wrapped key is too short")
        try:
            return self._token.call(lambda opened: _opened(self._key(opened), nonce, sealed, context))
        except TokenFailed as error:
            # tokens tell a wrong tag by many errors, some of them (SoftHSM's) by that for a failing token: which is it?
            probe = self._entropy(NONCE_LENGTH)
            self._token.call(lambda opened: _sealed(self._key(opened), probe, bytes(KEY_LENGTH), context))
            raise IntegrityError("a wrapped key is not authentic, or belongs to another place") from error

    def create_key(self) -> None:
        """Makes the key in the token where it has none of this label; raises what ``Pkcs11Token.call`` raises."""
        self._token.call(self._create)

    def _create(self, opened: OpenedToken) -> None:
        from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass

        named = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: self._label}
        if list(opened.session.get_objects(named)):
            return
        writing = opened.token.open(rw=True)
        try:
            writing.generate_key(
                KeyType.AES,
                KEY_LENGTH * 8,
                label=self._label,
                store=True,
                capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                template={Attribute.EXTRACTABLE: False},
            )
        finally:
            writing.close()

    def _key(self, opened: OpenedToken) -> Any:
        from pkcs11 import KeyType, ObjectClass

        key = opened.key(self._label, ObjectClass.SECRET_KEY)
        if key.key_type != KeyType.AES or key.key_length != KEY_LENGTH * 8:
            raise KeyMissing(f"the key {self._label} is not an AES key of 256 bits")
        return key


def _sealed(secret: Any, nonce: bytes, key: bytes, context: bytes) -> bytes:
    from pkcs11 import GCMParams, Mechanism

    parameters = GCMParams(nonce, context, TAG_LENGTH * 8)
    sealed: bytes = secret.encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    if len(sealed) != len(key) + TAG_LENGTH:
        raise MechanismMissing("the token does not take the nonce it is given")
    if _opened(secret, nonce, sealed, context) != key:
        raise TokenFailed("the token does not give back what it wrapped")
    return sealed


def _opened(secret: Any, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    from pkcs11 import GCMParams, Mechanism

    parameters = GCMParams(nonce, context, TAG_LENGTH * 8)
    return bytes(secret.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
