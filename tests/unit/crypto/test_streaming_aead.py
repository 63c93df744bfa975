from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import streaming_aead as tink_streaming
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from zdda.crypto.streaming_aead import (
    PLAINTEXT_PER_SEGMENT,
    DecryptingReader,
    EncryptingWriter,
    ciphertext_length,
)
from zdda.model.errors import IntegrityError

GOLDEN = Path(__file__).parents[2] / "golden" / "crypto"
KEY, SALT, PREFIX, AAD = bytes(range(32)), bytes(range(32, 64)), b"prefix7", b"zdda/1|t|p|aip|0"
SEGMENT = 1024 * 1024
FIRST = PLAINTEXT_PER_SEGMENT - 40
SIZES = [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + PLAINTEXT_PER_SEGMENT, 3 * SEGMENT + 7]


def content(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


@cache
def encrypted(size: int) -> bytes:
    sink = io.BytesIO()
    with EncryptingWriter(sink, KEY, AAD, SALT, PREFIX) as writer:
        writer.write(content(size))
    return sink.getvalue()


def decrypt(data: bytes, key: bytes = KEY, aad: bytes = AAD) -> bytes:
    return DecryptingReader(io.BytesIO(data), key, aad).read()


@cache
def oracle() -> tink_streaming.StreamingAead:
    """Tink's own primitive over our key."""
    tink_streaming.register()
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=SEGMENT, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, params=parameters, key_value=KEY)
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=key.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    from tink import cleartext_keyset_handle

    handle = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset.SerializeToString()))
    return handle.primitive(tink_streaming.StreamingAead)


@pytest.mark.parametrize("size", SIZES)
def test_tink_reads_what_we_write(size: int) -> None:
    with oracle().new_decrypting_stream(io.BytesIO(encrypted(size)), AAD) as stream:
        assert stream.read() == content(size)


@pytest.mark.parametrize("size", SIZES)
def test_we_read_what_tink_writes(size: int) -> None:
    class Kept(io.BytesIO):
        def close(self) -> None:
            """Tink closes what it writes into."""

    sink = Kept()
    with oracle().new_encrypting_stream(sink, AAD) as stream:
        stream.write(content(size))
    assert decrypt(sink.getvalue()) == content(size)


@pytest.mark.parametrize("size", SIZES)
def test_the_length_is_known_beforehand(size: int) -> None:
    assert ciphertext_length(size) == len(encrypted(size))
    assert DecryptingReader(io.BytesIO(encrypted(size)), KEY, AAD).length == size


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3 * SEGMENT + 20), st.integers(0, SEGMENT)), max_size=8))
def test_any_range_is_what_was_written(ranges: list[tuple[int, int]]) -> None:
    reader = DecryptingReader(io.BytesIO(encrypted(3 * SEGMENT + 7)), KEY, AAD, cached_segments=1)
    whole = content(3 * SEGMENT + 7)
    for start, length in ranges:
        reader.seek(start)
        assert reader.read(length) == whole[start : start + length]


def test_chunking_does_not_matter() -> None:
    sink = io.BytesIO()
    with EncryptingWriter(sink, KEY, AAD, SALT, PREFIX) as writer:
        for start in range(0, SIZES[-1], 77_777):
            writer.write(content(SIZES[-1])[start : start + 77_777])
    assert sink.getvalue() == encrypted(SIZES[-1])


def altered() -> dict[str, bytes]:
    whole = encrypted(3 * SEGMENT + 7)
    segments = [whole[start : start + SEGMENT] for start in range(0, len(whole), SEGMENT)]
    return {
        "last segment gone": b"".join(segments[:-1]),
        "last byte gone": whole[:-1],
        "extended": whole + b"\0",
        "segments swapped": b"".join([segments[0], segments[2], segments[1], segments[3]]),
        "segment repeated": b"".join([segments[0], segments[1], segments[1], segments[2], segments[3]]),
        "header length": b"\x29" + whole[1:],
        "salt": whole[:1] + bytes([whole[1] ^ 1]) + whole[2:],
        "nonce prefix": whole[:33] + bytes([whole[33] ^ 1]) + whole[34:],
        "a byte in the middle": whole[:SEGMENT] + bytes([whole[SEGMENT] ^ 1]) + whole[SEGMENT + 1 :],
        "empty": b"",
        "only a header": whole[:40],
    }


@pytest.mark.parametrize("kind", list(altered()))
def test_altered_bytes_are_never_read(kind: str) -> None:
    with pytest.raises(IntegrityError):
        decrypt(altered()[kind])


def test_another_key_or_name_opens_nothing() -> None:
    with pytest.raises(IntegrityError):
        decrypt(encrypted(1), key=bytes(32))
    with pytest.raises(IntegrityError):
        decrypt(encrypted(1), aad=b"zdda/1|t|p|aip|1")


def test_a_writer_that_is_closed_takes_nothing_more() -> None:
    writer = EncryptingWriter(io.BytesIO(), KEY, AAD, SALT, PREFIX)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")


def test_the_stored_form_never_changes() -> None:
    golden = (GOLDEN / "streaming-aead-1.bin").read_bytes()
    assert encrypted(100) == golden
    assert decrypt(golden) == content(100)
