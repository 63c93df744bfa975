"""A validation report under the archive's seal: an ASiC-S container (EN 319 162-1 clause 4.3) of the XML and a CAdES
signature over it. For reports that are handed out; what is sealed in a package is the detailed report."""

from __future__ import annotations

import io
from collections.abc import Callable

from zdda.crypto.signing import Signer
from zdda.model.clock import Clock
from zdda.packaging.cms import sign
from zdda.packaging.zip_container import Member, plan_member, write_container

MEDIA_TYPE = "application/vnd.etsi.asic-s+zip"
REPORT = "validation-report.xml"
SIGNATURE = "META-INF/signature.p7s"


class ReportSealer:
    """``seal_validation_data`` raises ``Unavailable`` while the seal's certificate could not be proven valid: then
    nothing is sealed."""

    def __init__(self, signer: Signer, seal_validation_data: Callable[[], object], clock: Clock) -> None:
        self._signer, self._seal_validation_data, self._clock = signer, seal_validation_data, clock

    def __call__(self, report: bytes, /) -> bytes:
        """The container's bytes. ``report`` is the XML of TS 119 102-2, never bytes of a caller's choosing: a seal
        over those could pass for one over a package's manifest. Raises ``ValueError``, ``Unavailable``."""
        if not report.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<ValidationReport '):
            raise ValueError("only validation reports are sealed")
        self._seal_validation_data()
        signature = sign(report, self._signer, self._clock.now(), attached=False)
        members = [
            Member.of("mimetype", MEDIA_TYPE.encode("ascii")),
            Member.of(REPORT, report, deflate=True),
            Member.of(SIGNATURE, signature),
        ]
        container = io.BytesIO()
        write_container([plan_member(member) for member in members], container)
        return container.getvalue()
