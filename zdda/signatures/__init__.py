"""One model of a signature and one adapter per format: parse, digests, signature values; never trust."""
