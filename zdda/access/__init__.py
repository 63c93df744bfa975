"""Gives packages back: what they are, their documents, their proof; every byte verified on its way out."""
