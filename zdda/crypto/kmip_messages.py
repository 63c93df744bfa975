"""The few KMIP messages that the archive sends and reads: KMIP 1.4 (OASIS), clause 9, TTLV encoding.

An item is ``tag (3) | type (1) | length (4) | value``, padded to eight bytes; a structure's value is items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

LONGEST_MESSAGE = 64 * 1024
_DEEPEST = 8


class Tag(IntEnum):
    """Clause 9.1.3.1."""

    ATTRIBUTE = 0x420008
    ATTRIBUTE_NAME = 0x42000A
    ATTRIBUTE_VALUE = 0x42000B
    BATCH_COUNT = 0x42000D
    BATCH_ITEM = 0x42000F
    BLOCK_CIPHER_MODE = 0x420011
    CRYPTOGRAPHIC_ALGORITHM = 0x420028
    CRYPTOGRAPHIC_PARAMETERS = 0x42002B
    IV_COUNTER_NONCE = 0x42003D
    NAME_TYPE = 0x420054
    NAME_VALUE = 0x420055
    OBJECT_TYPE = 0x420057
    OPERATION = 0x42005C
    PROTOCOL_VERSION = 0x420069
    PROTOCOL_VERSION_MAJOR = 0x42006A
    PROTOCOL_VERSION_MINOR = 0x42006B
    REQUEST_HEADER = 0x420077
    REQUEST_MESSAGE = 0x420078
    REQUEST_PAYLOAD = 0x420079
    RESPONSE_MESSAGE = 0x42007B
    RESPONSE_PAYLOAD = 0x42007C
    RESULT_MESSAGE = 0x42007D
    RESULT_REASON = 0x42007E
    RESULT_STATUS = 0x42007F
    TEMPLATE_ATTRIBUTE = 0x420091
    UNIQUE_IDENTIFIER = 0x420094
    DATA = 0x4200C2
    TAG_LENGTH = 0x4200CE
    ADDITIONAL_DATA = 0x4200FE
    AUTHENTICATION_TAG = 0x4200FF


class Operation(IntEnum):
    """Clause 9.1.3.2.27."""

    CREATE = 0x01
    LOCATE = 0x08
    ACTIVATE = 0x12
    ENCRYPT = 0x1F
    DECRYPT = 0x20


class Reason(IntEnum):
    """Clause 9.1.3.2.29, those that are told apart."""

    ITEM_NOT_FOUND = 0x01
    AUTHENTICATION_NOT_SUCCESSFUL = 0x03
    OPERATION_NOT_SUPPORTED = 0x05
    PERMISSION_DENIED = 0x0C


_STRUCTURE, _INTEGER, _ENUMERATION, _TEXT, _BYTES = 0x01, 0x02, 0x05, 0x07, 0x08
_AES, _GCM, _UNINTERPRETED_TEXT, _SYMMETRIC_KEY, _ENCRYPT_AND_DECRYPT = 3, 9, 1, 2, 4 | 8


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure that was read: its items in their order. Values are structures, integers, texts, byte strings; other
    types of values are left out."""

    items: tuple[tuple[int, Structure | int | str | bytes], ...]

    def structures(self, tag: Tag) -> Iterator[Structure]:
        for found, value in self.items:
            if found == tag and isinstance(value, Structure):
                yield value

    def integer(self, tag: Tag) -> int | None:
        return next((value for found, value in self.items if found == tag and isinstance(value, int)), None)

    def texts(self, tag: Tag) -> list[str]:
        return [value for found, value in self.items if found == tag and isinstance(value, str)]

    def data(self, tag: Tag) -> bytes | None:
        return next((value for found, value in self.items if found == tag and isinstance(value, bytes)), None)


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one operation. ``reason`` is None for success; ``message`` is the server's, printable."""

    reason: int | None
    message: str
    payload: Structure


def request(operation: Operation, *payload: bytes) -> bytes:
    """One message with one operation (clause 6)."""
    version = _structure(
        Tag.PROTOCOL_VERSION, _integer(Tag.PROTOCOL_VERSION_MAJOR, 1), _integer(Tag.PROTOCOL_VERSION_MINOR, 4)
    )
    header = _structure(Tag.REQUEST_HEADER, version, _integer(Tag.BATCH_COUNT, 1))
    item = _structure(Tag.BATCH_ITEM, _enumeration(Tag.OPERATION, operation), _structure(Tag.REQUEST_PAYLOAD, *payload))
    return _structure(Tag.REQUEST_MESSAGE, header, item)


def locate(name: str) -> bytes:
    """Clause 4.9: which objects have this name?"""
    return request(Operation.LOCATE, _attribute("Name", _name(name)))


def create_key(name: str) -> bytes:
    """Clause 4.1: an AES key of 256 bits that encrypts and decrypts."""
    template = _structure(
        Tag.TEMPLATE_ATTRIBUTE,
        _attribute("Cryptographic Algorithm", _enumeration(Tag.ATTRIBUTE_VALUE, _AES)),
        _attribute("Cryptographic Length", _integer(Tag.ATTRIBUTE_VALUE, 256)),
        _attribute("Cryptographic Usage Mask", _integer(Tag.ATTRIBUTE_VALUE, _ENCRYPT_AND_DECRYPT)),
        _attribute("Name", _name(name)),
    )
    return request(Operation.CREATE, _enumeration(Tag.OBJECT_TYPE, _SYMMETRIC_KEY), template)


