"""Migrations of the catalog, run by ``zdda.database.migration``."""
