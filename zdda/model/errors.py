"""Errors with a stable code: what a caller, a log line and a problem document all name alike."""

from __future__ import annotations

from datetime import timedelta


class ZddaError(Exception):
    """Base of every error the archive raises on purpose.

    ``code`` is stable for ever (it becomes the problem type); the message is for a person and
    holds no patient data, no document names and no secrets.
    """

    code = "internal"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class InvalidInput(ZddaError):
    """What the caller sent is wrong; sending it again unchanged cannot help."""

    code = "invalid-input"


class NotFound(ZddaError):
    """Nothing of that name exists for this tenant."""

    code = "not-found"


class PackageDestroyed(NotFound):
    """It was here, and was destroyed when its time was over: it does not come back."""

    code = "package-destroyed"


class Conflict(ZddaError):
    """The call contradicts the present state."""

    code = "conflict"


class Unavailable(ZddaError):
    """A part is out of reach for now; the same call may succeed later."""

    code = "unavailable"


class DueLater(Unavailable):
    """What is missing is due after ``wait``: before that, asking again is of no use."""

    code = "due-later"

    def __init__(self, message: str, wait: timedelta, **details: object) -> None:
        super().__init__(message, **details)
        self.wait = wait


class IntegrityError(ZddaError):
    """Bytes are not what they are said to be."""

    code = "integrity"


class FencedOff(ZddaError):
    """Another worker holds this work now: give it up, write nothing more."""

    code = "fenced-off"
