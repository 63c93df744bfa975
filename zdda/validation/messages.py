"""What each constraint says to a person, in Czech and in English, met and not met. Identifiers are stable."""

from __future__ import annotations

from typing import NamedTuple


class Texts(NamedTuple):
    en: str
    en_not: str
    cs: str
    cs_not: str


MESSAGES: dict[str, Texts] = {
    # 5.2.2 format checking
    "signature-readable": Texts(
        "The signature has the form its format demands",
        "The signature has not the form its format demands",
        "Podpis má podobu, kterou jeho formát vyžaduje",
        "Podpis nemá podobu, kterou jeho formát vyžaduje",
    ),
    "format-warning": Texts(
        "Nothing unusual in the form of the signature",
        "Something in the form of the signature is unusual",
        "Podoba podpisu je obvyklá",
        "Podoba podpisu je v něčem neobvyklá",
    ),
    "not-modified-after-signing": Texts(
        "Nothing was added to the document after signing",
        "The document was modified after signing: bytes were added that this signature does not cover",
        "Po podpisu nebylo k dokumentu nic přidáno",
        "Dokument byl po podpisu změněn: byla přidána data, která tento podpis nepokrývá",
    ),
    "pages-as-signed": Texts(
        "The document has as many pages as were signed",
        "The document has another number of pages than were signed",
        "Dokument má tolik stran, kolik jich bylo podepsáno",
        "Dokument má jiný počet stran, než kolik jich bylo podepsáno",
    ),
    "content-as-signed": Texts(
        "The document shows what was signed, annotations and forms aside",
        "The document may show something else than what was signed",
        "Dokument ukazuje to, co bylo podepsáno, až na poznámky a formuláře",
        "Dokument možná ukazuje něco jiného, než co bylo podepsáno",
    ),
    "signature-not-duplicated": Texts(
        "The signature is in the document once",
        "The same signature is in the document more than once",
        "Podpis je v dokumentu jednou",
        "Tentýž podpis je v dokumentu vícekrát",
    ),
    # 5.2.3 identification of the signing certificate
    "signing-certificate-found": Texts(
        "The signing certificate is identified",
        "No signing certificate could be identified",
        "Podpisový certifikát je určen",
        "Podpisový certifikát se nepodařilo určit",
    ),
    "signing-certificate-attribute-present": Texts(
        "The signature binds its signing certificate by a signed attribute",
        "The signature does not bind its signing certificate by a signed attribute",
        "Podpis váže svůj certifikát podepsaným atributem",
        "Podpis neváže svůj certifikát podepsaným atributem",
    ),
    "signing-certificate-digest-matches": Texts(
        "The bound digest is that of the signing certificate",
        "The bound digest is not that of the signing certificate",
        "Vázaný otisk je otiskem podpisového certifikátu",
        "Vázaný otisk není otiskem podpisového certifikátu",
    ),
    "signing-certificate-issuer-serial-matches": Texts(
        "The bound issuer and serial number are those of the signing certificate",
        "The bound issuer and serial number are not those of the signing certificate",
        "Vázaný vydavatel a sériové číslo jsou podpisového certifikátu",
        "Vázaný vydavatel a sériové číslo nejsou podpisového certifikátu",
    ),
    # 5.2.4 validation context initialisation
    "signature-policy-acceptable": Texts(
        "The signature names no policy that would have to be processed",
        "The signature names a policy; its rules were not processed",
        "Podpis neuvádí politiku, kterou by bylo třeba zpracovat",
        "Podpis uvádí politiku; její pravidla nebyla zpracována",
    ),
    # 5.2.5 revocation freshness
    "revocation-fresh": Texts(
        "The revocation information is fresh",
        "The revocation information is older than its next update, or names none",
        "Údaje o zneplatnění jsou čerstvé",
        "Údaje o zneplatnění jsou starší než ohlášená další aktualizace, nebo žádnou neohlašují",
    ),
    # 5.2.6 X.509 validation
    "path-found": Texts(
        "A certification path to a trust anchor exists",
        "No certification path to a trust anchor exists",
        "Existuje certifikační cesta k důvěryhodné kotvě",
        "Certifikační cesta k důvěryhodné kotvě neexistuje",
    ),
    "path-constraints": Texts(
        "The path keeps RFC 5280",
        "The path violates RFC 5280",
        "Cesta vyhovuje RFC 5280",
        "Cesta porušuje RFC 5280",
    ),
    "certificate-is-trust-anchor": Texts(
        "The certificate itself is a trust anchor",
        "The certificate itself is a trust anchor",
        "Certifikát sám je důvěryhodnou kotvou",
        "Certifikát sám je důvěryhodnou kotvou",
    ),
    "key-usage": Texts(
        "The key usage of the certificate fits",
        "The key usage of the certificate does not fit",
        "Použití klíče certifikátu odpovídá",
        "Použití klíče certifikátu neodpovídá",
    ),
    "extended-key-usage": Texts(
        "The extended key usage of the certificate fits",
        "The extended key usage of the certificate does not fit",
        "Rozšířené použití klíče certifikátu odpovídá",
        "Rozšířené použití klíče certifikátu neodpovídá",
    ),
    "forbidden-extensions": Texts(
        "The certificate has no forbidden extension",
        "The certificate has a forbidden extension",
        "Certifikát nemá zakázané rozšíření",
        "Certifikát má zakázané rozšíření",
    ),
    "critical-extensions": Texts(
        "All critical extensions of the certificate are known",
        "A critical extension of the certificate is not known",
        "Všechna kritická rozšíření certifikátu jsou známa",
        "Některé kritické rozšíření certifikátu není známo",
    ),
    "key-identifiers-present": Texts(
        "The key identifiers are present",
        "A key identifier is missing",
        "Identifikátory klíčů jsou uvedeny",
        "Identifikátor klíče chybí",
    ),
    "revocation-data-present": Texts(
        "Revocation data for the certificate are at hand",
        "Revocation data for the certificate are missing",
        "Údaje o zneplatnění certifikátu jsou k dispozici",
        "Údaje o zneplatnění certifikátu chybějí",
    ),
    "revocation-data-acceptable": Texts(
        "Acceptable revocation data for the certificate are at hand",
        "None of the revocation data for the certificate is acceptable",
        "Přijatelné údaje o zneplatnění certifikátu jsou k dispozici",
        "Žádný z údajů o zneplatnění certifikátu není přijatelný",
    ),
    "revocation-data-not-needed": Texts(
        "The certificate says that no revocation data are issued for it",
        "The certificate says that no revocation data are issued for it",
        "Certifikát uvádí, že se k němu údaje o zneplatnění nevydávají",
        "Certifikát uvádí, že se k němu údaje o zneplatnění nevydávají",
    ),
    "not-revoked": Texts(
        "The certificate is not revoked",
        "The certificate is revoked",
        "Certifikát není zneplatněn",
        "Certifikát je zneplatněn",
    ),
    "not-on-hold": Texts(
        "The certificate is not suspended",
        "The certificate is suspended",
        "Certifikát není pozastaven",
        "Platnost certifikátu je pozastavena",
    ),
    "certificate-in-validity-period": Texts(
        "The validation time lies in the certificate's validity period",
        "The validation time lies outside the certificate's validity period",
        "Čas ověření leží v době platnosti certifikátu",
        "Čas ověření leží mimo dobu platnosti certifikátu",
    ),
    "revocation-issuer-in-validity-period": Texts(
        "The issuer of the revocation data is within its validity period",
        "The issuer of the revocation data is outside its validity period",
        "Vydavatel údajů o zneplatnění je v době platnosti svého certifikátu",
        "Vydavatel údajů o zneplatnění je mimo dobu platnosti svého certifikátu",
    ),
    "certificate-for-signing": Texts(
        "The certificate declares that it is for signatures or seals",
        "The certificate declares that it is for web sites only",
        "Certifikát uvádí, že je určen pro podpisy nebo pečeti",
        "Certifikát uvádí, že je určen jen pro internetové stránky",
    ),
    # 5.2.7 cryptographic verification
    "signed-data-found": Texts(
        "All signed data are found",
        "Signed data are not found",
        "Všechna podepsaná data jsou nalezena",
        "Podepsaná data nejsou nalezena",
    ),
    "signed-data-intact": Texts(
        "The signed data are intact",
        "The signed data were changed",
        "Podepsaná data jsou neporušena",
        "Podepsaná data byla změněna",
    ),
    "signature-intact": Texts(
        "The signature value verifies",
        "The signature value does not verify",
        "Hodnota podpisu souhlasí",
        "Hodnota podpisu nesouhlasí",
    ),
    # 5.2.8 signature acceptance
    "algorithm-protection": Texts(
        "The protected algorithm identifiers agree",
        "The protected algorithm identifiers disagree",
        "Chráněné identifikátory algoritmů souhlasí",
        "Chráněné identifikátory algoritmů nesouhlasí",
    ),
    "signing-time-present": Texts(
        "The signature claims a signing time",
        "The signature claims no signing time",
        "Podpis uvádí čas podpisu",
        "Podpis neuvádí čas podpisu",
    ),
    "signing-time-in-certificate-validity": Texts(
        "The claimed signing time lies in the certificate's validity period",
        "The claimed signing time lies outside the certificate's validity period",
        "Uvedený čas podpisu leží v době platnosti certifikátu",
        "Uvedený čas podpisu leží mimo dobu platnosti certifikátu",
    ),
    "message-digest-present": Texts(
        "The digest of the content is a signed attribute",
        "The digest of the content is not a signed attribute",
        "Otisk obsahu je podepsaným atributem",
        "Otisk obsahu není podepsaným atributem",
    ),
    "digest-algorithm-reliable": Texts(
        "The digest algorithm is reliable at the time that counts",
        "The digest algorithm is not reliable at the time that counts",
        "Hašovací algoritmus je v rozhodném čase spolehlivý",
        "Hašovací algoritmus není v rozhodném čase spolehlivý",
    ),
    "key-reliable": Texts(
        "The signature algorithm and key size are reliable at the time that counts",
        "The signature algorithm or key size is not reliable at the time that counts",
        "Podpisový algoritmus a délka klíče jsou v rozhodném čase spolehlivé",
        "Podpisový algoritmus nebo délka klíče nejsou v rozhodném čase spolehlivé",
    ),
    # 5.4 timestamps
    "timestamp-readable": Texts(
        "The timestamp token can be read",
        "The timestamp token cannot be read",
        "Časové razítko lze přečíst",
        "Časové razítko nelze přečíst",
    ),
    "timestamp-imprint-found": Texts(
        "The timestamped data are found",
        "The timestamped data are not found",
        "Orazítkovaná data jsou nalezena",
        "Orazítkovaná data nejsou nalezena",
    ),
    "timestamp-imprint-intact": Texts(
        "The message imprint is that of the timestamped data",
        "The message imprint is not that of the timestamped data",
        "Otisk v časovém razítku odpovídá orazítkovaným datům",
        "Otisk v časovém razítku neodpovídá orazítkovaným datům",
    ),
    "timestamp-not-in-future": Texts(
        "The timestamp is not later than the validation time",
        "The timestamp is later than the validation time",
        "Časové razítko není pozdější než čas ověření",
        "Časové razítko je pozdější než čas ověření",
    ),
    "manifest-entries-found": Texts(
        "Everything that the signed manifest lists was found",
        "Not everything that the signed manifest lists was found",
        "Vše, co uvádí podepsaný seznam, bylo nalezeno",
        "Něco z toho, co uvádí podepsaný seznam, nebylo nalezeno",
    ),
    # 5.3, 5.5, 5.6
    "content-timestamp-before-revocation": Texts(
        "The content timestamp is before the revocation of the signing certificate",
        "The content timestamp is after the revocation of the signing certificate: so is the signature",
        "Časové razítko obsahu je před zneplatněním podpisového certifikátu",
        "Časové razítko obsahu je po zneplatnění podpisového certifikátu: podpis tedy také",
    ),
    "content-timestamp-before-expiry": Texts(
        "The content timestamp is before the expiry of the signing certificate",
        "The content timestamp is after the expiry of the signing certificate: so is the signature",
        "Časové razítko obsahu je před vypršením podpisového certifikátu",
        "Časové razítko obsahu je po vypršení podpisového certifikátu: podpis tedy také",
    ),
    "content-timestamp-before-algorithm-end": Texts(
        "The content timestamp is from a time when the algorithms were reliable",
        "The content timestamp is from a time when an algorithm was reliable no more: so is the signature",
        "Časové razítko obsahu je z doby, kdy byly algoritmy spolehlivé",
        "Časové razítko obsahu je z doby, kdy už některý algoritmus spolehlivý nebyl: podpis tedy také",
    ),
    "block-conclusive": Texts(
        "The building block passed",
        "The building block did not pass",
        "Stavební blok prošel",
        "Stavební blok neprošel",
    ),
    "basic-validation-acceptable": Texts(
        "The result of basic validation can be continued with a time",
        "The result of basic validation cannot be changed by a time",
        "Na výsledek základního ověření lze navázat časem",
        "Výsledek základního ověření nelze časem změnit",
    ),
    "timestamp-used": Texts(
        "The timestamp passed and proves a time",
        "The timestamp did not pass: it proves nothing and is left out",
        "Časové razítko prošlo a dokládá čas",
        "Časové razítko neprošlo: nic nedokládá a nebere se v úvahu",
    ),
    "timestamps-in-order": Texts(
        "The content timestamps are not later than those over the signature",
        "A content timestamp is later than one over the signature",
        "Časová razítka obsahu nejsou pozdější než razítka podpisu",
        "Některé časové razítko obsahu je pozdější než razítko podpisu",
    ),
    "best-signature-time": Texts(
        "The earliest time at which the signature is proven to exist",
        "The earliest time at which the signature is proven to exist",
        "Nejstarší čas, v němž je existence podpisu doložena",
        "Nejstarší čas, v němž je existence podpisu doložena",
    ),
    "best-signature-time-after-issuance": Texts(
        "The best signature time is not before the certificate's issuance",
        "The best signature time is before the certificate's issuance",
        "Nejlepší čas podpisu není před vydáním certifikátu",
        "Nejlepší čas podpisu je před vydáním certifikátu",
    ),
    "best-signature-time-before-expiry": Texts(
        "The best signature time is not after the certificate's expiry",
        "The best signature time is after the certificate's expiry",
        "Nejlepší čas podpisu není po vypršení certifikátu",
        "Nejlepší čas podpisu je po vypršení certifikátu",
    ),
    "best-signature-time-before-revocation": Texts(
        "The best signature time is before the revocation",
        "The best signature time is not before the revocation",
        "Nejlepší čas podpisu je před zneplatněním",
        "Nejlepší čas podpisu není před zneplatněním",
    ),
    "archival-validation-not-needed": Texts(
        "Past signature validation is not needed: the result stands",
        "Past signature validation is not needed: the result stands",
        "Ověření podpisu v minulosti není třeba: výsledek platí",
        "Ověření podpisu v minulosti není třeba: výsledek platí",
    ),
    "archival-validation-cannot-cure": Texts(
        "No proof of existence can change this result: it stands",
        "No proof of existence can change this result: it stands",
        "Tento výsledek nemůže žádný důkaz existence změnit: platí",
        "Tento výsledek nemůže žádný důkaz existence změnit: platí",
    ),
    "validity-periods-intersect": Texts(
        "There was a time when every certificate of the path was in its validity period",
        "There was no time when every certificate of the path was in its validity period",
        "Byl čas, kdy byly všechny certifikáty cesty v době platnosti",
        "Nebyl čas, kdy by byly všechny certifikáty cesty v době platnosti",
    ),
    "revocation-data-proven": Texts(
        "Revocation data about the certificate are proven to have existed before the control time",
        "No revocation data about the certificate are proven to have existed before the control time",
        "Existence údajů o zneplatnění certifikátu před kontrolním časem je doložena",
        "Existence údajů o zneplatnění certifikátu před kontrolním časem není doložena",
    ),
    "control-time": Texts(
        "The last time at which the whole path could be relied upon",
        "The last time at which the whole path could be relied upon",
        "Poslední čas, v němž se dalo spolehnout na celou cestu",
        "Poslední čas, v němž se dalo spolehnout na celou cestu",
    ),
    "existence-proven-before-control-time": Texts(
        "The signature is proven to have existed before the control time",
        "The signature is not proven to have existed before the control time",
        "Existence podpisu před kontrolním časem je doložena",
        "Existence podpisu před kontrolním časem není doložena",
    ),
    "trust-anchor-in-force": Texts(
        "The trust in the trust anchor has not ended",
        "The trust in the trust anchor has ended",
        "Důvěra v kotvu důvěry trvá",
        "Důvěra v kotvu důvěry skončila",
    ),
}

NOT_VALIDATED: dict[str, tuple[str, str]] = {
    "internal-error": (
        "An internal error stopped the validation; nothing is said of the signatures",
        "Ověření zastavila vnitřní chyba; o podpisech se nic neříká",
    ),
    "format-not-supported": (
        "The format may carry signatures that this version does not validate",
        "Formát může nést podpisy, které tato verze neověřuje",
    ),
    "resources-exhausted": (
        "The validation exceeded its limits of time or memory; nothing is said of the signatures",
        "Ověření překročilo meze času nebo paměti; o podpisech se nic neříká",
    ),
}
