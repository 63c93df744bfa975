"""HTTP Basic (RFC 7617) against the archive's accounts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request

from zdda.api.threads import Threads
from zdda.identity.accounts import Account, Role
from zdda.model.errors import ZddaError

_AT_ONCE = 4
"""Passwords checked at once: a check costs 64 MiB and a core on purpose."""


class Unauthenticated(ZddaError):
    """No credentials, or wrong ones."""

    code = "unauthenticated"


class Forbidden(ZddaError):
    """The account lacks the role."""

    code = "forbidden"


class Authenticator(Protocol):
    """Checks a name and a password; None when they do not belong together."""

    def verify(self, name: str, password: str) -> Account | None: ...


def requires(authenticator: Authenticator, *roles: Role) -> Callable[[Request], Awaitable[Account]]:
    """A dependency that gives the account, which must have one of ``roles``."""
    threads = Threads(_AT_ONCE)

    async def authenticate(request: Request) -> Account:
        name, password = _credentials(request.headers.get("authorization", ""))
        account = await threads.run(authenticator.verify, name, password)
        if account is None:
            raise Unauthenticated("the name or the password is wrong")
        if not account.roles & set(roles):
            raise Forbidden("this account has no role that may do this")
        return account

    return authenticate


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(value) > 4096:
        raise Unauthenticated("HTTP Basic credentials are needed")
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated("the credentials are not HTTP Basic") from error
    if not colon or not name or not password:
        raise Unauthenticated("the credentials are not HTTP Basic")
    return name, password
