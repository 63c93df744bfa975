"""Generation keys: per tenant, numbered from 1, unwrapped once; they wrap the data key of each object.

Destroying a generation key makes every record that is wrapped under it worthless, wherever copies of the
record may lie. So these keys are kept out of ordinary backups, and every copy that the archive makes of one is counted.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from zdda.crypto.generation_export import GenerationExport, RecoveryRecipient, seal_export
from zdda.crypto.generation_file import (
    MAXIMUM_FILE,
    CountedExport,
    DestroyedGeneration,
    Generation,
    TenantKeys,
    content_id_context,
    generation_context,
    read_generations,
    write_generations,
)
from zdda.crypto.key_wrapping import KEY_LENGTH, KeyWrapper
from zdda.crypto.sealed_file import held_alone, held_to_read, replace_file, sweep
from zdda.model.clock import Clock, Entropy, format_time
from zdda.model.errors import Conflict, IntegrityError, NotFound
from zdda.model.identifiers import TenantId

WRAPPED_DATA_KEY_LENGTH = 1 + 16 + 32
_SIV_VERSION, _KEY_WRAP_VERSION = b"\x01", b"\x02"


@dataclass(frozen=True, slots=True)
class GenerationStanding:
    """A generation whose key is there. Its copies: the one in the file, and ``exports``."""

    number: int
    created: str
    exports: tuple[CountedExport, ...]


class GenerationKeys:
    """All tenants' generation keys, from one file that is sealed by the key-encryption key.

    The file names for each tenant the generations and the content-id key, each wrapped for its own place; its
    ``seal`` is the wrapped SHA-256 of the rest, so that a missing or added generation is noticed. An old file put
    back whole is not noticed here.
    """

    def __init__(
        self, path: Path, wrapper: KeyWrapper, entropy: Entropy, clock: Clock, *, approved_only: bool = False
    ) -> None:
        """Opens the file, or starts without tenants where there is none yet. ``approved_only``: data keys are wrapped
        by AES key wrap, which SP 800-38F approves; what was wrapped before is still unwrapped.

        Raises ``IntegrityError`` for a file that is damaged or wrapped by another key-encryption key,
        ``Unavailable`` from the key's keeper.
        """
        self._path = path
        self._wrapper = wrapper
        self._entropy = entropy
        self._clock = clock
        self._approved_only = approved_only
        self._tenants: dict[TenantId, TenantKeys] = {}
        self._seen: tuple[int, int, int] | None = None
        with held_to_read(path):
            self._load()

    def refresh(self) -> bool:
        """Reads the file again where another process has replaced it since: a new generation is current from then on,
        a destroyed one gone from this process too. Whether it was. Raises what opening raises; then nothing changes."""
        if _identity(self._path) == self._seen:
            return False
        with held_to_read(self._path):
            self._load()
        return True

    def tenants(self) -> tuple[TenantId, ...]:
        return tuple(sorted(self._tenants))

    def generations(self, tenant: TenantId) -> tuple[int, ...]:
        """The numbers whose keys are still there, ascending."""
        return tuple(sorted(self._keys(tenant).generations))

    def standing(self, tenant: TenantId) -> tuple[GenerationStanding, ...]:
        """Every generation that is there, ascending, with its counted copies outside."""
        held = sorted(self._keys(tenant).generations.items())
        return tuple(GenerationStanding(number, each.created, each.exports) for number, each in held)

    def destroyed(self, tenant: TenantId) -> tuple[DestroyedGeneration, ...]:
        """Every generation that was destroyed, in the order in which they were."""
        return self._keys(tenant).destroyed

    def create(self, tenant: TenantId) -> int:
        """Makes the tenant's next generation (the first with its content-id key); durable on return.

        A crash before the file is renamed leaves the old one; then nothing was wrapped under the new key yet. Raises
        ``Unavailable``.
        """
        with held_alone(self._path):
            self._load()
            held = self._tenants.get(tenant)
            if held is None:
                content_id_key = self._entropy(KEY_LENGTH)
                wrapped = self._wrapper.wrap(content_id_key, content_id_context(tenant))
                held = TenantKeys(wrapped, content_id_key)
            number = held.next_number()
            key = self._entropy(KEY_LENGTH)
            wrapped = self._wrapper.wrap(key, generation_context(tenant, number))
            made = Generation(format_time(self._clock.now()), wrapped, key)
            keys = replace(held, generations={**held.generations, number: made})
            self._put(tenant, keys)
        return number

    def rewrap(self, wrapper: KeyWrapper) -> int:
        """Wraps every key anew under another key-encryption key; how many there are. Durable on return.

        The keys stay as they are, and so does what is wrapped under them. A crash before the file is renamed leaves the
        old one, wrapped as before. Raises ``NotFound`` where there are none, ``Unavailable`` from either keeper.
        """
        with held_alone(self._path):
            self._load()
            if not self._tenants:
                raise NotFound("there are no generation keys")
            tenants = {tenant: _rewrapped(tenant, keys, wrapper) for tenant, keys in self._tenants.items()}
            self._save(tenants, wrapper)
            self._tenants, self._wrapper = tenants, wrapper
        return sum(1 + len(keys.generations) for keys in tenants.values())

    def export(self, tenant: TenantId, number: int, recipient: RecoveryRecipient) -> bytes:
        """The generation key (and the content-id key) sealed to an offline recovery key: ``open_export`` reads it.

        Counted in the file, durably, before it is given out: a crash leaves one copy too many counted, never one too
        few. Raises ``NotFound``, ``Unavailable``.
        """
        with held_alone(self._path):
            self._load()
            held, generation = self._keys(tenant), self._generation(tenant, number)
            now = self._clock.now()
            content = GenerationExport(
                tenant, number, generation.created, now, recipient.fingerprint, generation.key, held.content_id_key
            )
            sealed = seal_export(content, recipient, self._entropy)
            counted = CountedExport(format_time(now), recipient.fingerprint, hashlib.sha256(sealed).hexdigest())
            made = replace(generation, exports=(*generation.exports, counted))
            self._put(tenant, replace(held, generations={**held.generations, number: made}))
        return sealed

    def take_back(self, content: GenerationExport, sha256: str) -> bool:
        """Puts an exported generation back where it is missing, durably; False where it is there already.

        ``sha256`` is the export's, which stays counted. Raises ``Conflict`` for a generation that was destroyed, or
        where another key has its number, ``Unavailable``.
        """
        tenant, number = content.tenant, content.number
        with held_alone(self._path):
            self._load()
            held = self._tenants.get(tenant)
            if held is None:
                held = TenantKeys(
                    self._wrapper.wrap(content.content_id_key, content_id_context(tenant)), content.content_id_key
                )
            if any(each.number == number for each in held.destroyed):
                raise Conflict("this generation was destroyed: it does not come back")
            there = held.generations.get(number)
            same = there is None or hmac.compare_digest(there.key, content.key)
            if not same or not hmac.compare_digest(held.content_id_key, content.content_id_key):
                raise Conflict("another key is there under this number: the export is of another archive")
            if there is not None:
                return False
            wrapped = self._wrapper.wrap(content.key, generation_context(tenant, number))
            counted = CountedExport(format_time(content.exported), content.recipient, sha256)
            made = Generation(content.created, wrapped, content.key, (counted,))
            self._put(tenant, replace(held, generations={**held.generations, number: made}))
        return True

    def destroy(self, tenant: TenantId, number: int) -> DestroyedGeneration:
        """Ends a generation: its key is gone from the file, whose former contents are overwritten in several passes.
        What it returns names the exports, which people have to destroy. Safe to repeat, and to be repeated until it
        returns: a crash leaves the key in the file, or in a former content that the next call overwrites.

        **Whoever calls has proven that no object record that is to be kept uses the generation**: else it is lost.
        Raises ``Conflict`` for the newest generation, ``NotFound`` for one that never was, ``Unavailable``.
        """
        with held_alone(self._path):
            self._load()
            held = self._keys(tenant)
            for each in held.destroyed:
                if each.number == number:
                    sweep(self._path, self._entropy)
                    return each
            ended = self._generation(tenant, number)
            if number == max(held.generations):
                raise Conflict("the newest generation is in use: make another first", generation=number)
            gone = DestroyedGeneration(number, ended.created, format_time(self._clock.now()), ended.exports)
            left = {other: each for other, each in held.generations.items() if other != number}
            self._put(tenant, replace(held, generations=left, destroyed=(*held.destroyed, gone)))
        return gone

    def current(self, tenant: TenantId) -> int:
        """The generation that new records belong to; raises ``NotFound`` for a tenant without keys."""
        return max(self._keys(tenant).generations)

    def wrap_data_key(self, tenant: TenantId, generation: int, data_key: bytes, context: bytes) -> bytes:
        """Bound to ``context``: ``0x01 | AES-SIV (RFC 5297) of the data key``, 49 bytes; with approved algorithms only
        ``0x02 | AES key wrap (RFC 3394) of the data key`` under a key of its own for the context, 41 bytes.

        Deterministic: the same key in the same place wraps to the same bytes, so a repeated write repeats itself.
        """
        if len(data_key) != KEY_LENGTH:
            raise ValueError("a data key has 32 bytes")
        key = self._generation(tenant, generation)
        if self._approved_only:
            return _KEY_WRAP_VERSION + aes_key_wrap(key.wrapping_for(context), data_key)
        return _SIV_VERSION + key.wrapping.encrypt(data_key, [context])

    def unwrap_data_key(self, tenant: TenantId, generation: int, wrapped: bytes, context: bytes) -> bytes:
        """Raises ``NotFound`` where the generation is gone, ``IntegrityError`` for any other bytes or context."""
        key = self._generation(tenant, generation)
        try:
            if wrapped[:1] == _SIV_VERSION and len(wrapped) == WRAPPED_DATA_KEY_LENGTH:
                return key.wrapping.decrypt(wrapped[1:], [context])
            if wrapped[:1] == _KEY_WRAP_VERSION and len(wrapped) == 1 + 8 + KEY_LENGTH:
                return aes_key_unwrap(key.wrapping_for(context), wrapped[1:])
        except (InvalidTag, InvalidUnwrap) as error:
            raise IntegrityError("a wrapped data key is not authentic, or belongs to another object") from error
        raise IntegrityError("a wrapped data key has no known form")

    def authenticate(self, tenant: TenantId, generation: int, message: bytes) -> bytes:
        """HMAC-SHA-256 under a key derived from the generation's; compare with ``hmac.compare_digest``."""
        return hmac.digest(self._generation(tenant, generation).authentication, message, "sha256")

    def content_id(self, tenant: TenantId, sha256: bytes) -> bytes:
        """HMAC-SHA-256 of a plaintext's SHA-256 under the tenant's content-id key; outlives generations."""
        return hmac.digest(self._keys(tenant).content_id_key, sha256, "sha256")

    def _keys(self, tenant: TenantId) -> TenantKeys:
        try:
            return self._tenants[tenant]
        except KeyError as error:
            raise NotFound("the tenant has no generation keys") from error

    def _generation(self, tenant: TenantId, number: int) -> Generation:
        try:
            return self._keys(tenant).generations[number]
        except KeyError as error:
            raise NotFound("the generation key is gone or was never made", generation=number) from error

    def _put(self, tenant: TenantId, keys: TenantKeys) -> None:
        tenants = {**self._tenants, tenant: keys}
        self._save(tenants, self._wrapper)
        self._tenants = tenants  # only now: nothing is ever wrapped under a key that is not durable

    def _load(self) -> None:
        seen = _identity(self._path)
        try:
            with self._path.open("rb") as file:
                data = file.read(MAXIMUM_FILE + 1)
        except FileNotFoundError:
            return
        self._tenants, self._seen = read_generations(data, self._wrapper), seen

    def _save(self, tenants: dict[TenantId, TenantKeys], wrapper: KeyWrapper) -> None:
        replace_file(self._path, write_generations(tenants, wrapper), self._entropy)
        self._seen = _identity(self._path)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Of the file's present content: every replacement is another file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _rewrapped(tenant: TenantId, keys: TenantKeys, wrapper: KeyWrapper) -> TenantKeys:
    generations = {
        number: replace(each, wrapped=wrapper.wrap(each.key, generation_context(tenant, number)))
        for number, each in keys.generations.items()
    }
    content_id = wrapper.wrap(keys.content_id_key, content_id_context(tenant))
    return replace(keys, content_id_wrapped=content_id, generations=generations)
