"""Figures, each as a ratio to a denominator measured in the same run; see README.md."""
