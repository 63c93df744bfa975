"""One generation of one tenant, sealed to an offline recovery key: CMS AuthEnvelopedData (RFC 5083).

Content encryption AES-256-GCM (RFC 5084), one recipient by RSAES-OAEP with SHA-256 (RFC 3560). Whoever has the recovery
key opens it with ``openssl cms -decrypt`` and no software of ours.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp  # noqa: F401 - tsp names content types before any is used
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from zdda.crypto.key_wrapping import KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import Entropy, format_time, parse_time
from zdda.model.errors import IntegrityError, InvalidInput
from zdda.model.identifiers import TenantId, tenant_id

FORMAT = "zdda-generation-export/1"
MINIMUM_RSA_BITS = 3072
MAXIMUM_EXPORT = 64 * 1024
_MEMBERS = frozenset({"contentIdKey", "created", "exported", "format", "key", "number", "recipient", "tenant"})


@dataclass(frozen=True, slots=True)
class GenerationExport:
    """What an export holds in the clear: two keys of 32 bytes. ``recipient`` is the SHA-256 of the recovery certificate
    (hex)."""

    tenant: TenantId
    number: int
    created: str
    exported: datetime
    recipient: str
    key: bytes = field(repr=False)
    content_id_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(
            {
                "format": FORMAT,
                "tenant": str(self.tenant),
                "number": self.number,
                "created": self.created,
                "exported": format_time(self.exported),
                "recipient": self.recipient,
                "key": base64.b64encode(self.key).decode("ascii"),
                "contentIdKey": base64.b64encode(self.content_id_key).decode("ascii"),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> GenerationExport:
        """Reads exactly what ``encode`` writes; raises ``ValueError``, ``KeyError``, ``TypeError``."""
        value: Any = parse_json(data, MAXIMUM_EXPORT)
        if set(value) != _MEMBERS or value["format"] != FORMAT or type(value["number"]) is not int:
            raise ValueError("members")
        keys = [base64.b64decode(value[name], validate=True) for name in ("key", "contentIdKey")]
        if [len(key) for key in keys] != [KEY_LENGTH, KEY_LENGTH] or value["number"] < 1:
            raise ValueError("keys")
        parse_time(value["created"])
        found = cls(
            tenant_id(value["tenant"]),
            value["number"],
            value["created"],
            parse_time(value["exported"]),
            value["recipient"],
            *keys,
        )
        if found.encode() != data:
            raise ValueError("form")
        return found


@dataclass(frozen=True, slots=True)
class RecoveryRecipient:
    """The certificate of an offline recovery key: RSA of 3072 bits or more. ``fingerprint`` is its SHA-256 (hex)."""

    certificate: bytes
    public_key: rsa.RSAPublicKey

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.certificate).hexdigest()

    @classmethod
    def load(cls, data: bytes) -> RecoveryRecipient:
        """From one certificate, PEM or DER; raises ``InvalidInput`` for one that is not fit."""
        try:
            form = (
                x509.load_pem_x509_certificate if data.lstrip().startswith(b"-----") else x509.load_der_x509_certificate
            )
            certificate = form(data)
            key = certificate.public_key()
        except ValueError as error:
            raise InvalidInput("the recovery certificate cannot be read") from error
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MINIMUM_RSA_BITS:
            raise InvalidInput(f"a recovery key is an RSA key of {MINIMUM_RSA_BITS} bits at least")
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except (x509.ExtensionNotFound, ValueError):
            usage = None
        if usage is not None and not usage.key_encipherment:
            raise InvalidInput("the recovery certificate's key usage does not allow key encipherment")
        return cls(certificate.public_bytes(Encoding.DER), key)


def seal_export(content: GenerationExport, recipient: RecoveryRecipient, entropy: Entropy) -> bytes:
    """The DER of a CMS ContentInfo that only the recovery key opens."""
    key, nonce = entropy(KEY_LENGTH), entropy(NONCE_LENGTH)
    sealed = AESGCM(key).encrypt(nonce, content.encode(), None)
    certificate = asn1_x509.Certificate.load(recipient.certificate)
    recipient_info = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier(
                "issuer_and_serial_number",
                cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number}),
            ),
            "key_encryption_algorithm": {"algorithm": "rsaes_oaep", "parameters": _OAEP_PARAMETERS},
            "encrypted_key": recipient.public_key.encrypt(key, _OAEP),
        }
    )
    enveloped = cms.AuthEnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [cms.RecipientInfo("ktri", recipient_info)],
            "auth_encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {
                    "algorithm": "aes256_gcm",
                    "parameters": _GcmParameters({"nonce": nonce, "tag_length": TAG_LENGTH}),
                },
                "encrypted_content": sealed[:-TAG_LENGTH],
            },
            "mac": sealed[-TAG_LENGTH:],
        }
    )
    content_info = cms.ContentInfo({"content_type": "authenticated_enveloped_data", "content": enveloped})
    der: bytes = content_info.dump()
    return der


def recovery_key(pem: bytes, password: bytes | None) -> rsa.RSAPrivateKey:
    """Raises ``InvalidInput`` for what is no RSA key in PEM, or another password's."""
    try:
        key = load_pem_private_key(pem, password)
    except (ValueError, TypeError) as error:
        raise InvalidInput("the recovery key cannot be read, or its password is another") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidInput("a recovery key is an RSA key")
    return key


def open_export(data: bytes, key: rsa.RSAPrivateKey) -> GenerationExport:
    """Raises ``IntegrityError`` for what is no export, is damaged, or is sealed to another recovery key."""
    try:
        if len(data) > MAXIMUM_EXPORT:
            raise ValueError("too long")
        content_info = cms.ContentInfo.load(data, strict=True)
        if content_info["content_type"].native != "authenticated_enveloped_data":
            raise ValueError("another type of content")
        enveloped = content_info["content"]
        (recipient,) = enveloped["recipient_infos"]
        encrypted = recipient.chosen
        algorithm = encrypted["key_encryption_algorithm"]
        if recipient.name != "ktri" or algorithm.dump() != _OAEP_ALGORITHM.dump():
            raise ValueError("another form of recipient")
        content_key = key.decrypt(encrypted["encrypted_key"].native, _OAEP)
        info = enveloped["auth_encrypted_content_info"]
        cipher = info["content_encryption_algorithm"]
        parameters = _GcmParameters.load(cipher["parameters"].dump(), strict=True)
        if cipher["algorithm"].native != "aes256_gcm" or parameters["tag_length"].native != TAG_LENGTH:
            raise ValueError("another cipher")
        sealed = info["encrypted_content"].native + enveloped["mac"].native
        return GenerationExport.decode(AESGCM(content_key).decrypt(parameters["nonce"].native, sealed, None))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidTag) as error:
        raise IntegrityError("this is no export of a generation, or it is sealed to another recovery key") from error


class _GcmParameters(core.Sequence):  # type: ignore[misc]
    """RFC 5084 clause 3.2."""

    _fields = [("nonce", core.OctetString), ("tag_length", core.Integer, {"default": 12})]  # noqa: RUF012


_OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
_OAEP_PARAMETERS = algos.RSAESOAEPParams(
    {
        "hash_algorithm": {"algorithm": "sha256"},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
    }
)
_OAEP_ALGORITHM = cms.KeyEncryptionAlgorithm({"algorithm": "rsaes_oaep", "parameters": _OAEP_PARAMETERS})
