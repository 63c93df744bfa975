"""REST, version 1: stable from the first day, additions only."""
