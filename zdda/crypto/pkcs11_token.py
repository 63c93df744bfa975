"""A key token behind PKCS#11: one session of a token, used by one thread at a time, opened again after errors.

Cryptoki is one for a process: initialising it anew ends every session, a login holds for all sessions of a token. So
all callers of a module share one lock, and all of a token one session.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zdda.crypto.secret_file import SecretUnreadable, secret_from_file
from zdda.model.errors import Unavailable

if TYPE_CHECKING:  # the library is loaded only where the settings name a token
    from pkcs11 import ObjectClass, Session, Token

T = TypeVar("T")
_MAXIMUM_PIN = 256


class TokenAway(Unavailable):
    """The module cannot be loaded, or no token with this label answers."""

    code = "key-token-away"


class TokenSlow(Unavailable):
    """The token did not answer within the time that the settings give it."""

    code = "key-token-slow"


class PinRefused(Unavailable):
    """The token refuses the PIN. It is not tried again: a token locks itself after a few wrong ones."""

    code = "key-token-pin"


class KeyMissing(Unavailable):
    """The token answers and has no key of this name, or several, or one that is not fit."""

    code = "key-token-key"


class MechanismMissing(Unavailable):
    """The token cannot do what is asked of its key."""

    code = "key-token-mechanism"


class TokenFailed(Unavailable):
    """The token answers with another error, or with what is not right."""

    code = "key-token-failed"


class OpenedToken:
    """A session that is logged in. For one thread at a time, within ``Pkcs11Token.call``."""

    def __init__(self, token: Token, session: Session) -> None:
        self.token = token
        self.session = session
        self._keys: dict[tuple[str, ObjectClass], Any] = {}

    def key(self, label: str, kind: ObjectClass) -> Any:
        """The one key of this kind that has the label; raises ``KeyMissing`` without it, and where the token would
        give it away."""
        if (label, kind) not in self._keys:
            import pkcs11
            from pkcs11 import Attribute

            # a session that is gone fails here: a search that cannot even begin leaves something for the collector
            with suppress(pkcs11.RandomNoRNG, pkcs11.FunctionNotSupported):
                self.session.generate_random(64)
            # read to its end: a search that is left open is closed whenever the garbage collector comes by
            keys: list[Any] = list(self.session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))
            if len(keys) != 1:
                raise KeyMissing(f"the token has {'several keys' if keys else 'no key'} {label}")
            found = keys[0]
            if not found[Attribute.SENSITIVE] or found[Attribute.EXTRACTABLE]:
                raise KeyMissing(f"the key {label} can be taken out of the token: make one that is sensitive and stays")
            self._keys[label, kind] = found
        return self._keys[label, kind]


class Pkcs11Token:
    """The token with ``label`` behind the PKCS#11 ``module`` (a shared library).

    ``pin`` is asked at each login, so that a PIN in a file may change. A call waits ``timeout`` seconds for its turn
    and as long for the answer.
    """

    def __init__(self, module: Path, label: str, pin: Callable[[], str], timeout: float) -> None:
        self._module = str(module)
        self._label = label
        self._pin = pin
        self._timeout = timeout

    def call(self, work: Callable[[OpenedToken], T]) -> T:
        """What ``work`` gives with the opened token. It is done a second time, with everything opened anew, where it
        fails the first time: the token may have been away meanwhile.

        Raises ``TokenAway``, ``TokenSlow``, ``PinRefused``, ``KeyMissing``, ``MechanismMissing``, ``TokenFailed``.
        """
        module = _module(self._module)
        if not module.lock.acquire(timeout=self._timeout):
            raise TokenSlow("the token is still busy with an earlier call")
        answer: Future[T] = Future()

        def run() -> None:
            # a call that hangs in the module keeps the lock: whoever comes after it is told so in time
            try:
                answer.set_result(self._done(module, work))
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                answer.set_exception(error)
            finally:
                module.lock.release()

        try:
            threading.Thread(target=run, name="key-token", daemon=True).start()
        except RuntimeError:
            module.lock.release()
            raise TokenAway("no thread can be had for the token") from None
        try:
            return answer.result(self._timeout)
        except TimeoutError:
            raise TokenSlow("the token does not answer in time") from None

    def _done(self, module: _Module, work: Callable[[OpenedToken], T]) -> T:
        import pkcs11

        mechanism = (
            pkcs11.MechanismInvalid,
            pkcs11.MechanismParamInvalid,
            pkcs11.FunctionNotSupported,
            pkcs11.KeyTypeInconsistent,
            pkcs11.KeySizeRange,
        )
        failed: Exception
        for again in (False, True):
            try:
                if again:
                    module.renew()
                return work(module.opened(self._label, self._pin))
            except mechanism as error:
                raise MechanismMissing(f"the token cannot do this ({_named(error)})") from error
            except (pkcs11.PKCS11Error, TokenAway, KeyMissing) as error:
                failed = error
        if isinstance(failed, Unavailable):
            raise failed
        raise TokenFailed(f"the token fails ({_named(failed)})") from failed


@dataclass(slots=True)
class _Login:
    pin: str = field(repr=False)
    opened: OpenedToken
    known: set[Callable[[], str]]
    """Those who gave the PIN that was logged in with."""


class _Module:
    """One shared library with its sessions. Everything but ``lock`` is for its holder."""

    def __init__(self, path: str, forked: bool) -> None:
        self.lock = threading.Lock()
        self._path = path
        self._stale = forked
        self._logins: dict[str, _Login] = {}
        self._refused: dict[str, str] = {}

    def opened(self, label: str, pin: Callable[[], str]) -> OpenedToken:
        login = self._logins.get(label)
        if login is not None and pin in login.known:
            return login.opened
        given = pin()
        if login is not None and login.pin != given:
            self.renew()  # a login holds for every session: nobody shall get in by another's PIN
            login = None
        if self._refused.get(label) == given:
            raise PinRefused("the token has refused this PIN")
        if login is None:
            login = self._logins[label] = _Login(given, self._login(label, given), set())
        login.known.add(pin)
        return login.opened

    def renew(self) -> None:
        """Ends every session and starts Cryptoki anew: only so are tokens found that came after its start."""
        self._logins.clear()
        self._stale = True

    def _library(self) -> Any:
        import pkcs11

        library = pkcs11.lib(self._path)
        if self._stale:
            with suppress(pkcs11.PKCS11Error):  # a child process is not initialised, says the standard
                library.finalize()
            library.initialize()
            self._stale = False
        return library

    def _login(self, label: str, pin: str) -> OpenedToken:
        import pkcs11

        wrong = (
            pkcs11.PinIncorrect,
            pkcs11.PinInvalid,
            pkcs11.PinLenRange,
            pkcs11.PinExpired,
            pkcs11.PinLocked,
            pkcs11.UserPinNotInitialized,
        )
        try:
            token = self._library().get_token(token_label=label)
            return OpenedToken(token, token.open(user_pin=pin))
        except wrong as error:
            self._refused[label] = pin
            self.renew()
            raise PinRefused(f"the token refuses the PIN ({_named(error)})") from None
        except pkcs11.NoSuchToken:
            raise TokenAway(f"no token {label} is there") from None
        except pkcs11.MultipleTokensReturned:
            raise TokenAway(f"several tokens are labelled {label}") from None
        except (pkcs11.PKCS11Error, OSError) as error:
            raise TokenAway(f"the token {label} cannot be opened ({_named(error)})") from error


_modules: dict[str, _Module] = {}
_modules_lock = threading.Lock()
_forked = False


def _module(path: str) -> _Module:
    with _modules_lock:
        return _modules.setdefault(path, _Module(path, _forked))


def _after_fork() -> None:
    """In a child nothing of the parent's sessions is used: it opens its own."""
    global _modules_lock, _forked
    _modules_lock = threading.Lock()
    _modules.clear()
    _forked = True


os.register_at_fork(after_in_child=_after_fork)


def _named(error: Exception) -> str:
    return type(error).__name__


def pin_from_file(path: Path) -> str:
    """The PIN: the first line of a file that only its owner may read. Raises ``PinRefused``, which never shows it."""
    try:
        return secret_from_file(path, "the token's PIN", _MAXIMUM_PIN)
    except SecretUnreadable as error:
        raise PinRefused(str(error)) from None
