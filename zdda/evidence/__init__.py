"""Proof that stands alone: hash trees, evidence records (RFC 4998), batches."""
