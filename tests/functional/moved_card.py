"""A city's own card holds what was known by its day, and its cut points what was known by theirs."""

from __future__ import annotations

from datetime import date

from data.city import City
from data.records import Records
from experiments.better_indicators.card import card_as_of, cuts_as_of
from training.fitting import Recipe
from training.splits import first_day


def require_card_of_its_day(city: City, records: Records) -> None:
    """Make card and cut points anew as of their days, and hold the files of the city to that."""
    recipe = Recipe.of(city, threads=1)
    card, cuts = recipe.card, recipe.cut_points

    made = card_as_of(city, records, date.fromisoformat(card.valid_from), threads=1)

    assert [(r.indicator, r.edges) for r in made.ranges] == [(r.indicator, r.edges) for r in card.ranges]
    day = date.fromisoformat(cuts.valid_from)
    assert day <= first_day(city.split.test)
    assert tuple(cuts_as_of(card, records, day, threads=1)) == cuts.from_points[1:]
