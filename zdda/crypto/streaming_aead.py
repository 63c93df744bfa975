"""Streaming authenticated encryption, byte-compatible with Tink's ``AES256_GCM_HKDF_1MB``.

Source: Tink, "AES-GCM-HKDF Streaming AEAD"; construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance" (CRYPTO 2015), STREAM.

    ciphertext = header | segment 0 | segment 1 | …
    header     = 0x28 | salt (32 bytes) | nonce prefix (7 bytes)
    key        = HKDF-SHA-256(key, salt, info = associated data, 32 bytes)
    nonce i    = nonce prefix | i (4 bytes, big-endian) | 0x01 if the last segment, else 0x00
    segment i  = AES-256-GCM(key, nonce i, plaintext part, no AAD) with its 16-byte tag

Header and segment 0 make 1 MiB together, every further segment 1 MiB; only the last is shorter. A stream
cut, extended, reordered or spliced fails: position and end are in the nonce, salt and associated data in the
key. Deviation: an empty last segment after a full one is refused, Tink never writes it.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zdda.model.byte_stream import ByteStream
from zdda.model.errors import IntegrityError, Unavailable

if TYPE_CHECKING:
    from typing import Self

KEY_LENGTH = 32
SALT_LENGTH = 32
NONCE_PREFIX_LENGTH = 7
HEADER_LENGTH = 1 + SALT_LENGTH + NONCE_PREFIX_LENGTH
TAG_LENGTH = 16
SEGMENT_LENGTH = 1 << 20
PLAINTEXT_PER_SEGMENT = SEGMENT_LENGTH - TAG_LENGTH
MAXIMUM_SEGMENTS = 1 << 32


class Sink(Protocol):
    """Takes every byte it is given, or raises."""

    def write(self, data: bytes, /) -> object: ...


def ciphertext_length(length: int) -> int:
    """Bytes of ciphertext for ``length`` bytes of plaintext."""
    if length < 0:
        raise ValueError("a length is not negative")
    segments = max(1, -(-(length + HEADER_LENGTH) // PLAINTEXT_PER_SEGMENT))
    if segments > MAXIMUM_SEGMENTS:
        raise ValueError("longer than the format can hold")
    return HEADER_LENGTH + length + segments * TAG_LENGTH


def _cipher(key: bytes, salt: bytes, associated_data: bytes) -> AESGCM:
    if len(key) != KEY_LENGTH:
        raise ValueError("a data key has 32 bytes")
    return AESGCM(HKDF(SHA256(), KEY_LENGTH, salt, associated_data).derive(key))


def _nonce(prefix: bytes, segment: int, last: bool) -> bytes:
    return prefix + segment.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


class EncryptingWriter:
    """Encrypts what is written and passes it to ``sink``; holds at most one segment (1 MiB).

    Nothing is whole before ``close``, which writes the last segment and never closes the sink. As a context
    manager it closes at the end unless an exception passes through. One key, salt and nonce prefix together
    encrypt one plaintext only: the salt must be fresh.
    """

    def __init__(self, sink: Sink, key: bytes, associated_data: bytes, salt: bytes, nonce_prefix: bytes) -> None:
        if len(salt) != SALT_LENGTH or len(nonce_prefix) != NONCE_PREFIX_LENGTH:
            raise ValueError("a salt has 32 bytes, a nonce prefix 7")
        self._sink = sink
        self._cipher = _cipher(key, salt, associated_data)
        self._prefix = nonce_prefix
        self._segment = 0
        self._capacity = PLAINTEXT_PER_SEGMENT - HEADER_LENGTH
        self._pending = bytearray()
        self._closed = False
        sink.write(bytes([HEADER_LENGTH]) + salt + nonce_prefix)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes all of ``data``; raises ``ValueError`` after ``close``."""
        if self._closed:
            raise ValueError("the stream is closed")
        view = memoryview(data)
        while len(self._pending) + len(view) > self._capacity:
            room = self._capacity - len(self._pending)
            self._pending += view[:room]
            view = view[room:]
            self._flush(last=False)
        self._pending += view
        return len(data)

    def close(self) -> None:
        """Writes the last segment; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._flush(last=True)

    def _flush(self, last: bool) -> None:
        if self._segment >= MAXIMUM_SEGMENTS:
            raise ValueError("longer than the format can hold")
        self._sink.write(self._cipher.encrypt(_nonce(self._prefix, self._segment, last), self._pending, None))
        self._segment += 1
        self._capacity = PLAINTEXT_PER_SEGMENT
        self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        self._closed = True


class DecryptingReader(ByteStream, BinaryIO):
    """The plaintext of a ciphertext, readable and seekable; never gives a byte that is not authenticated.

    Opening authenticates the last segment, so a truncated or extended stream is known at once. ``read(n)``
    gives exactly ``n`` bytes unless the end comes first. Keeps ``cached_segments`` decrypted segments of 1 MiB.
    Raises ``IntegrityError`` for bytes that are not what was encrypted under this key and associated data,
    ``Unavailable`` where the source cannot be read. Not for several threads at once.
    """

    def __init__(
        self,
        source: BinaryIO,
        key: bytes,
        associated_data: bytes,
        *,
        owns_source: bool = False,
        cached_segments: int = 2,
    ) -> None:
        super().__init__()
        self._source = source
        self._owns_source = owns_source
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._cached_segments = max(1, cached_segments)
        self._position = 0
        try:
            self._ciphertext_length = source.seek(0, io.SEEK_END)
        except OSError as error:
            raise Unavailable("the source of a ciphertext cannot be read") from error
        self._segments = max(1, -(-self._ciphertext_length // SEGMENT_LENGTH))
        self.length = self._ciphertext_length - HEADER_LENGTH - self._segments * TAG_LENGTH
        last = self._ciphertext_length - (self._segments - 1) * SEGMENT_LENGTH
        shortest = HEADER_LENGTH + TAG_LENGTH if self._segments == 1 else TAG_LENGTH + 1
        if last < shortest or self._segments > MAXIMUM_SEGMENTS:
            raise IntegrityError("a ciphertext has an impossible length")
        header = self._fetch(0, HEADER_LENGTH)
        if header[0] != HEADER_LENGTH:
            raise IntegrityError("a ciphertext has no valid header")
        self._cipher = _cipher(key, header[1 : 1 + SALT_LENGTH], associated_data)
        self._prefix = header[1 + SALT_LENGTH :]
        self._plaintext(self._segments - 1)

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.length - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        parts: list[bytes] = []
        while wanted:
            part = self._at(self._position, wanted)
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._cache.clear()
            if self._owns_source:
                self._source.close()
        super().close()

    def _at(self, position: int, wanted: int) -> bytes:
        """At least one byte and at most ``wanted``, all from one segment."""
        segment, offset = divmod(position + HEADER_LENGTH, PLAINTEXT_PER_SEGMENT)
        if segment == 0:
            offset -= HEADER_LENGTH
        plaintext = self._plaintext(segment)
        if offset == 0 and wanted >= len(plaintext):
            return plaintext
        return plaintext[offset : offset + wanted]

    def _plaintext(self, segment: int) -> bytes:
        cached = self._cache.get(segment)
        if cached is not None:
            self._cache.move_to_end(segment)
            return cached
        start = segment * SEGMENT_LENGTH if segment else HEADER_LENGTH
        end = min((segment + 1) * SEGMENT_LENGTH, self._ciphertext_length)
        nonce = _nonce(self._prefix, segment, last=segment == self._segments - 1)
        while len(self._cache) >= self._cached_segments:
            self._cache.popitem(last=False)
        try:
            plaintext = self._cipher.decrypt(nonce, self._fetch(start, end - start), None)
        except InvalidTag as error:
            raise IntegrityError("a ciphertext segment is not authentic", segment=segment) from error
        self._cache[segment] = plaintext
        return plaintext

    def _fetch(self, start: int, length: int) -> bytes:
        parts: list[bytes] = []
        try:
            self._source.seek(start)
            while length:
                part = self._source.read(length)
                if not part:
                    raise IntegrityError("a ciphertext ends early")
                parts.append(part)
                length -= len(part)
        except OSError as error:
            raise Unavailable("the source of a ciphertext cannot be read") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)
