"""Files of an SFTP server, through fsspec and paramiko: the server's key is pinned, every wait and answer is bounded.

Nothing is read of the user's own: no agent, no keys of ``~/.ssh``, no list of known hosts.
"""

from __future__ import annotations

import binascii
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.sftp import CMD_EXTENDED, CMD_EXTENDED_REPLY, SFTPError

from zdda.model.errors import InvalidInput, ZddaError
from zdda.storage.remote_files import FsspecFiles
from zdda.storage.store_errors import StoreFull, StoreRefuses, StoreUnreachable

_LARGEST_PACKET = 1024 * 1024
"""OpenSSH sends 256 KiB at most; paramiko itself would take 16 MiB for each of many answers."""
_AHEAD = 512 * 1024
"""Bytes asked for before the first of them is waited for."""
_SSH_PORT = 22
_KEEPALIVE = 30
logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it has to tell it also raises


@dataclass(frozen=True, slots=True)
class SftpAddress:
    """A folder of a server and how to reach it. ``host_keys``: each ``TYPE BASE64``, as in the server's ``.pub`` file;
    all of one type. ``key``: a file with the private key, ``password``: its passphrase, or, without a key, the user's
    password. Times in seconds."""

    host: str
    port: int
    user: str
    folder: str
    host_keys: tuple[str, ...]
    key: Path | None = None
    password: str = ""
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    connections: int = 4

    def __repr__(self) -> str:
        return f"SftpAddress({self.host!r}, {self.port}, {self.folder!r})"


def connect(address: SftpAddress) -> SftpFiles:
    """A connection; raises ``StoreUnreachable`` (also for a server with another key), ``StoreRefuses``,
    ``InvalidInput`` for a key in the settings that is none."""
    keys = [_host_key(each) for each in address.host_keys]
    try:
        return SftpFiles(_PinnedSystem(address, keys, skip_instance_cache=True))
    except paramiko.BadHostKeyException as error:
        raise StoreUnreachable("the server has another host key than the settings say") from error
    except paramiko.AuthenticationException as error:
        raise StoreRefuses("the server does not take the credentials") from error
    except paramiko.PasswordRequiredException as error:
        raise StoreRefuses("the private key wants a passphrase") from error
    except FileNotFoundError as error:
        raise StoreRefuses("the file with the private key is not there") from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise StoreUnreachable("the server does not answer, or not in time") from error


class SftpFiles(FsspecFiles):
    """See ``RemoteFiles``. ``rename`` is the server's own, which refuses an existing name; a written file is synced
    where the server knows ``fsync@openssh.com``."""

    lost = (EOFError, TimeoutError, ConnectionError, paramiko.SSHException, SFTPError)

    def alive(self) -> bool:
        transport = self._system.client.get_transport()
        return bool(transport is not None and transport.is_active() and not self._system.ftp.get_channel().closed)

    def close(self) -> None:
        self._system.client.close()

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        with self._asked():
            try:
                file = self._system.ftp.open(path, "wx")
            except OSError as error:
                if self._system.exists(path):
                    raise FileExistsError(path) from error
                raise
            with file:
                file.set_pipelined(True)
                for chunk in chunks:
                    file.write(chunk)
                self._wait_for_writes(file)
                self._sync(file)

    def rename(self, path: str, new: str) -> None:
        with self._asked():
            try:
                self._system.ftp.rename(path, new)
            except FileNotFoundError:
                raise
            except OSError as error:
                if self._system.exists(new):
                    raise FileExistsError(new) from error
                raise

    def _listing(self, folder: str) -> Iterable[dict[str, Any]]:
        for entry in self._system.ftp.listdir_iter(folder):
            told: dict[str, Any] = self._system._decode_stat(entry, folder)
            yield told

    def _read(self, path: str, start: int, size: int) -> bytes:
        with self._system.ftp.open(path, "rb") as file:
            there = file.stat().st_size or 0
            end, pieces = min(start + size, there), bytearray()
            while (position := start + len(pieces)) < end:
                (piece,) = file.readv([(position, min(_AHEAD, end - position))])
                if not piece:
                    raise EOFError
                pieces += piece
            return bytes(pieces)

    def _wait_for_writes(self, file: Any) -> None:
        """paramiko forgets the answers to what was written ahead, errors among them: they are read here."""
        while file._reqs:
            self._system.ftp._read_response(file._reqs.popleft())

    def _sync(self, file: Any) -> None:
        if not self._system.syncs:
            return
        try:
            self._system.ftp._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)
        except OSError as error:
            if "unsupported" not in str(error).lower():
                raise
            self._system.syncs = False

    def _meaning(self, error: Exception) -> ZddaError:
        """SFTP version 3 has one code for every failure: whether it was for want of room is asked."""
        if isinstance(error, OSError) and error.errno is None and self.alive() and self._full():
            return StoreFull("the store has no room")
        return super()._meaning(error)

    def _full(self) -> bool:
        try:
            kind, said = self._system.ftp._request(CMD_EXTENDED, "statvfs@openssh.com", self._system.folder)
            if kind != CMD_EXTENDED_REPLY:
                return False
            figures = [said.get_int64() for _ in range(5)]  # block size, fragment size, blocks, free, available
        except (OSError, *self.lost):
            return False
        return bool(figures[4] == 0)


class _BoundedClient(paramiko.SFTPClient):  # type: ignore[misc]
    """Takes no packet larger than a server has reason to send."""

    def _read_all(self, n: int) -> bytes:
        if n > _LARGEST_PACKET:
            raise SFTPError("a packet larger than any server sends")
        data: bytes = super()._read_all(n)
        return data


class _PinnedSystem(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's file system, connected to the server whose key we know and to no other."""

    cachable = False

    def __init__(self, address: SftpAddress, keys: list[paramiko.PKey], **options: Any) -> None:
        self._address, self._keys, self.syncs, self.folder = address, keys, True, address.folder
        super().__init__(address.host, host_key_policy="reject", **options)

    def _connect(self) -> None:
        address, client = self._address, paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        name = address.host if address.port == _SSH_PORT else f"[{address.host}]:{address.port}"
        for key in self._keys:
            client.get_host_keys().add(name, key.get_name(), key)
        try:
            client.connect(
                address.host,
                port=address.port,
                username=address.user,
                key_filename=str(address.key) if address.key else None,
                passphrase=address.password or None if address.key else None,
                password=address.password if not address.key else None,
                timeout=address.connect_seconds,
                banner_timeout=address.connect_seconds,
                auth_timeout=address.connect_seconds,
                channel_timeout=address.connect_seconds,
                allow_agent=False,
                look_for_keys=False,
            )
            transport = client.get_transport()
            if transport is None:
                raise EOFError
            transport.set_keepalive(_KEEPALIVE)
            self.ftp = _BoundedClient.from_transport(transport)
            self.ftp.get_channel().settimeout(address.read_seconds)
        except BaseException:
            client.close()
            raise
        self.client = client


def _host_key(text: str) -> paramiko.PKey:
    try:
        entry = HostKeyEntry.from_line(f"host {text.strip()}")
    except (InvalidHostKey, paramiko.SSHException, binascii.Error, ValueError) as error:
        raise InvalidInput("a host key in the settings is none") from error
    if entry is None or entry.key is None:
        raise InvalidInput("a host key in the settings is none")
    return entry.key
