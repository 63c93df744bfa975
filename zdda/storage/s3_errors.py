"""What an S3 store's refusals and silences mean to the archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    SSLError,
)

from zdda.model.errors import ZddaError
from zdda.storage.store_errors import StoreBusy, StoreFull, StoreRefuses, StoreUnreachable, WriteNotKept

__all__ = [
    "StoreBusy",
    "StoreFull",
    "StoreRefuses",
    "StoreUnreachable",
    "WriteNotKept",
    "code_of",
    "meaning",
    "status_of",
    "translated",
]

_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "507", "XMinioStorageFull"})
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "TooManyRequests", "OperationAborted"})
_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "XAdminUserNotFound",
    }
)


def code_of(error: ClientError) -> str:
    """The code in the store's answer; the HTTP status for an answer without a body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def meaning(error: ClientError | BotoCoreError) -> ZddaError:
    """The archive's error for one of the client's. It names the store's code, never an address or a key."""
    if isinstance(error, ClientError):
        return _of_answer(code_of(error), status_of(error))
    if isinstance(error, SSLError):
        return StoreUnreachable("the store's certificate is not trusted")
    if isinstance(error, ConnectionError | HTTPClientError):
        return StoreUnreachable("the store does not answer, or not in time")
    return StoreUnreachable(f"the store's answer makes no sense ({type(error).__name__})")


def _of_answer(code: str, status: int) -> ZddaError:
    if code in _FULL or status == 507:
        return StoreFull("the store has no room")
    if code in _BUSY or status in (429, 500, 502, 503, 504):
        return StoreBusy(f"the store takes no requests for now ({code or status})")
    if code in _CREDENTIALS:
        return StoreRefuses(f"the store does not take the credentials ({code})")
    if code == "RequestTimeTooSkewed":
        return StoreRefuses("the store's clock and ours differ")
    if code == "NoSuchBucket":
        return StoreRefuses("the bucket is not there")
    if code in ("BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest"):
        return WriteNotKept(f"other bytes reached the store than were sent ({code})")
    return StoreRefuses(f"the store refuses ({code or status})")


@contextmanager
def translated() -> Iterator[None]:
    """Raises the archive's errors for the client's."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise meaning(error) from error
