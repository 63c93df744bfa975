"""What every section of the settings is made of."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

_LOOPBACK = frozenset({("http", "127.0.0.1"), ("http", "localhost"), ("http", "::1")})


class Section(BaseModel):
    """Every section refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def https_or_loopback(value: str) -> str:
    """An address that may be used: https, or http on the loopback interface. Raises ``ValueError``."""
    parts = urlsplit(value)
    if value and parts.scheme != "https" and (parts.scheme, parts.hostname) not in _LOOPBACK:
        raise ValueError("https, or http on the loopback interface")
    return value


def one_of(what: str, *given: Any) -> None:
    """Raises ``ValueError`` unless exactly one is given."""
    if sum(each is not None for each in given) != 1:
        raise ValueError(what)
