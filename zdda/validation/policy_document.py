"""A validation policy as a document: TOML, with the schema ``schemas/validation-policy-v1.json``.

A document says what differs from the shipped default (``default-policy.toml``, which says everything). What no policy
may switch off has no member: that what is signed is found, intact and verified, that a path leads to an anchor, that
revocations and validity periods count.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from zdda.model.canonical_json import parse_json
from zdda.model.errors import InvalidInput
from zdda.validation.constraints import Level
from zdda.validation.policy import ValidationPolicy

FORMAT = "zdda-validation-policy/1"
MAXIMUM_LENGTH = 64 * 1024
_ITEMS = 200
_NAME = re.compile(r"[\x20-\x7e]{1,100}")
_IDENTIFIER = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,31}")
_USAGES = frozenset(
    {
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    }
)


class PolicyError(InvalidInput):
    """The document is no policy of a known version."""

    code = "validation-policy"


def read_policy(document: bytes) -> ValidationPolicy:
    """Raises ``PolicyError`` for a document that is too long, no TOML, of another form, or has unknown members."""
    if len(document) > MAXIMUM_LENGTH:
        raise PolicyError("a validation policy is too long")
    try:
        content = tomllib.loads(document.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise PolicyError("a validation policy is no TOML document") from error
    if content.pop("format", None) != FORMAT:
        raise PolicyError("not a validation policy of version 1")
    return _whole(content)


def read_canonical_policy(document: bytes) -> ValidationPolicy:
    """What ``ValidationPolicy.canonical`` of this or an earlier version wrote: members that it does not know of have
    their defaults, and the policy's digest is then another. Raises ``PolicyError``."""
    if len(document) > MAXIMUM_LENGTH:
        raise PolicyError("a validation policy is too long")
    try:
        content = parse_json(document, MAXIMUM_LENGTH)
    except (ValueError, RecursionError) as error:
        raise PolicyError("a validation policy is no JSON document") from error
    if not isinstance(content, dict):
        raise PolicyError("a validation policy is no JSON object")
    return _whole(content)


def _whole(content: dict[str, Any]) -> ValidationPolicy:
    if "name" not in content:
        raise PolicyError("a validation policy has no name")
    policy: ValidationPolicy = _read(ValidationPolicy(), content, "")
    return policy


def _read(default: Any, content: dict[str, Any], where: str) -> Any:
    """``default`` with the members that ``content`` gives."""
    hints = get_type_hints(type(default))
    given = {}
    for name, value in content.items():
        place = f"{where}{name}"
        if name not in hints or name not in {field.name for field in fields(default)}:
            raise PolicyError(f"a validation policy has an unknown member: {place[:80]!r}")
        given[name] = _value(getattr(default, name), hints[name], value, place)
    return replace(default, **given)


def _value(default: Any, kind: Any, value: Any, place: str) -> Any:
    if is_dataclass(default):
        if isinstance(value, dict):
            return _read(default, value, f"{place}.")
    elif kind is Level:
        if isinstance(value, str) and value in {level.value for level in Level}:
            return Level(value)
    elif kind is bool:
        if isinstance(value, bool):
            return value
    elif kind is str:
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
    elif isinstance(value, list) and len(value) <= _ITEMS and all(_is_item(place, item) for item in value):
        return frozenset(value)
    raise PolicyError(f"a validation policy has an unfit value: {place[:80]!r}")


def _is_item(place: str, item: object) -> bool:
    if not isinstance(item, str):
        return False
    return item in _USAGES if place.endswith(".key_usage") else _IDENTIFIER.fullmatch(item) is not None


def write_policy(policy: ValidationPolicy) -> str:
    """The whole policy as a document: every member, none left to the default."""
    lines = [f'format = "{FORMAT}"']
    _write(policy, "", lines)
    return "\n".join(lines) + "\n"


def _write(policy: Any, where: str, lines: list[str]) -> None:
    nested = []
    for field in fields(policy):
        value = getattr(policy, field.name)
        if is_dataclass(value):
            nested.append((f"{where}.{field.name}" if where else field.name, value))
        elif isinstance(value, bool):
            lines.append(f"{field.name} = {str(value).lower()}")
        elif isinstance(value, frozenset):
            lines.append(f"{field.name} = [{', '.join(chr(34) + item + chr(34) for item in sorted(value))}]")
        else:
            lines.append(f'{field.name} = "{value}"')
    for name, value in nested:
        lines += ["", f"[{name}]"]
        _write(value, name, lines)
