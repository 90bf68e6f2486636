"""Models: labels, splits in time, the expert card, the additive score, evaluation and the registry."""
