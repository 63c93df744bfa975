"""Stand-ins for the world around the archive: authorities that misbehave, clocks, stores that fail."""
