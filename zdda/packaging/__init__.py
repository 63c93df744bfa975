"""Packages: the canonical container, METS, PREMIS, manifest and seal of an AIP, amendments, submission metadata."""
