"""Real servers that the tests run against, started once for all test processes of a run."""
