"""The command line, one file a verb. ``deposit`` and ``fetch`` are REST clients; the rest works beside the archive."""