def activate(identifier: str) -> bytes:
    """Clause 4.19."""
    return request(Operation.ACTIVATE, _text(Tag.UNIQUE_IDENTIFIER, identifier))


def encrypt(identifier: str, data: bytes, nonce: bytes, additional: bytes, tag_length: int) -> bytes:
    """Clause 4.29: AES in Galois/Counter Mode."""
    return request(
        Operation.ENCRYPT,
        _text(Tag.UNIQUE_IDENTIFIER, identifier),
        _gcm(tag_length),
        _bytes(Tag.DATA, data),
        _bytes(Tag.IV_COUNTER_NONCE, nonce),
        _bytes(Tag.ADDITIONAL_DATA, additional),
    )


def decrypt(identifier: str, data: bytes, nonce: bytes, additional: bytes, tag: bytes) -> bytes:
    """Clause 4.30."""
    return request(
        Operation.DECRYPT,
        _text(Tag.UNIQUE_IDENTIFIER, identifier),
        _gcm(len(tag)),
        _bytes(Tag.DATA, data),
        _bytes(Tag.IV_COUNTER_NONCE, nonce),
        _bytes(Tag.ADDITIONAL_DATA, additional),
        _bytes(Tag.AUTHENTICATION_TAG, tag),
    )


def read_result(message: bytes) -> Result:
    """The one result of a response; raises ``ValueError`` for anything else."""
    root = _read(message, 0, len(message), 0)
    if len(root.items) != 1 or root.items[0][0] != Tag.RESPONSE_MESSAGE:
        raise ValueError("no response")
    (response,) = root.structures(Tag.RESPONSE_MESSAGE)
    items = list(response.structures(Tag.BATCH_ITEM))
    if len(items) != 1:
        raise ValueError("not one result")
    (item,) = items
    status = item.integer(Tag.RESULT_STATUS)
    if status is None:
        raise ValueError("no status")
    told = "".join(each for text in item.texts(Tag.RESULT_MESSAGE) for each in text if each.isprintable())[:200]
    payload = next(item.structures(Tag.RESPONSE_PAYLOAD), Structure(()))
    return Result(None if status == 0 else item.integer(Tag.RESULT_REASON) or 0x100, told, payload)


def message_length(header: bytes) -> int:
    """How many bytes follow the first eight; raises ``ValueError`` for what begins no response, or is too long."""
    length = int.from_bytes(header[4:8])
    if header[:4] != Tag.RESPONSE_MESSAGE.to_bytes(3) + bytes([_STRUCTURE]) or length > LONGEST_MESSAGE:
        raise ValueError("no response")
    return length


def _read(data: bytes, start: int, end: int, depth: int) -> Structure:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    items: list[tuple[int, Structure | int | str | bytes]] = []
    while start < end:
        if start + 8 > end:
            raise ValueError("an item is cut")
        tag, kind = int.from_bytes(data[start : start + 3]), data[start + 3]
        length = int.from_bytes(data[start + 4 : start + 8])
        start += 8
        if start + length > end:
            raise ValueError("an item is cut")
        value = data[start : start + length]
        if kind == _STRUCTURE:
            items.append((tag, _read(data, start, start + length, depth + 1)))
        elif kind in (_INTEGER, _ENUMERATION):
            if length != 4:
                raise ValueError("an integer of another size")
            items.append((tag, int.from_bytes(value)))
        elif kind == _TEXT:
            items.append((tag, value.decode("utf-8")))
        elif kind == _BYTES:
            items.append((tag, value))
        start += length + -length % 8
    if start != end:
        raise ValueError("an item is cut")
    return Structure(tuple(items))


def _item(tag: Tag, kind: int, value: bytes) -> bytes:
    return tag.to_bytes(3) + bytes([kind]) + len(value).to_bytes(4) + value + bytes(-len(value) % 8)


def _structure(tag: Tag, *items: bytes) -> bytes:
    return _item(tag, _STRUCTURE, b"".join(items))


def _integer(tag: Tag, value: int) -> bytes:
    return _item(tag, _INTEGER, value.to_bytes(4))


def _enumeration(tag: Tag, value: int) -> bytes:
    return _item(tag, _ENUMERATION, value.to_bytes(4))


def _text(tag: Tag, value: str) -> bytes:
    return _item(tag, _TEXT, value.encode("utf-8"))


def _bytes(tag: Tag, value: bytes) -> bytes:
    return _item(tag, _BYTES, value)


def _attribute(name: str, value: bytes) -> bytes:
    return _structure(Tag.ATTRIBUTE, _text(Tag.ATTRIBUTE_NAME, name), value)


def _name(name: str) -> bytes:
    parts: Sequence[bytes] = (_text(Tag.NAME_VALUE, name), _enumeration(Tag.NAME_TYPE, _UNINTERPRETED_TEXT))
    return _structure(Tag.ATTRIBUTE_VALUE, *parts)


def _gcm(tag_length: int) -> bytes:
    return _structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        _enumeration(Tag.BLOCK_CIPHER_MODE, _GCM),
        _enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, _AES),
        _integer(Tag.TAG_LENGTH, tag_length),
    )
