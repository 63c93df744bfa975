"""Stand-ins for what an archive talks to: certification and timestamp authorities, good ones and faulty ones."""
