"""Drift of the data, before any model: what arrives, what is missing, what has moved, and who accepted it."""
