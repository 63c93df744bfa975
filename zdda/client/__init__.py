"""The free SDK: deposit documents and get them back, with retries that never deposit twice. Stands alone."""

from zdda.client.archive_client import ArchiveClient, ArchiveRefused, Document, ReceivedDamaged

__all__ = ["ArchiveClient", "ArchiveRefused", "Document", "ReceivedDamaged"]
