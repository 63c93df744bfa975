"""The top of the key hierarchy: a key-encryption key that wraps generation keys and never leaves its keeper."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zdda.model.clock import Entropy
from zdda.model.errors import Conflict, IntegrityError, InvalidInput, NotFound

KEY_LENGTH = 32
VERSION = b"\x01"
NONCE_LENGTH = 12
TAG_LENGTH = 16


class KeyWrapper(Protocol):
    """An HSM, a key service, or a local key.

    ``wrap`` binds the key to ``context``; ``unwrap`` with any other context raises ``IntegrityError``. Both are
    called a handful of times at start, never on the path of a deposit; both raise ``Unavailable`` where the
    keeper is out of reach.
    """

    def wrap(self, key: bytes, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes: ...


class LocalKeyWrapper:
    """AES-256-GCM under a key in a local file.

    Wrapped form: ``0x01 | nonce (12 bytes) | ciphertext | tag (16 bytes)``, the context as AAD. Whoever reads the
    file reads the archive: see the threat model.
    """

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        if len(key) != KEY_LENGTH:
            raise InvalidInput("a key-encryption key has 32 bytes")
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def wrap(self, key: bytes, context: bytes) -> bytes:
        nonce = self._entropy(NONCE_LENGTH)
        return VERSION + nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        if wrapped[:1] != VERSION:
            raise IntegrityError("a wrapped key has no known version")
        nonce = wrapped[1 : 1 + NONCE_LENGTH]
        try:
            return self._cipher.decrypt(nonce, wrapped[1 + NONCE_LENGTH :], context)
        except (InvalidTag, ValueError) as error:
            raise IntegrityError("a wrapped key is not authentic, or belongs to another place") from error

    @classmethod
    def load(cls, path: Path, entropy: Entropy) -> LocalKeyWrapper:
        """Reads a key file of exactly 32 bytes that only its owner may read.

        Raises ``NotFound`` without the file, ``InvalidInput`` for a wrong length or wider permissions.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound("the file of the key-encryption key is absent") from error
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise InvalidInput("the file of the key-encryption key must be readable by its owner alone (0600)")
            key = file.read(KEY_LENGTH + 1)
        return cls(key, entropy)

    @classmethod
    def create(cls, path: Path, entropy: Entropy) -> LocalKeyWrapper:
        """Makes a new key file (0600), durable on return; raises ``Conflict`` where one exists.

        A crash in between leaves either no file or one that ``load`` refuses for its length.
        """
        key = entropy(KEY_LENGTH)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise Conflict("the file of the key-encryption key exists already") from error
        with contextlib.closing(open(descriptor, "wb", buffering=0)) as file:
            file.write(key)
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return cls(key, entropy)
