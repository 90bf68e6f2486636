"""Benchmarks, each against named peers or against itself at another size, in one format."""
