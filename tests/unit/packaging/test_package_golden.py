"""Bytes that were written once must be read for ever, and are still written the same.

The files were made by ``write_golden()`` below; a new format version gets new files beside the old ones.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from package_samples import FACTS, METADATA, PACKAGE, PDF, TEXT, built
from package_signers import AT, signer
from test_amendment import amendment

from zdda.packaging.aip_reader import open_aip
from zdda.packaging.amendment import encode_content, make_amendment, read_amendment
from zdda.packaging.fixity import check_manifest, check_mets, check_premis
from zdda.packaging.layout import CONTAINER_INDEX, ROOT_METS
from zdda.packaging.manifest import MANIFEST_NAME, SEAL_NAME

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "packaging"


def write_golden() -> None:
    """Makes the files of this version; run by hand, once."""
    (GOLDEN / "aip-v1.asice").write_bytes(built()[0])
    (GOLDEN / "amendment-v1.p7m").write_bytes(make_amendment(amendment(), signer()))
    (GOLDEN / "amendment-v1.json").write_bytes(encode_content(amendment()))


def test_a_package_of_version_1_is_read() -> None:
    aip = open_aip(io.BytesIO((GOLDEN / "aip-v1.asice").read_bytes()))
    digests, errors = check_manifest(aip)
    assert errors == ()
    check_mets(aip, digests)
    check_premis(aip, digests)
    seal = aip.check_seal()
    assert (seal.signing_time, seal.certificate) == (AT.replace(microsecond=0), signer().certificate)
    assert (aip.deposit.facts, aip.metadata, aip.package_id) == (FACTS, METADATA, PACKAGE)
    assert [b"".join(aip.stream(each.member)) for each in aip.documents] == [PDF, TEXT]


def test_a_package_is_still_written_the_same() -> None:
    """What depends on the deflate output of the zlib of the day is compared where that is the same."""
    old, new = (zipfile.ZipFile(io.BytesIO(data)) for data in ((GOLDEN / "aip-v1.asice").read_bytes(), built()[0]))
    assert old.namelist() == new.namelist()
    index = f"{PACKAGE}/{CONTAINER_INDEX}"
    depending = {index, f"{PACKAGE}/{ROOT_METS}", MANIFEST_NAME, SEAL_NAME}
    for name in old.namelist():
        if name not in depending or old.read(index) == new.read(index):
            assert old.read(name) == new.read(name), name


def test_an_amendment_of_version_1_is_read_and_still_written_the_same() -> None:
    sealed = (GOLDEN / "amendment-v1.p7m").read_bytes()
    read, facts = read_amendment(sealed)
    assert encode_content(read) == (GOLDEN / "amendment-v1.json").read_bytes() == facts.content
    assert make_amendment(amendment(), signer()) == sealed
