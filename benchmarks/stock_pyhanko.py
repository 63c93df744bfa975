"""``python -m benchmarks.stock_pyhanko FOLDER NAME…``: prints the processor seconds that pyHanko as it is takes to
validate ``FOLDER/NAME.pdf``, one context for all rounds. Nothing of the archive is imported: its PDF reader replaces
functions of pyHanko's."""

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
    for name in sys.argv[2:]:
        context = ValidationContext(
            trust_roots=[x509.Certificate.load((folder / "root.der").read_bytes())],
            other_certs=[x509.Certificate.load((folder / "issuing.der").read_bytes())],
            crls=[crl.CertificateList.load(file.read_bytes()) for file in sorted(folder.glob("*.crl"))],
            allow_fetching=False,
        )
        pdf = (folder / f"{name}.pdf").read_bytes()
        rounds = [_seconds(pdf, context) for _ in range(8)]
        taken[name] = statistics.median(rounds[1:])
    print(json.dumps(taken))


def _seconds(pdf: bytes, context: ValidationContext, times: int = 8) -> float:
    begun = time.process_time()
    for _ in range(times):
        signature = PdfFileReader(BytesIO(pdf)).embedded_regular_signatures[0]
        status = asyncio.run(async_validate_pdf_signature(signature, context, ts_validation_context=context))
        if not (status.intact and status.trusted):
            raise RuntimeError("pyHanko does not trust the sample")
    return (time.process_time() - begun) / times


if __name__ == "__main__":
    main()
