"""The validation report of ETSI TS 119 102-2 V1.4.1, made from the detailed report. Pure: same report, same bytes.

It says nothing that the detailed report does not say; what that one does not know (the signed data's own digest,
the policy's text) is left out, as the schema allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zdda.model.canonical_xml import document as xml_document
from zdda.model.canonical_xml import element
from zdda.validation import etsi_vocabulary as etsi
from zdda.validation.acceptance import ACCEPTANCE
from zdda.validation.etsi_objects import ValidationObjects

MEDIA_TYPE = "application/xml"


def etsi_report(report: Mapping[str, Any], data: Mapping[str, bytes], document_sha256: str | None = None) -> bytes:
    """The XML of the detailed ``report`` (a value of the published schema).

    ``data``: validation data by SHA-256 in hexadecimal; ``document_sha256``: of the document validated, where it
    is known.
    """
    objects = ValidationObjects(report, data, document_sha256)
    writer = _Writer(report, objects)
    signatures = [writer.signature(signature, number) for number, signature in enumerate(report["signatures"], 1)]
    if not signatures:
        signatures = [writer.without_signature()]
    found = objects.written(writer.timestamp)
    validator = etsi.parent("SignatureValidator", [_engine(report)])
    root = etsi.parent("ValidationReport", [*signatures, found, validator], dict(etsi.NAMESPACES))
    return xml_document(root)


def _engine(report: Mapping[str, Any]) -> str:
    return etsi.parent("DigitalId", [etsi.parent("tsl:Other", [etsi.text("z:Engine", report["engine"])])])


class _Writer:
    def __init__(self, report: Mapping[str, Any], objects: ValidationObjects) -> None:
        self._report = report
        self._objects = objects
        self._anchors = frozenset(report["trustAnchors"])

    def signature(self, item: Mapping[str, Any], number: int) -> str:
        """Clause 4.3 for a signature."""
        return etsi.parent(
            "SignatureValidationReport",
            [
                _identifier(item, f"S-{number}"),
                self._constraints(item),
                self._times(item["bestSignatureTime"], _source(item)),
                self._signers_document(),
                self._attributes(item),
                self._signer(item),
                self._process(item),
                self._status(item, f"S-{number}"),
                _other(item),
            ],
        )

    def timestamp(self, item: Mapping[str, Any]) -> str:
        """Clause 4.4.8: the report on a timestamp, in its validation object."""
        return etsi.parent(
            "ValidationReport",
            [
                self._constraints(item),
                self._times(self._report["validationTime"], None),
                self._signer(item),
                self._process(item),
                self._status(item, None),
            ],
        )

    def without_signature(self) -> str:
        """The one report on a document that has no signature, was refused or could not be validated."""
        refused, unvalidated = self._report["refused"], self._report["notValidated"]
        main, sub, why = etsi.NO_SIGNATURE, None, None
        if refused is not None:
            main, sub = etsi.MAIN_INDICATION["INDETERMINATE"], etsi.REFUSED
            why = etsi.text("z:Message", f"{refused['code']}: {refused['detail']}", {"xml:lang": "en"})
        elif unvalidated is not None:
            main, sub = etsi.MAIN_INDICATION["INDETERMINATE"], etsi.NOT_VALIDATED
            why = etsi.text("z:Message", unvalidated["message"]["en"], {"xml:lang": "en"})
        status = [etsi.text("MainIndication", main), None if sub is None else etsi.text("SubIndication", sub)]
        return etsi.parent(
            "SignatureValidationReport",
            [
                self._times(self._report["validationTime"], None),
                self._signers_document(),
                self._process({"processes": []}),
                etsi.parent("SignatureValidationStatus", status),
                None if why is None else etsi.parent("OtherInformation", [why]),
            ],
        )

    def _constraints(self, item: Mapping[str, Any]) -> str:
        policy = self._report["policy"]
        identifier = etsi.parent(
            "xades:SignaturePolicyId",
            [
                etsi.parent(
                    "xades:SigPolicyId", [etsi.text("xades:Identifier", etsi.uri(f"urn:zdda:policy:{policy['name']}"))]
                ),
                etsi.digest(policy["sha256"], "xades:SigPolicyHash"),
            ],
        )
        named = etsi.parent(
            "SignatureValidationPolicy",
            [etsi.parent("SignaturePolicyIdentifier", [identifier]), etsi.text("PolicyName", policy["name"])],
        )
        records = [
            _constraint(block, record)
            for block in (*item["buildingBlocks"], *item["processes"])
            for record in block["constraints"]
        ]
        return etsi.parent("ValidationConstraintsEvaluationReport", [named, *records])

    def _times(self, best: str, source: str | None) -> str:
        proof = self._objects.timestamp(source) if source is not None else None
        poe = [
            etsi.text("POETime", best),
            etsi.text("TypeOfProof", etsi.POE_VALIDATION),
            etsi.reference("POEObject", proof) if proof is not None else None,
        ]
        return etsi.parent(
            "ValidationTimeInfo",
            [etsi.text("ValidationTime", self._report["validationTime"]), etsi.parent("BestSignatureTime", poe)],
        )

    def _signers_document(self) -> str | None:
        name = self._objects.document
        if name is None:
            return None
        return etsi.parent("SignersDocument", [etsi.reference("SignersDocumentRepresentation", name)])

    def _attributes(self, item: Mapping[str, Any]) -> str | None:
        """Annex A, as far as the detailed report knows them."""
        found = []
        if item["claimedSigningTime"] is not None:
            found.append(etsi.parent("SigningTime", [etsi.text("Time", item["claimedSigningTime"])]))
        signer = item["signingCertificate"]
        if signer is not None and _met(item, "signing-certificate-attribute-present"):
            place = etsi.reference("AttributeObject", self._objects.certificate(signer))
            found.append(etsi.parent("SigningCertificate", [place], {"Signed": "true"}))
        for identifier in dict.fromkeys(item["timestamps"]):
            facts, name = self._objects.timestamp_facts(identifier), self._objects.timestamp(identifier)
            kind = etsi.TIMESTAMP_ATTRIBUTE.get(facts["type"]) if facts is not None else None
            if facts is not None and name is not None and kind is not None and facts["time"] is not None:
                signed = "true" if facts["type"] == "CONTENT_TIMESTAMP" else None
                value = etsi.text("TimeStampValue", facts["time"])
                found.append(etsi.parent(kind, [etsi.reference("AttributeObject", name), value], {"Signed": signed}))
        return etsi.parent("SignatureAttributes", found) if found else None

    def _signer(self, item: Mapping[str, Any]) -> str | None:
        signer = item["signingCertificate"]
        if signer is None:
            return None
        names = self._objects.names(signer)
        return etsi.parent(
            "SignerInformation",
            [
                etsi.reference("SignerCertificate", self._objects.certificate(signer)),
                etsi.text("Signer", names.subject) if names is not None and names.subject else None,
            ],
            {"Pseudonym": "true" if names is not None and names.pseudonym else None},
        )

    def _process(self, item: Mapping[str, Any]) -> str:
        done = [etsi.PROCESS[block["name"]] for block in item["processes"] if block["name"] in etsi.PROCESS]
        catalogue, policy = self._report["algorithmCatalogue"], self._report["policy"]
        pins = etsi.parent(
            "OtherInformation",
            [
                etsi.text("z:Engine", self._report["engine"]),
                etsi.text("z:PolicySha256", policy["sha256"]),
                etsi.text("z:AlgorithmCatalogue", catalogue["version"], {"sha256": catalogue["sha256"]}),
                *(etsi.text("z:TrustAnchorSha256", anchor) for anchor in self._report["trustAnchors"]),
            ],
        )
        process = etsi.text("SignatureValidationProcessID", done[-1]) if done else None
        return etsi.parent("SignatureValidationProcess", [process, pins])

    def _status(self, item: Mapping[str, Any], signature: str | None) -> str:
        return etsi.parent("SignatureValidationStatus", [*_indications(item), self._associated(item, signature)])

    def _associated(self, item: Mapping[str, Any], signature: str | None) -> str | None:
        path = item["certificatePath"]
        anchored = bool(path) and path[-1] in self._anchors
        anchor = self._objects.certificate(path[-1]) if anchored else None
        related = [self._objects.revocation(digest) for digest in item["revocationData"]]
        names = [self._objects.timestamp(identifier) for identifier in item.get("timestamps", ())]
        related += [name for name in names if name is not None]
        parts = [
            etsi.reference("TrustAnchor", anchor) if anchor is not None else None,
            self._chain(path, anchor),
            *(etsi.reference("RelatedValidationObject", name) for name in dict.fromkeys(related)),
            self._revocation(item),
            _algorithm(item, signature) if signature is not None else None,
        ]
        found = [part for part in parts if part is not None]
        return etsi.parent("AssociatedValidationReportData", found) if found else None

    def _chain(self, path: list[str], anchor: str | None) -> str | None:
        if not path:
            return None
        between = path[1:-1] if anchor is not None else path[1:]
        return etsi.parent(
            "CertificateChain",
            [
                etsi.reference("SigningCertificate", self._objects.certificate(path[0])),
                *(etsi.reference("IntermediateCertificate", self._objects.certificate(each)) for each in between),
                etsi.reference("TrustAnchor", anchor) if anchor is not None else None,
            ],
        )

    def _revocation(self, item: Mapping[str, Any]) -> str | None:
        """Clause 4.3.12.6, for the first revoked certificate of the path."""
        certificate = source = ""
        for record in _records(item["buildingBlocks"]):
            if record["id"] == "revocation-data-present":
                certificate = record["checked"]
            elif record["id"] == "revocation-data-acceptable":
                source = record["checked"]
            elif record["id"] == "not-revoked" and record["status"] == "not-ok" and record["checked"]:
                if certificate not in item["certificatePath"]:
                    return None
                held = source in item["revocationData"]
                return etsi.parent(
                    "RevocationStatusInformation",
                    [
                        etsi.reference("ValidationObjectId", self._objects.certificate(certificate)),
                        etsi.text("RevocationTime", record["checked"]),
                        etsi.reference("RevocationObject", self._objects.revocation(source)) if held else None,
                    ],
                )
        return None


def _identifier(item: Mapping[str, Any], name: str) -> str:
    """Clause 4.3.3. The digest is of the data to be signed (the signed attributes); reports before it was kept, and
    signatures without signed attributes, have our own identifier alone."""
    signed = item.get("dataToBeSigned")
    return etsi.parent(
        "SignatureIdentifier",
        [
            etsi.digest(signed) if signed is not None else None,
            element("HashOnly", None, "false"),
            element("DocHashOnly", None, "false"),
            etsi.text("DAIdentifier", item["identifier"]),
        ],
        {"id": name},
    )


def _constraint(block: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Clause 4.3.5.4. A warning or an information is a constraint that was applied and did not fail."""
    outcome = None
    if record["status"] == "not-ok":
        indication = block["indication"] if block["indication"] != "PASSED" else "INDETERMINATE"
        outcome = etsi.parent("ValidationStatus", _indications({**block, "indication": indication}))
    elif record["status"] != "ignored":
        outcome = etsi.parent("ValidationStatus", [etsi.text("MainIndication", etsi.MAIN_INDICATION["PASSED"])])
    against = None
    if record["against"]:
        against = etsi.parent(
            "ValidationConstraintParameter",
            [etsi.text("Type", "urn:zdda:constraint-parameter:against"), etsi.text("Value", record["against"])],
        )
    told = [
        etsi.text("z:Status", record["status"]),
        etsi.text("z:Clause", record["clause"]),
        etsi.text("z:Checked", record["checked"]) if record["checked"] else None,
        *(etsi.text("z:Message", record["message"][code], {"xml:lang": code}) for code in ("cs", "en")),
    ]
    return etsi.parent(
        "ValidationConstraint",
        [
            etsi.text(
                "ValidationConstraintIdentifier", etsi.uri(f"urn:zdda:constraint:{block['name']}:{record['id']}")
            ),
            against,
            etsi.parent(
                "ConstraintStatus",
                [etsi.text("Status", etsi.DISABLED if record["status"] == "ignored" else etsi.APPLIED)],
            ),
            outcome,
            etsi.parent("Indications", told),
        ],
    )


