"""Data Management of OAIS: deposits on their way, packages, evidence. A view: the stores hold the truth of it."""
