"""One file a migration, in order; a migration that has shipped is never changed."""
