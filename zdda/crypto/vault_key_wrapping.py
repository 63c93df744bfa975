"""The key-encryption key in the transit engine of Vault or OpenBao: see ``zdda.crypto.key_wrapping.KeyWrapper``."""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from zdda.crypto.approved import restrict_tls
from zdda.crypto.key_service import KeyServiceAway, KeyServiceFailed, KeyServiceKey, KeyServiceRefuses
from zdda.crypto.key_wrapping import KEY_LENGTH
from zdda.crypto.secret_file import SecretUnreadable, secret_from_file
from zdda.model.clock import Entropy
from zdda.model.errors import IntegrityError

VERSION = b"\x02"
_LONGEST_ANSWER = 64 * 1024
_LONGEST_TOKEN = 4096
_CIPHERTEXT = re.compile(r"vault:v[0-9]{1,9}:[A-Za-z0-9+/]{20,1000}={0,2}")
_KEY_TYPE = "aes256-gcm96"


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """``url``: https and host; ``mount``: of the transit engine; ``certificate_authorities``: a PEM file, None: those
    that Python ships; ``timeout``: seconds for one whole answer. ``token`` is asked at each call."""

    url: str
    mount: str
    key: str
    token: Callable[[], str]
    namespace: str = ""
    certificate_authorities: Path | None = None
    timeout: float = 10.0
    approved_only: bool = False


