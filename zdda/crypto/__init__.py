"""Digests, streaming encryption, key wrapping, generation keys, signing keys and the algorithm catalogue."""
