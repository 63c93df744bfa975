"""``python -m benchmarks.stock_pyhanko FOLDER FIRST NAME…``: prints the processor seconds that pyHanko as it is takes
to validate each of ``FOLDER/NAME-*.pdf``, the first ones not counted, with one context for all. Nothing of the archive
is imported: its PDF reader replaces functions of pyHanko's."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from io import BytesIO
from pathlib import Path

from asn1crypto import crl, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext


def main() -> None:
    folder = Path(sys.argv[1])
    taken: dict[str, float] = {}
    first = int(sys.argv[2])
    for name in sys.argv[3:]:
        context = ValidationContext(
            trust_roots=[x509.Certificate.load((folder / "root.der").read_bytes())],
            other_certs=[x509.Certificate.load((folder / "issuing.der").read_bytes())],
            crls=[crl.CertificateList.load(file.read_bytes()) for file in sorted(folder.glob("*.crl"))],
            allow_fetching=False,
        )
        each = [_seconds(file.read_bytes(), context) for file in sorted(folder.glob(f"{name}-*.pdf"))]
        taken[name] = statistics.median(each[first:])
    print(json.dumps(taken))


def _seconds(pdf: bytes, context: ValidationContext) -> float:
    begun = time.process_time()
    signature = PdfFileReader(BytesIO(pdf)).embedded_regular_signatures[0]
    status = asyncio.run(async_validate_pdf_signature(signature, context, ts_validation_context=context))
    if not (status.intact and status.trusted):
        raise RuntimeError("pyHanko does not trust the sample")
    return time.process_time() - begun


if __name__ == "__main__":
    main()
