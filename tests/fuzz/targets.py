"""What fuzzing runs: hostile bytes into each parser of signed things. A target returns or raises ``Violation``."""

from __future__ import annotations

from tests.fuzz.cms_targets import cms_seeds, fuzz_cms, fuzz_token, token_seeds
from tests.fuzz.pdf_targets import append_seeds, fuzz_append, fuzz_pdf, mutate_append, mutate_pdf, pdf_seeds
from tests.fuzz.promises import Target
from tests.fuzz.revocation_targets import crl_seeds, fuzz_crl, fuzz_ocsp, ocsp_seeds

TARGETS = {
    "cms": Target(fuzz_cms, cms_seeds),
    "token": Target(fuzz_token, token_seeds),
    "crl": Target(fuzz_crl, crl_seeds),
    "ocsp": Target(fuzz_ocsp, ocsp_seeds),
    "pdf": Target(fuzz_pdf, pdf_seeds, mutate_pdf),
    "pdf-append": Target(fuzz_append, append_seeds, mutate_append),
}
