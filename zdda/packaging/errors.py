"""What can be wrong with a package; every code is stable and every message may be shown to anybody."""

from __future__ import annotations

from zdda.model.errors import IntegrityError, InvalidInput


class PackageError(IntegrityError):
    """A package is not what it claims to be. ``member`` names the member at fault, if one is."""

    code = "package"

    def __init__(self, message: str, member: str | None = None) -> None:
        super().__init__(f"{member}: {message}" if member else message, member=member)
        self.member = member
        self.reason = message


class ContainerFormError(PackageError):
    """The ZIP structure is not the canonical one (or over a bound)."""

    code = "container-form"


class MemberDamaged(PackageError):
    """A member's bytes do not have the length, checksum or digest recorded for them."""

    code = "member-damaged"


class MemberMissing(PackageError):
    """A member that is listed or prescribed is not there."""

    code = "member-missing"


class MemberUnlisted(PackageError):
    """A member that nothing lists is there."""

    code = "member-unlisted"


class ManifestInvalid(PackageError):
    """The ASiC manifest is not in the one form the archive writes."""

    code = "manifest-invalid"


class SealMalformed(PackageError):
    """A seal or amendment is not CMS in the profile of EN 319 122-1 that the archive writes."""

    code = "seal-malformed"


class SealBroken(PackageError):
    """The seal's message digest or signature value does not fit."""

    code = "seal-broken"


class MetadataBroken(PackageError):
    """METS, PREMIS or a JSON record inside a package is malformed or contradicts the package."""

    code = "package-metadata"


class AmendmentInvalid(PackageError):
    """An amendment's content is not in the published form."""

    code = "amendment-invalid"


class UnsupportedPackage(InvalidInput):
    """A package cannot be built from what was given."""

    code = "package-unsupported"
