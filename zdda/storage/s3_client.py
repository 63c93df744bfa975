"""The client of an S3 store, set up alike everywhere; it reads neither the environment nor files of the user's."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfigValueStore, ConstantProvider
from botocore.loaders import Loader

from zdda.storage.s3_errors import translated

LAST_ATTEMPTS = 10
"""The most that one call is tried."""
_DEFAULTS = {name: ConstantProvider(known[2]) for name, known in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
"""The client's own defaults, and nothing of what it would read elsewhere."""
_MODELS = Loader()
"""The descriptions of the interface: read once for all clients."""


@dataclass(frozen=True, slots=True)
class S3Address:
    """One bucket and how to reach it. ``certificate_authorities``: a PEM file; None: the ones that Python ships.
    Times in seconds; ``attempts``: how often one call is tried, with growing pauses of a few seconds."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    certificate_authorities: Path | None = None
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    attempts: int = 4
    connections: int = 32

    def __repr__(self) -> str:
        return f"S3Address({self.endpoint!r}, {self.bucket!r})"


def connect(address: S3Address) -> Any:
    """The client; nothing is asked yet. Payloads are signed, checksums of the client's own choosing are not sent:
    what a store accepts without verifying is no protection."""
    session = botocore.session.Session()
    session.register_component("config_store", ConfigValueStore(_DEFAULTS))
    session.register_component("data_loader", _MODELS)
    config = Config(
        signature_version="s3v4",
        connect_timeout=address.connect_seconds,
        read_timeout=address.read_seconds,
        max_pool_connections=address.connections,
        retries={"mode": "standard", "total_max_attempts": min(address.attempts, LAST_ATTEMPTS)},
        s3={"addressing_style": "path", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies={},
        ignore_configured_endpoint_urls=True,
        tcp_keepalive=True,
    )
    with translated():
        return boto3.session.Session(botocore_session=session).client(
            "s3",
            endpoint_url=address.endpoint,
            region_name=address.region,
            aws_access_key_id=address.access_key,
            aws_secret_access_key=address.secret_key,
            verify=str(address.certificate_authorities) if address.certificate_authorities else True,
            config=config,
        )


def content_md5(data: bytes) -> str:
    """The Content-MD5 header: against accidents on the way, and asked for by S3 wherever a lock is set; nothing rests
    on its strength."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")
