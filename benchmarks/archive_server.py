"""An archive as ``make run`` starts it, in a process of its own: says where it is, serves until its input ends."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import structlog

from zdda.cli.running_demonstration import CONSUMER, PRODUCER, start
from zdda.demonstration.documents import plain_pdf, sign_pdf


def main() -> None:
    """``python -m benchmarks.archive_server FOLDER``."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    running = start(Path(sys.argv[1]))
    signer = running.authority.issue_signer("MUDr. Jana Ukázková")
    (running.folder / "signed.pdf").write_bytes(sign_pdf(plain_pdf("Zpráva", 155_000), signer, running.timestamps))
    (running.folder / "issuing.cer").write_bytes(running.authority.certificate("issuing"))
    said = {
        "port": int(running.url.rsplit(":", 1)[1]),
        "root": str(running.root.with_suffix(".pem")),
        "anchor": str(running.root),
        "issuing": str(running.folder / "issuing.cer"),
        "signed": str(running.folder / "signed.pdf"),
        "producer": [PRODUCER, running.passwords[PRODUCER]],
        "consumer": [CONSUMER, running.passwords[CONSUMER]],
        "tls_key": str(running.folder / running.settings.listen.tls_key),
        "tls_certificates": str(running.folder / running.settings.listen.tls_certificates),
    }
    print(json.dumps(said), flush=True)
    sys.stdin.read()
    running.stop()


if __name__ == "__main__":
    main()