class VaultKeyWrapper:
    """AES-256-GCM by a key that never leaves the service; a ``KeyWrapper``.

    Wrapped form: ``0x02`` and the service's ciphertext in ASCII (``vault:v1:…``), which names the version of the key.
    The context goes along as associated data; that the service binds to it is tried at every wrapping.
    """

    def __init__(self, address: VaultAddress, entropy: Entropy) -> None:
        """Asks nothing of the service yet."""
        self._address = address
        self._entropy = entropy

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """By the newest version of the key; unwrapped once by the service before it is given back.

        Raises ``KeyServiceAway``, ``KeyServiceRefuses``, ``KeyServiceKey``, ``KeyServiceFailed``.
        """
        ciphertext = self._encrypt(key, context)
        if self._decrypt(ciphertext, context) != key:
            raise KeyServiceFailed("the key service does not give back what it wrapped")
        try:
            self._decrypt(ciphertext, context + b"|another")
        except _Rejected:
            return VERSION + ciphertext.encode("ascii")
        raise KeyServiceFailed("the key service does not bind to a place: it knows no associated_data")

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises ``IntegrityError``, and what ``wrap`` raises."""
        if wrapped[:1] != VERSION:
            raise IntegrityError("a wrapped key is not of a Vault transit key")
        ciphertext = wrapped[1:].decode("ascii", "replace")
        if not _CIPHERTEXT.fullmatch(ciphertext):
            raise IntegrityError("a wrapped key is not of a Vault transit key")
        try:
            return self._decrypt(ciphertext, context)
        except _Rejected as error:
            # the service says 400 to a wrong tag, and to much else: does it work at all?
            self.wrap(self._entropy(KEY_LENGTH), context)
            raise IntegrityError(f"a wrapped key is not authentic, or belongs to another place ({error})") from error

    def create_key(self) -> None:
        """Makes the key where the service has none of this name; raises ``KeyServiceKey`` for one that is not fit."""
        path = f"keys/{quote(self._address.key, safe='')}"
        try:
            found = self._call("GET", path, None)
        except KeyServiceKey:
            self._call("POST", path, {"type": _KEY_TYPE, "exportable": False, "allow_plaintext_backup": False})
            found = self._call("GET", path, None)
        if found.get("type") != _KEY_TYPE or found.get("derived"):
            raise KeyServiceKey(f"the key {self._address.key} is not of type {_KEY_TYPE}")
        if found.get("exportable") or found.get("allow_plaintext_backup"):
            raise KeyServiceKey(f"the key {self._address.key} can be taken out of the key service")

    def _encrypt(self, key: bytes, context: bytes) -> str:
        body = {"plaintext": _encode(key), "associated_data": _encode(context)}
        try:
            found = self._call("POST", f"encrypt/{quote(self._address.key, safe='')}", body).get("ciphertext")
        except _Rejected as error:
            raise KeyServiceKey(f"the key service does not encrypt by {self._address.key} ({error})") from error
        if not isinstance(found, str) or not _CIPHERTEXT.fullmatch(found):
            raise KeyServiceFailed("the key service answers without a ciphertext")
        return found

    def _decrypt(self, ciphertext: str, context: bytes) -> bytes:
        body = {"ciphertext": ciphertext, "associated_data": _encode(context)}
        found = self._call("POST", f"decrypt/{quote(self._address.key, safe='')}", body).get("plaintext")
        try:
            return base64.b64decode(found or "", validate=True)
        except (ValueError, TypeError) as error:
            raise KeyServiceFailed("the key service answers without a plaintext") from error

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """The ``data`` of the answer. Raises ``_Rejected`` for 400; the caller knows what that means."""
        address = self._address
        url = f"{address.url.rstrip('/')}/v1/{quote(address.mount.strip('/'))}/{path}"
        headers = {"X-Vault-Token": address.token(), "X-Vault-Request": "true"}
        if address.namespace:
            headers["X-Vault-Namespace"] = address.namespace
        try:
            status, content = self._exchange(method, url, headers, body)
        except httpx.TransportError as error:
            raise KeyServiceAway(f"the key service does not answer ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            raise KeyServiceFailed(f"the key service cannot be asked ({type(error).__name__})") from None
        if status in (200, 204):
            return _data_of(content)
        told = _told(status, content)
        if status == 400:
            raise _Rejected(told)
        if status in (401, 403):
            raise KeyServiceRefuses(f"the key service refuses ({told})")
        if status == 404:
            raise KeyServiceKey(f"the key service has no key {address.key} in {address.mount} ({told})")
        if status in (429, 412) or status >= 500:
            raise KeyServiceAway(f"the key service is not at work ({told})")
        raise KeyServiceFailed(f"the key service answers otherwise ({told})")

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        address = self._address
        if address.certificate_authorities is not None:
            verify = ssl.create_default_context(cafile=str(address.certificate_authorities))
        else:
            verify = httpx.create_ssl_context(trust_env=False)
        if address.approved_only:
            restrict_tls(verify)
        deadline = time.monotonic() + address.timeout
        content = b""
        with (
            httpx.Client(verify=verify, trust_env=False, follow_redirects=False, timeout=address.timeout) as client,
            client.stream(method, url, headers=headers, json=body) as answer,
        ):
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > _LONGEST_ANSWER:
                    raise ValueError("the answer is too long")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer took too long")
            return answer.status_code, content


class _Rejected(KeyServiceFailed):
    """400: what was sent is not right for the key."""


def token_from_file(path: Path) -> str:
    """The service's token from a file that only its owner may read; raises ``KeyServiceRefuses``."""
    try:
        return secret_from_file(path, "the key service's token", _LONGEST_TOKEN)
    except SecretUnreadable as error:
        raise KeyServiceRefuses(str(error)) from None


def _data_of(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)["data"] if content else {}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeyServiceFailed("the answer of the key service cannot be read") from error
    if not isinstance(found, dict):
        raise KeyServiceFailed("the answer of the key service cannot be read")
    return found


def _told(status: int, content: bytes) -> str:
    """The status, and what the service says of it: one line of printable characters."""
    try:
        errors = json.loads(content)["errors"]
        text = "; ".join(str(each) for each in errors)
    except (ValueError, KeyError, TypeError, RecursionError):
        text = ""
    printable = "".join(each for each in text if each.isprintable())[:200]
    return f"{status} {printable}".rstrip()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
