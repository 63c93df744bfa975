"""What a key service (Vault, OpenBao, KMIP) may be wrong with: all of it ``Unavailable``, nothing is lost meanwhile."""

from __future__ import annotations

from zdda.model.errors import Unavailable


class KeyServiceAway(Unavailable):
    """The service is not reached, is not who it must be (TLS), does not answer in time, or is sealed."""

    code = "key-service-away"


class KeyServiceRefuses(Unavailable):
    """The service does not let the archive do this: its token or certificate is wrong, expired or without the right."""

    code = "key-service-refuses"


class KeyServiceKey(Unavailable):
    """The service has no key of this name, or one that is not fit."""

    code = "key-service-key"


class KeyServiceFailed(Unavailable):
    """The service answers with another error, or with what is not right."""

    code = "key-service-failed"
