"""Cities and studies, one folder each, and the benchmarks."""
