"""What a verdict, a sub-indication, a timestamp or a change means, in words for people who read no standards.

English and Czech. A sub-indication that is not listed is told by its name.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    en: str
    cs: str

    def of(self, language: str) -> str:
        return self.cs if language == "cs" else self.en

    def as_json(self) -> dict[str, str]:
        return {"cs": self.cs, "en": self.en}


VERDICTS = {
    "TOTAL_PASSED": Words("The signature is valid", "Podpis je platný"),
    "TOTAL_FAILED": Words("The signature is NOT valid", "Podpis NENÍ platný"),
    "INDETERMINATE": Words(
        "It cannot be told whether the signature is valid", "Nelze rozhodnout, zda je podpis platný"
    ),
    "PASSED": Words("The timestamp is valid", "Časové razítko je platné"),
    "FAILED": Words("The timestamp is NOT valid", "Časové razítko NENÍ platné"),
    "TIMESTAMP_INDETERMINATE": Words(
        "It cannot be told whether the timestamp is valid", "Nelze rozhodnout, zda je časové razítko platné"
    ),
}

DOCUMENT = {
    "TOTAL_PASSED": Words("Every signature of the document is valid", "Všechny podpisy dokumentu jsou platné"),
    "TOTAL_FAILED": Words(
        "At least one signature of the document is NOT valid", "Nejméně jeden podpis dokumentu NENÍ platný"
    ),
    "INDETERMINATE": Words(
        "For at least one signature of the document it cannot be told whether it is valid",
        "Nejméně o jednom podpisu dokumentu nelze rozhodnout, zda je platný",
    ),
    "NO_SIGNATURE": Words("The document carries no signature", "Dokument nenese žádný podpis"),
    "NOT_VALIDATED": Words(
        "The document was NOT validated: nothing is said of its signatures",
        "Dokument NEBYL ověřen: o jeho podpisech se nic neříká",
    ),
    "CHANGED": Words(
        "ATTENTION: the document was changed after it was signed; what it shows need not be what was signed",
        "POZOR: dokument byl po podpisu změněn; to, co zobrazuje, nemusí být to, co bylo podepsáno",
    ),
}

SUBINDICATIONS = {
    "FORMAT_FAILURE": Words(
        "The signature is not built as its format demands", "Podpis není sestaven tak, jak jeho formát vyžaduje"
    ),
    "HASH_FAILURE": Words(
        "The document is not the one that was signed: its content was altered",
        "Dokument není ten, který byl podepsán: jeho obsah byl změněn",
    ),
    "SIG_CRYPTO_FAILURE": Words(
        "The signature does not belong to this document and this certificate",
        "Podpis nepatří k tomuto dokumentu a k tomuto certifikátu",
    ),
    "REVOKED": Words(
        "The signer's certificate had been revoked before the time of the signature",
        "Certifikát podepisujícího byl zneplatněn před časem podpisu",
    ),
    "EXPIRED": Words(
        "The signer's certificate had expired before the time of the signature",
        "Platnost certifikátu podepisujícího skončila před časem podpisu",
    ),
    "NOT_YET_VALID": Words(
        "The signature was made before the signer's certificate became valid",
        "Podpis vznikl dříve, než začal platit certifikát podepisujícího",
    ),
    "SIG_CONSTRAINTS_FAILURE": Words(
        "The signature lacks something that the rules of validation demand",
        "Podpisu chybí něco, co pravidla ověření vyžadují",
    ),
    "CHAIN_CONSTRAINTS_FAILURE": Words(
        "A certificate was not issued for this use, or not under the rules that apply to it",
        "Některý certifikát nebyl vydán k tomuto užití nebo podle pravidel, která pro něj platí",
    ),
    "CERTIFICATE_CHAIN_GENERAL_FAILURE": Words(
        "It is not known whether a certificate had been revoked, or its issuers could not be followed",
        "Není známo, zda byl některý certifikát zneplatněn, nebo se nepodařilo sledovat jeho vydavatele",
    ),
    "CRYPTO_CONSTRAINTS_FAILURE": Words(
        "A cryptographic algorithm was too weak already when the signature was made",
        "Některý kryptografický algoritmus byl příliš slabý již v době podpisu",
    ),
    "POLICY_PROCESSING_ERROR": Words(
        "The rules that the signature names could not be read", "Pravidla, která podpis uvádí, nebylo možné přečíst"
    ),
    "SIGNATURE_POLICY_NOT_AVAILABLE": Words(
        "The rules that the signature names are not at hand", "Pravidla, která podpis uvádí, nejsou k dispozici"
    ),
    "TIMESTAMP_ORDER_FAILURE": Words(
        "The times of the timestamps contradict one another", "Časy časových razítek si odporují"
    ),
    "NO_SIGNING_CERTIFICATE_FOUND": Words(
        "The certificate of the signer is missing: it is not known who signed",
        "Chybí certifikát podepisujícího: není známo, kdo podepsal",
    ),
    "NO_CERTIFICATE_CHAIN_FOUND": Words(
        "No authority that is trusted here vouches for the signer's certificate",
        "Za certifikát podepisujícího neručí žádná autorita, které se zde důvěřuje",
    ),
    "NO_CERTIFICATE_CHAIN_FOUND_NO_POE": Words(
        "No authority trusted here vouches for the certificate, and it is not proven that the signature is older",
        "Za certifikát neručí žádná autorita, které se zde důvěřuje, a není doloženo, že podpis je starší",
    ),
    "REVOKED_NO_POE": Words(
        "The signer's certificate was revoked, and nothing proves that the signature was made before",
        "Certifikát podepisujícího byl zneplatněn a nic nedokládá, že podpis vznikl dříve",
    ),
    "REVOKED_CA_NO_POE": Words(
        "The certificate of an issuer was revoked, and nothing proves that the signature was made before",
        "Certifikát některého vydavatele byl zneplatněn a nic nedokládá, že podpis vznikl dříve",
    ),
    "OUT_OF_BOUNDS_NOT_REVOKED": Words(
        "The certificate is not valid any more (it was not revoked), and nothing proves that the signature is older",
        "Certifikát již není platný (zneplatněn nebyl) a nic nedokládá, že podpis vznikl dříve",
    ),
    "OUT_OF_BOUNDS_NO_POE": Words(
        "The certificate is out of its period of validity, and nothing proves that the signature was made within it",
        "Certifikát je mimo dobu své platnosti a nic nedokládá, že podpis vznikl během ní",
    ),
    "REVOCATION_OUT_OF_BOUNDS_NO_POE": Words(
        "The revocation data were issued under a certificate that is not valid any more",
        "Údaje o zneplatnění byly vydány pod certifikátem, který již neplatí",
    ),
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": Words(
        "A cryptographic algorithm is too weak today, and nothing proves that the signature is older than that",
        "Některý kryptografický algoritmus je dnes příliš slabý a nic nedokládá, že podpis je z doby, kdy nebyl",
    ),
    "NO_POE": Words(
        "Nothing proves that the signature existed at a time when it could still be relied on",
        "Nic nedokládá, že podpis existoval v době, kdy se na něj ještě bylo možné spolehnout",
    ),
    "TRY_LATER": Words(
        "The data on revocation are not yet recent enough: validate again later",
        "Údaje o zneplatnění ještě nejsou dost čerstvé: ověření je třeba později opakovat",
    ),
    "SIGNED_DATA_NOT_FOUND": Words("What was signed is not at hand", "To, co bylo podepsáno, není k dispozici"),
    "CUSTOM": Words("A rule of the archive's own is not met", "Není splněno pravidlo stanovené archivem"),
}

CHANGES = {
    "nothing": Words(
        "After signing nothing was changed that is shown", "Po podpisu se nezměnilo nic z toho, co se zobrazuje"
    ),
    "annotations-or-form-filling": Words(
        "After signing: annotations, form filling or further signatures",
        "Po podpisu: poznámky, vyplnění formuláře nebo další podpisy",
    ),
    "content": Words("After signing the content of the document was CHANGED", "Po podpisu byl obsah dokumentu ZMĚNĚN"),
    "not-determined": Words(
        "After signing the document was changed, in what way could not be determined",
        "Po podpisu byl dokument změněn; jakým způsobem, se nepodařilo určit",
    ),
}

PROOFS = {
    "timestamp": Words("proven by a timestamp", "doloženo časovým razítkem"),
    "evidence-record": Words("proven by an evidence record", "doloženo záznamem o důkazu"),
    "validation-time": Words(
        "the time of this validation: no earlier time is proven", "čas tohoto ověření: žádný dřívější není doložen"
    ),
}

TIMESTAMPS = {
    "CONTENT_TIMESTAMP": Words("timestamp of the content", "časové razítko obsahu"),
    "SIGNATURE_TIMESTAMP": Words("timestamp of a signature", "časové razítko podpisu"),
    "VALIDATION_DATA_TIMESTAMP": Words("timestamp of validation data", "časové razítko ověřovacích údajů"),
    "VALIDATION_DATA_REFSONLY_TIMESTAMP": Words(
        "timestamp of references to validation data", "časové razítko odkazů na ověřovací údaje"
    ),
    "ARCHIVE_TIMESTAMP": Words("archive timestamp", "archivní časové razítko"),
    "DOCUMENT_TIMESTAMP": Words("timestamp of the document", "časové razítko dokumentu"),
    "CONTAINER_TIMESTAMP": Words("timestamp of data beside it", "časové razítko dat, která stojí vedle"),
}


def subindication(name: str | None) -> Words | None:
    """None where there is no sub-indication."""
    if name is None:
        return None
    return SUBINDICATIONS.get(name, Words(f"For a reason named {name}", f"Z důvodu označeného {name}"))
