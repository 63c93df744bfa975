"""A certification authority, OCSP responder and timestamp authority for demonstrations and tests. Trusted by nobody."""
