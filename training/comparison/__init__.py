"""The champion and its rivals on the same rows: over temporal folds, which choose, and on the city's test beside."""
