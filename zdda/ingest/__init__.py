"""Takes a deposit from its first byte to the receipt: received → validated → sealed → stored → archived."""
