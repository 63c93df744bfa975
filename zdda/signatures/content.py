"""What a CMS signature is over: content in memory, or a stream beside it. Every digest is made once."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from zdda.signatures import cms
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import new_digest

MAXIMUM_CANDIDATES = 256
_BLOCK = 1 << 20


class Content:
    """``data`` is None for a stream, which is read in blocks and never held whole."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        self.data = source if isinstance(source, bytes) else None
        self._stream = None if isinstance(source, bytes) else source
        self._digests: dict[str, bytes] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Makes several digests in one pass; names that are not available are left out."""
        values: dict[str, Any] = {}
        for name in names:
            if name in self._digests:
                continue
            try:
                values[name] = new_digest(name)
            except FormatError:
                continue
        if not values:
            return
        for block in self._blocks():
            for value in values.values():
                value.update(block)
        self._digests.update({name: value.digest() for name, value in values.items()})

    def digest(self, name: str) -> bytes:
        """Raises ``FormatError`` where the digest algorithm is not available."""
        if name not in self._digests:
            new_digest(name)
            self.prepare((name,))
        return self._digests[name]

    def feed(self, value: Any) -> None:
        """Updates a ``hashlib`` object with the whole content."""
        for block in self._blocks():
            value.update(block)

    def _blocks(self) -> Iterator[bytes]:
        if self._stream is None:
            yield self.data or b""
            return
        self._stream.seek(0)
        while block := self._stream.read(_BLOCK):
            yield block


@dataclass(frozen=True, slots=True)
class Detached:
    """Candidates for content that a message does not hold. ``guessed``: nobody said that they are its content; a
    single one that does not match is then not the content, else it is content that was changed."""

    streams: Sequence[BinaryIO] = ()
    guessed: bool = False

    @property
    def certain(self) -> BinaryIO | None:
        return self.streams[0] if len(self.streams) == 1 and not self.guessed else None


def choose_content(
    signed: cms.SignedData, detached: Detached, verifies: Callable[[cms.Signer, Content], bool]
) -> Content | None:
    """The content that ``signed`` is over: its own; else the only candidate, unless guessed; else the first candidate
    whose digest a signer names, or, where a signer names none, for which ``verifies(signer, content)``. None where
    there is none.
    """
    if signed.content is not None:
        content = Content(signed.content)
        content.prepare(signer.digest_algorithm for signer in signed.signers)
        return content
    if detached.certain is not None:
        content = Content(detached.certain)
        content.prepare(("sha256", *(signer.digest_algorithm for signer in signed.signers)))
        return content
    for candidate in detached.streams[:MAXIMUM_CANDIDATES]:
        content = Content(candidate)
        content.prepare(("sha256", *(signer.digest_algorithm for signer in signed.signers)))
        if any(_is_named(signer, content, verifies) for signer in signed.signers):
            return content
    return None


def _is_named(signer: cms.Signer, content: Content, verifies: Callable[[cms.Signer, Content], bool]) -> bool:
    try:
        if signer.signed_attributes is None:
            return verifies(signer, content)
        claimed = cms.message_digest(signer)
        return claimed is not None and hmac.compare_digest(claimed, content.digest(signer.digest_algorithm))
    except FormatError:
        return False


def differs(own: bytes, detached: Detached) -> bool:
    """Whether the caller named content, and other content than that which the message holds."""
    if detached.guessed or not detached.streams:
        return False
    for candidate in detached.streams[:MAXIMUM_CANDIDATES]:
        content = Content(candidate)
        content.prepare(("sha256",))
        if hmac.compare_digest(content.digest("sha256"), hashlib.sha256(own).digest()):
            return False
    return True
