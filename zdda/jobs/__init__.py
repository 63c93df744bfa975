"""Work that goes on in the background: leased steps in threads, hostile bytes in killable processes."""
