"""Trust anchors, revocation data, certificate paths, and the clients of the authorities that issue them."""
