"""Where things lie in a container and in the package folder inside it. Add, never move."""

from __future__ import annotations

from zdda.packaging.errors import UnsupportedPackage
from zdda.packaging.manifest import MANIFEST_NAME, SEAL_NAME
from zdda.packaging.media_types import ending
from zdda.packaging.mets import REPRESENTATION, REPRESENTATION_METS, ROOT_METS

MIMETYPE_NAME = "mimetype"
MIMETYPE = b"application/vnd.etsi.asic-e+zip"
FRONT = (MIMETYPE_NAME, MANIFEST_NAME, SEAL_NAME)
"""The first members of every container; all others follow in ascending order of their names."""

DUBLIN_CORE = "metadata/descriptive/dublin-core.xml"
SUBMISSION = "metadata/descriptive/submission.json"
PREMIS = "metadata/preservation/premis.xml"
DEPOSIT = "metadata/other/deposit.json"
CONTAINER_INDEX = "metadata/other/container-index.json"

STORED_ALWAYS = (ROOT_METS, CONTAINER_INDEX)
"""Beside ``FRONT``: what is needed before the container index is read, or depends on it."""

__all__ = [
    "CONTAINER_INDEX",
    "DEPOSIT",
    "DUBLIN_CORE",
    "FRONT",
    "MANIFEST_NAME",
    "MIMETYPE",
    "MIMETYPE_NAME",
    "PREMIS",
    "REPRESENTATION_METS",
    "ROOT_METS",
    "SEAL_NAME",
    "STORED_ALWAYS",
    "SUBMISSION",
    "VALIDATION_DATA_TYPES",
    "document_path",
    "report_path",
    "validation_data_path",
]

VALIDATION_DATA_TYPES = {
    "certificate": "application/pkix-cert",
    "crl": "application/pkix-crl",
    "ocsp": "application/ocsp-response",
    "timestamp": "application/vnd.etsi.timestamp-token",
    "rules": "application/json",
}
_VALIDATION_DATA = "metadata/other/validation/data/"


def document_path(number: int, media_type: str) -> str:
    """``representations/rep1/data/0001.pdf`` …: our name, the ending from the media type."""
    return f"representations/{REPRESENTATION}/data/{number:04d}.{ending(media_type)}"


def report_path(number: int) -> str:
    """The validation report of document ``number``."""
    return f"metadata/other/validation/{number:04d}.json"


def validation_data_path(role: str, sha256: bytes) -> str:
    """A piece of validation data, named by its digest; raises :class:`UnsupportedPackage` for an unknown role."""
    if role not in VALIDATION_DATA_TYPES:
        raise UnsupportedPackage("validation data are certificates, CRLs, OCSP responses, timestamps or rules")
    return f"{_VALIDATION_DATA}{sha256.hex()}.{ending(VALIDATION_DATA_TYPES[role])}"


def validation_data_role(path: str) -> str | None:
    """The role of the file at ``path``, or ``None`` where it is not a piece of validation data."""
    if not path.startswith(_VALIDATION_DATA):
        return None
    found = path.rpartition(".")[2]
    return next((role for role, kind in VALIDATION_DATA_TYPES.items() if ending(kind) == found), None)
