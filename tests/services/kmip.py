"""The server of PyKMIP, in a process of its own: a real key service, whose keys lie in a file of the test's folder."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.services.shared_service import free_port, listens
from zdda.crypto.kmip_key_wrapping import KmipAddress

_PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
from kmip.services.server.server import KmipServer
folder, port = sys.argv[1:]
server = KmipServer(
    hostname="127.0.0.1", port=int(port), certificate_path=f"{folder}/server.pem", key_path=f"{folder}/server.key",
    ca_path=f"{folder}/ca.pem", auth_suite="TLS1.2", config_path=None, log_path=f"{folder}/log/server.log",
    policy_path=folder, enable_tls_client_auth=True, logging_level="CRITICAL", database_path=f"{folder}/keys.db",
)
with server:
    server.serve()
"""


class KmipService:
    """The server and the archive's certificate for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _certificates(folder)
        (folder / "client.conf").write_text("[client]\n")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        log = (self.folder / "output").open("ab")
        command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, str(self.folder), str(self.port)]
        self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        log.close()
        for _ in range(300):
            if listens(self.port):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "output").read_text())

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session, with its helpers
            self._process.wait()
            self._process = None

    def address(self, key: str = "archive", client: str = "client", **other: Any) -> KmipAddress:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "key": key,
            "certificate": self.folder / f"{client}.pem",
            "private_key": self.folder / f"{client}.key",
            "certificate_authorities": self.folder / "ca.pem",
        }
        return KmipAddress(**{**values, **other})

    def settings(self, key: str) -> str:
        held = self.address(key)
        return (
            f'[keys.key_encryption_kmip]\nhost = "{held.host}"\nport = {held.port}\nkey = "{key}"\n'
            f'certificate = "{held.certificate}"\nprivate_key = "{held.private_key}"\n'
            f'certificate_authorities = "{held.certificate_authorities}"\n'
        )

    def put_key(self, name: str, key: bytes, active: bool = True, bits: int = 256) -> None:
        """By PyKMIP's own client."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from kmip.core import enums
            from kmip.pie.client import ProxyKmipClient
            from kmip.pie.objects import SymmetricKey

        logging.getLogger("kmip").setLevel(logging.CRITICAL)
        masks = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = ProxyKmipClient(
                "127.0.0.1",
                self.port,
                str(self.folder / "client.pem"),
                str(self.folder / "client.key"),
                str(self.folder / "ca.pem"),
                ssl_version="PROTOCOL_TLSv1_2",
                config_file=str(self.folder / "client.conf"),
            )
            with client:
                held = SymmetricKey(enums.CryptographicAlgorithm.AES, bits, key, masks, name)
                identifier = client.register(held)
                if active:
                    client.activate(identifier)


def _certificates(folder: Path) -> None:
    now, authority = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A key service's authority")])
    usages = {"ca": None, "server": "SERVER_AUTH", "client": "CLIENT_AUTH", "stranger": "CLIENT_AUTH"}
    for name, usage in usages.items():
        key = authority if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        subject = issuer if name == "ca" else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            issuer, subject, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
        if usage is not None:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
            purpose = getattr(ExtendedKeyUsageOID, usage)
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        made = builder.sign(authority, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture(scope="module")
def kmip_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KmipService]:
    service = KmipService(tmp_path_factory.mktemp("kmip"))
    yield service
    service.stop()
