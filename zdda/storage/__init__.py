"""Archival Storage of OAIS: objects that cannot be altered, their records, the one door, the spool."""
