"""Use: whole-population grading, the scoring service, the review pages and the `qianfen` command."""
