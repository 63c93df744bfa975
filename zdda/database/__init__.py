"""Engines, tenant-bound transactions and migrations; SQLite and PostgreSQL alike."""
