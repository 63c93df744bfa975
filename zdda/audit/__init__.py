"""The append-only log of everything that happened: an outbox in each transaction, one sequence, one hash chain."""
