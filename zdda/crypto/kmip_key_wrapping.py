"""The key-encryption key in a key service that speaks KMIP: see ``zdda.crypto.key_wrapping.KeyWrapper``."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from zdda.crypto import kmip_messages as kmip
from zdda.crypto.approved import restrict_tls
from zdda.crypto.key_service import KeyServiceAway, KeyServiceFailed, KeyServiceKey, KeyServiceRefuses
from zdda.crypto.key_wrapping import KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH, VERSION
from zdda.crypto.kmip_messages import Reason, Structure, Tag
from zdda.model.clock import Entropy
from zdda.model.errors import IntegrityError


@dataclass(frozen=True, slots=True)
class KmipAddress:
    """``key``: the key's name in the service. PEM files: the archive's own ``certificate`` and ``private_key``, by
    which the service knows it, and the ``certificate_authorities`` of the service. ``timeout``: seconds for one answer.
    """

    host: str
    port: int
    key: str
    certificate: Path
    private_key: Path
    certificate_authorities: Path
    timeout: float = 10.0
    approved_only: bool = False


class KmipKeyWrapper:
    """AES-256-GCM by a key that never leaves the service (KMIP 1.4, Encrypt and Decrypt); a ``KeyWrapper``.

    Nonce and associated data are ours, so the wrapped form is that of ``LocalKeyWrapper``.
    """

    def __init__(self, address: KmipAddress, entropy: Entropy) -> None:
        """Asks nothing of the service yet."""
        self._address = address
        self._entropy = entropy

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Unwrapped once by the service, and refused once at another place, before it is given back.

        Raises ``KeyServiceAway``, ``KeyServiceRefuses``, ``KeyServiceKey``, ``KeyServiceFailed``.
        """
        nonce = self._entropy(NONCE_LENGTH)
        with _Connection(self._address) as connection:
            identifier = self._identifier(connection)
            answer = connection.ask(kmip.encrypt(identifier, key, nonce, context, TAG_LENGTH))
            sealed = (answer.data(Tag.DATA) or b"") + (answer.data(Tag.AUTHENTICATION_TAG) or b"")
            given = answer.data(Tag.IV_COUNTER_NONCE)
            if len(sealed) != len(key) + TAG_LENGTH or given not in (None, nonce):
                raise KeyServiceFailed("the key service does not take the nonce, or gives no tag")
            if self._opened(connection, identifier, nonce, sealed, context) != key:
                raise KeyServiceFailed("the key service does not give back what it wrapped")
            try:
                self._opened(connection, identifier, nonce, sealed, context + b"|another")
            except _Rejected:
                return VERSION + nonce + sealed
        raise KeyServiceFailed("the key service does not bind to a place: it knows no additional data")

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises ``IntegrityError``, and what ``wrap`` raises."""
        if wrapped[:1] != VERSION:
            raise IntegrityError("a wrapped key has no known version")
        nonce, sealed = wrapped[1 : 1 + NONCE_LENGTH], wrapped[1 + NONCE_LENGTH :]
        if len(sealed) < TAG_LENGTH:
            raise IntegrityError("a wrapped key is too short")
        try:
            with _Connection(self._address) as connection:
                return self._opened(connection, self._identifier(connection), nonce, sealed, context)
        except _Rejected as error:
            # servers tell a wrong tag by many reasons, some by that for a failing server: does it work at all?
            self.wrap(self._entropy(KEY_LENGTH), context)
            raise IntegrityError("a wrapped key is not authentic, or belongs to another place") from error

    def create_key(self) -> None:
        """Makes the key, active, where the service has none of this name; raises what ``wrap`` raises."""
        with _Connection(self._address) as connection:
            if connection.ask(kmip.locate(self._address.key)).texts(Tag.UNIQUE_IDENTIFIER):
                return
            made = connection.ask(kmip.create_key(self._address.key)).texts(Tag.UNIQUE_IDENTIFIER)
            if len(made) != 1:
                raise KeyServiceFailed("the key service does not say which key it made")
            connection.ask(kmip.activate(made[0]))

    def _identifier(self, connection: _Connection) -> str:
        found = connection.ask(kmip.locate(self._address.key)).texts(Tag.UNIQUE_IDENTIFIER)
        if len(found) != 1:
            count = "several keys" if found else "no key"
            raise KeyServiceKey(f"the key service has {count} of the name {self._address.key}")
        return found[0]

    def _opened(self, connection: _Connection, identifier: str, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
        body, tag = sealed[:-TAG_LENGTH], sealed[-TAG_LENGTH:]
        answer = connection.ask(kmip.decrypt(identifier, body, nonce, context, tag))
        data = answer.data(Tag.DATA)
        if data is None:
            raise KeyServiceFailed("the key service answers without data")
        return data


class _Rejected(KeyServiceFailed):
    """The service did not do what was asked of the key; the caller knows what that means."""


class _Connection:
    """One TLS connection; each answer within the time of the settings."""

    def __init__(self, address: KmipAddress) -> None:
        self._address = address

    def __enter__(self) -> _Connection:
        address = self._address
        try:
            context = ssl.create_default_context(cafile=str(address.certificate_authorities))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if address.approved_only:
                restrict_tls(context)
            context.load_cert_chain(address.certificate, address.private_key)
        except (OSError, ssl.SSLError) as error:
            raise KeyServiceRefuses(f"certificates or key cannot be read ({type(error).__name__})") from error
        try:
            plain = socket.create_connection((address.host, address.port), address.timeout)
            try:
                self._socket = context.wrap_socket(plain, server_hostname=address.host)
            except BaseException:
                plain.close()
                raise
        except OSError as error:
            raise KeyServiceAway(f"the key service does not answer ({type(error).__name__})") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> Structure:
        """The payload of the answer. Raises ``KeyServiceAway``; ``KeyServiceRefuses``, ``KeyServiceKey`` where the
        reason says so; ``_Rejected`` for other reasons; ``KeyServiceFailed`` for what is no answer."""
        deadline = time.monotonic() + self._address.timeout
        try:
            self._socket.settimeout(self._address.timeout)
            self._socket.sendall(request)
            header = self._receive(8, deadline)
            result = kmip.read_result(header + self._receive(kmip.message_length(header), deadline))
        except OSError as error:
            raise KeyServiceAway(f"the key service does not answer ({type(error).__name__})") from None
        except ValueError as error:
            raise KeyServiceFailed("the answer of the key service cannot be read") from error
        if result.reason is None:
            return result.payload
        told = f"{result.reason:#x} {result.message}".rstrip()
        if result.reason == Reason.ITEM_NOT_FOUND:
            raise KeyServiceKey(f"the key service does not find the key ({told})")
        if result.reason in (Reason.AUTHENTICATION_NOT_SUCCESSFUL, Reason.PERMISSION_DENIED):
            raise KeyServiceRefuses(f"the key service refuses ({told})")
        raise _Rejected(f"the key service answers otherwise ({told})")

    def _receive(self, count: int, deadline: float) -> bytes:
        data = b""
        while len(data) < count:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the connection was closed")
            data += piece
        return data