def _indications(item: Mapping[str, Any]) -> list[str]:
    found = [etsi.text("MainIndication", etsi.MAIN_INDICATION[item["indication"]])]
    if item["subindication"] is not None:
        found.append(etsi.text("SubIndication", etsi.sub_indication(item["subindication"])))
    return found


def _algorithm(item: Mapping[str, Any], signature: str) -> str | None:
    """Clause 4.3.12.7, where signature acceptance judged the algorithms."""
    blocks = [block for block in item["buildingBlocks"] if block["name"] == ACCEPTANCE]
    judged = [record for record in _records(blocks) if record["id"] in ("key-reliable", "digest-algorithm-reliable")]
    if not judged:
        return None
    secure = all(record["status"] == "ok" for record in judged)
    used = item["signatureAlgorithm"]
    return etsi.parent(
        "CryptoInformation",
        [
            etsi.reference("ValidationObjectId", signature),
            etsi.text("Algorithm", etsi.algorithm(used["mechanism"], used["hash"])),
            element("SecureAlgorithm", None, "true" if secure else "false"),
        ],
    )


def _other(item: Mapping[str, Any]) -> str:
    """What the standard has no place for: format, coverage, what changed after signing."""
    changes = item.get("changesAfterSigning")
    return etsi.parent(
        "OtherInformation",
        [
            etsi.text("z:Format", item["format"]),
            etsi.text("z:CounterSignature", _boolean(item["counter"])),
            etsi.text("z:CoversWholeDocument", _boolean(item["coversWholeDocument"])),
            etsi.text("z:ChangesAfterSigning", changes) if changes is not None else None,
        ],
    )


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _source(item: Mapping[str, Any]) -> str | None:
    """The identifier of the timestamp that proves the best signature time, as the last process names it."""
    found = [record["against"] for record in _records(item["processes"]) if record["id"] == "best-signature-time"]
    return found[-1] if found else None


def _met(item: Mapping[str, Any], identifier: str) -> bool:
    return any(record["id"] == identifier and record["status"] == "ok" for record in _records(item["buildingBlocks"]))


def _records(blocks: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for block in blocks:
        yield from block["constraints"]
