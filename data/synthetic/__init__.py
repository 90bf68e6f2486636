"""A city that no one lives in: made-up records of all 13 tables, the truth kept apart. See docs/synthetic-city.md."""

from data.synthetic.city import SEED, build_synthetic_city

__all__ = ["SEED", "build_synthetic_city"]
