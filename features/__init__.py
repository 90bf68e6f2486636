"""Indicators: the catalogue, the 18 definitions, the point-in-time matrix and its snapshots."""
