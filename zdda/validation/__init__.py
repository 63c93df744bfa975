"""Signature validation after EN 319 102-1: a pure core over facts, a policy, and the report."""
