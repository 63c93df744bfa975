"""TSTInfo (RFC 3161 clause 2.4.2): plain ones by their lengths, others by asn1crypto, with the same result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from asn1crypto import tsp

from zdda.signatures import der as tlv
from zdda.signatures.cms_plain import NotPlain, plain_items
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import digest_name, dotted

_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_MANDATORY = [_INTEGER, _OID, _SEQUENCE, _INTEGER, 0x18]
_NONCE = _INTEGER
# accuracy, ordering, nonce, tsa, extensions: each may be absent, none comes out of turn.
_OPTIONAL = (_SEQUENCE, 0x01, _NONCE, 0xA0, 0xA1)
_MOMENT = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z")


@dataclass(frozen=True, slots=True)
class TstInfo:
    """``gen_time``: aware, UTC. ``hash_algorithm``: as ``hashlib`` names it. ``policy``: dotted."""

    gen_time: datetime
    hash_algorithm: str
    imprint: bytes
    policy: str
    nonce: int | None
    serial: int


def read_tst_info(content: bytes) -> TstInfo:
    """Raises ``FormatError`` where it is none."""
    try:
        return plain_tst_info(content)
    except NotPlain:
        return unplain_tst_info(content)


def plain_tst_info(content: bytes) -> TstInfo:
    """Raises ``NotPlain``."""
    try:
        (whole,) = plain_items(content, 0, len(content))
        parts = plain_items(content, whole[2], whole[3])
        if whole[0] != _SEQUENCE or [part[0] for part in parts[:5]] != _MANDATORY:
            raise NotPlain
        _, policy, imprint, serial, moment = parts[:5]
        nonce = None
        left = list(_OPTIONAL)
        for part in parts[5:]:
            while left.pop(0) != part[0]:
                pass
            if part[0] == _NONCE:
                nonce = _number(content[part[2] : part[3]])
        algorithm, digest = plain_items(content, imprint[2], imprint[3])
        kind, *parameters = plain_items(content, algorithm[2], algorithm[3], 2)
        time = _MOMENT.fullmatch(content, moment[2], moment[3])
        if time is None or (algorithm[0], digest[0], kind[0]) != (_SEQUENCE, _OCTETS, _OID):
            raise NotPlain
        if parameters and content[parameters[0][1] : parameters[0][3]] != b"\x05\x00":
            raise NotPlain
        year, month, day, hour, minute, second = map(int, time.groups())
        return TstInfo(
            gen_time=datetime(year, month, day, hour, minute, second, tzinfo=UTC),
            hash_algorithm=digest_name(dotted(content[kind[1] : kind[3]])),
            imprint=content[digest[2] : digest[3]],
            policy=dotted(content[policy[1] : policy[3]]),
            nonce=nonce,
            serial=_number(content[serial[2] : serial[3]]),
        )
    except (IndexError, ValueError, FormatError, OverflowError) as error:
        raise NotPlain from error


def _number(contents: bytes) -> int:
    if not contents:
        raise NotPlain
    return int.from_bytes(contents, signed=True)


def unplain_tst_info(content: bytes) -> TstInfo:
    """By asn1crypto. Raises ``FormatError``."""
    try:
        info = tsp.TSTInfo.load(content, strict=True)
        imprint = info["message_imprint"]
        gen_time: datetime = info["gen_time"].native
        return TstInfo(
            hash_algorithm=digest_name(imprint["hash_algorithm"]["algorithm"].dotted),
            gen_time=tlv.in_utc(gen_time),
            imprint=bytes(imprint["hashed_message"]),
            policy=str(info["policy"].dotted),
            nonce=None if info["nonce"].native is None else int(info["nonce"].native),
            serial=int(info["serial_number"].native),
        )
    except FormatError:
        raise
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:  # a parser of hostile bytes raises whatever it likes
        raise FormatError("a TSTInfo cannot be read") from error
