"""From media type to the ending of a member's name, and whether deflating content of that type is worth a try."""

from __future__ import annotations

_ENDINGS = {
    "application/dicom": "dcm",
    "application/json": "json",
    "application/msword": "doc",
    "application/ocsp-response": "ors",
    "application/pdf": "pdf",
    "application/pkcs7-mime": "p7m",
    "application/pkcs7-signature": "p7s",
    "application/pkix-cert": "cer",
    "application/pkix-crl": "crl",
    "application/rtf": "rtf",
    "application/vnd.etsi.asic-e+zip": "asice",
    "application/vnd.etsi.asic-s+zip": "asics",
    "application/vnd.etsi.timestamp-token": "tst",
    "application/vnd.ms-excel": "xls",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jp2": "jp2",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "message/rfc822": "eml",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/xml": "xml",
    "video/mp4": "mp4",
}

_WORTH_DEFLATING = frozenset(
    {
        "application/dicom",
        "application/json",
        "application/msword",
        "application/pkix-crl",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/xml",
        "audio/x-wav",
        "image/bmp",
        "image/svg+xml",
        "message/rfc822",
    }
)


def without_parameters(media_type: str) -> str:
    """Type and subtype alone, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def ending(media_type: str) -> str:
    """The ending without its dot; ``bin`` for a type that is not in the table."""
    return _ENDINGS.get(without_parameters(media_type), "bin")


def worth_deflating(media_type: str) -> bool:
    """Formats that carry their own compression (PDF, images, office files) are not tried."""
    plain = without_parameters(media_type)
    return plain in _WORTH_DEFLATING or plain.startswith("text/")
