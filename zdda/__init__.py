"""ZDDA: a long-term trusted archive."""

__version__ = "0.1.0"
