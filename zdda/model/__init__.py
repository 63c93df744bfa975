"""The archive's vocabulary: identifiers, clock, states and rules that several rooms share. Standard library only."""
