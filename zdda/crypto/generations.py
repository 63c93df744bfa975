"""Generation keys: per tenant, numbered from 1, unwrapped once; they wrap the data key of each object.

Destroying a generation key makes every record that is wrapped under it worthless, wherever copies of the
record may lie. So these keys are kept out of ordinary backups.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zdda.crypto.key_wrapping import KeyWrapper
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import Clock, Entropy, format_time
from zdda.model.errors import IntegrityError, NotFound
from zdda.model.identifiers import TenantId, tenant_id

FORMAT = "zdda-generations/1"
KEY_LENGTH = 32
WRAPPED_DATA_KEY_LENGTH = 1 + 16 + 32
_WRAPPED_VERSION = b"\x01"
_MAXIMUM_FILE = 16 * 1024 * 1024
_SEAL_CONTEXT = b"zdda/1|generations"


@dataclass(slots=True)
class _Generation:
    created: str
    wrapped: bytes
    key: bytes
    wrapping: AESSIV = field(init=False)
    authentication: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.wrapping = AESSIV(HKDF(SHA256(), 64, None, b"zdda/1|data-key-wrapping").derive(self.key))
        self.authentication = HKDF(SHA256(), 32, None, b"zdda/1|authentication").derive(self.key)


@dataclass(slots=True)
class _TenantKeys:
    content_id_wrapped: bytes
    content_id_key: bytes
    generations: dict[int, _Generation] = field(default_factory=dict)


class GenerationKeys:
    """All tenants' generation keys, from one file that is sealed by the key-encryption key.

    The file names for each tenant the generations and the content-id key, each wrapped for its own place; its
    ``seal`` is the wrapped SHA-256 of the rest, so that a missing or added generation is noticed. An old file put
    back whole is not noticed here.
    """

    def __init__(self, path: Path, wrapper: KeyWrapper, entropy: Entropy, clock: Clock) -> None:
        """Opens the file, or starts without tenants where there is none yet.

        Raises ``IntegrityError`` for a file that is damaged or wrapped by another key-encryption key,
        ``Unavailable`` from the key's keeper.
        """
        self._path = path
        self._wrapper = wrapper
        self._entropy = entropy
        self._clock = clock
        self._tenants: dict[TenantId, _TenantKeys] = {}
        self._load()

    def tenants(self) -> tuple[TenantId, ...]:
        return tuple(sorted(self._tenants))

    def generations(self, tenant: TenantId) -> tuple[int, ...]:
        """The numbers whose keys are still there, ascending."""
        return tuple(sorted(self._keys(tenant).generations))

    def create(self, tenant: TenantId) -> int:
        """Makes the tenant's next generation (the first with its content-id key); durable on return.

        A crash before the file is renamed leaves the old one; then nothing was wrapped under the new key yet.
        """
        with self._exclusive():
            self._load()
            held = self._tenants.get(tenant)
            if held is None:
                content_id_key = self._entropy(KEY_LENGTH)
                wrapped = self._wrapper.wrap(content_id_key, _content_id_context(tenant))
                held = _TenantKeys(wrapped, content_id_key)
            number = max(held.generations, default=0) + 1
            key = self._entropy(KEY_LENGTH)
            wrapped = self._wrapper.wrap(key, _generation_context(tenant, number))
            made = _Generation(format_time(self._clock.now()), wrapped, key)
            keys = replace(held, generations={**held.generations, number: made})
            tenants = {**self._tenants, tenant: keys}
            self._save(tenants, self._wrapper)
            self._tenants = tenants  # only now: nothing is ever wrapped under a key that is not durable
        return number

    def rewrap(self, wrapper: KeyWrapper) -> int:
        """Wraps every key anew under another key-encryption key; how many there are. Durable on return.

        The keys stay as they are, and so does what is wrapped under them. A crash before the file is renamed leaves the
        old one, wrapped as before. Raises ``NotFound`` where there are none, ``Unavailable`` from either keeper.
        """
        with self._exclusive():
            self._load()
            if not self._tenants:
                raise NotFound("there are no generation keys")
            tenants = {tenant: _rewrapped(tenant, keys, wrapper) for tenant, keys in self._tenants.items()}
            self._save(tenants, wrapper)
            self._tenants, self._wrapper = tenants, wrapper
        return sum(1 + len(keys.generations) for keys in tenants.values())

    def current(self, tenant: TenantId) -> int:
        """The generation that new records belong to; raises ``NotFound`` for a tenant without keys."""
        return max(self._keys(tenant).generations)

    def wrap_data_key(self, tenant: TenantId, generation: int, data_key: bytes, context: bytes) -> bytes:
        """``0x01 | AES-SIV (RFC 5297) of the data key``, 49 bytes, bound to ``context``.

        Deterministic: the same key in the same place wraps to the same bytes, so a repeated write repeats itself.
        """
        if len(data_key) != KEY_LENGTH:
            raise ValueError("a data key has 32 bytes")
        return _WRAPPED_VERSION + self._generation(tenant, generation).wrapping.encrypt(data_key, [context])

    def unwrap_data_key(self, tenant: TenantId, generation: int, wrapped: bytes, context: bytes) -> bytes:
        """Raises ``NotFound`` where the generation is gone, ``IntegrityError`` for any other bytes or context."""
        cipher = self._generation(tenant, generation).wrapping
        if len(wrapped) != WRAPPED_DATA_KEY_LENGTH or wrapped[:1] != _WRAPPED_VERSION:
            raise IntegrityError("a wrapped data key has no known form")
        try:
            return cipher.decrypt(wrapped[1:], [context])
        except InvalidTag as error:
            raise IntegrityError("a wrapped data key is not authentic, or belongs to another object") from error

    def authenticate(self, tenant: TenantId, generation: int, message: bytes) -> bytes:
        """HMAC-SHA-256 under a key derived from the generation's; compare with ``hmac.compare_digest``."""
        return hmac.digest(self._generation(tenant, generation).authentication, message, "sha256")

    def content_id(self, tenant: TenantId, sha256: bytes) -> bytes:
        """HMAC-SHA-256 of a plaintext's SHA-256 under the tenant's content-id key; outlives generations."""
        return hmac.digest(self._keys(tenant).content_id_key, sha256, "sha256")

    def _keys(self, tenant: TenantId) -> _TenantKeys:
        try:
            return self._tenants[tenant]
        except KeyError as error:
            raise NotFound("the tenant has no generation keys") from error

    def _generation(self, tenant: TenantId, number: int) -> _Generation:
        try:
            return self._keys(tenant).generations[number]
        except KeyError as error:
            raise NotFound("the generation key is gone or was never made", generation=number) from error

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Two processes never make the same number: the later one reads what the earlier one wrote."""
        lock = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _load(self) -> None:
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAXIMUM_FILE + 1)
        except FileNotFoundError:
            return
        try:
            content = parse_json(data, _MAXIMUM_FILE)
            if content["format"] != FORMAT or set(content) != {"format", "seal", "tenants"}:
                raise ValueError("unknown format")
            if canonical_json(content) != data:
                raise ValueError("not in canonical form")
            sealed = self._wrapper.unwrap(_decode(content.pop("seal")), _SEAL_CONTEXT)
            if not hmac.compare_digest(sealed, hashlib.sha256(canonical_json(content)).digest()):
                raise ValueError("the seal is over other content")
            self._tenants = {
                tenant_id(name): self._unwrap_tenant(tenant_id(name), entry)
                for name, entry in content["tenants"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError("the file of generation keys is damaged") from error

    def _unwrap_tenant(self, tenant: TenantId, entry: dict[str, Any]) -> _TenantKeys:
        wrapped = _decode(entry["contentIdKey"])
        keys = _TenantKeys(wrapped, self._wrapper.unwrap(wrapped, _content_id_context(tenant)))
        for generation in entry["generations"]:
            number, wrapped = generation["number"], _decode(generation["key"])
            key = self._wrapper.unwrap(wrapped, _generation_context(tenant, number))
            keys.generations[number] = _Generation(generation["created"], wrapped, key)
        return keys

    def _save(self, tenants: dict[TenantId, _TenantKeys], wrapper: KeyWrapper) -> None:
        content: dict[str, object] = {
            "format": FORMAT,
            "tenants": {
                str(tenant): {
                    "contentIdKey": _encode(keys.content_id_wrapped),
                    "generations": [
                        {"created": generation.created, "key": _encode(generation.wrapped), "number": number}
                        for number, generation in sorted(keys.generations.items())
                    ],
                }
                for tenant, keys in tenants.items()
            },
        }
        digest = hashlib.sha256(canonical_json(content)).digest()
        content["seal"] = _encode(wrapper.wrap(digest, _SEAL_CONTEXT))
        _replace_file(self._path, canonical_json(content))


def _rewrapped(tenant: TenantId, keys: _TenantKeys, wrapper: KeyWrapper) -> _TenantKeys:
    generations = {
        number: replace(each, wrapped=wrapper.wrap(each.key, _generation_context(tenant, number)))
        for number, each in keys.generations.items()
    }
    content_id = wrapper.wrap(keys.content_id_key, _content_id_context(tenant))
    return _TenantKeys(content_id, keys.content_id_key, generations)


def _generation_context(tenant: TenantId, number: int) -> bytes:
    return f"zdda/1|generation-key|{tenant}|{number}".encode("ascii")


def _content_id_context(tenant: TenantId) -> bytes:
    return f"zdda/1|content-id-key|{tenant}".encode("ascii")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _replace_file(path: Path, data: bytes) -> None:
    """Old content or new, never a mixture, and durable on return."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(descriptor)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
