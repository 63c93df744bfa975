"""An SSH server of paramiko's that knows one user by a password, and whose SFTP can do nothing."""

from __future__ import annotations

import socket
import threading
from typing import Any, Self

import paramiko


class PasswordServer:
    """Listens on a port of the loopback interface until the ``with`` ends."""

    def __init__(self, user: str, password: str) -> None:
        self._known = (user, password)
        self._key = paramiko.ECDSAKey.generate()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._transports: list[paramiko.Transport] = []
        self.port: int = self._socket.getsockname()[1]
        self.host_key = f"{self._key.get_name()} {self._key.get_base64()}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()
        for each in self._transports:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(accepted)
            transport.add_server_key(self._key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer)
            self._transports.append(transport)
            transport.start_server(event=threading.Event(), server=_Door(self._known))


class _Door(paramiko.ServerInterface):
    def __init__(self, known: tuple[str, str]) -> None:
        self._known = known

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if (username, password) == self._known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> Any:
        return paramiko.OPEN_SUCCEEDED
