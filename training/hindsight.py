"""Does a card know what came after a test began? Its ranges may be shaped by all that was known when it was drawn.

A fold may know nothing later than its training, so a city's own card must be older than the folds that it enters. One
that is not is told of in the results, first. The initial card stands on no city's records and is never too new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from data.city import City
from training.expert_card import ExpertCard
from training.splits import Stage, first_day


def card_against(city: City, card: ExpertCard, tests: Iterable[Stage]) -> dict[str, Any]:
    """Return since when the card holds, and the first days of the tests that begin before a city's own card does."""
    begin = [first_day(test) for test in tests if city.scale.card is not None]
    return {
        "valid_from": card.valid_from,
        "newer_than": [str(day) for day in begin if day < date.fromisoformat(card.valid_from)],
    }


def hindsight_said(content: Mapping[str, Any]) -> list[str]:
    """Return the warning that a result begins with: empty where the card is older than all tests."""
    card = content.get("card", {})
    if not card.get("newer_than"):
        return []
    return [
        f"**The card is newer than what it is tested on**: it holds from {card['valid_from']}, and tests begin on "
        f"{', '.join(card['newer_than'])}. Its ranges may know what came later, so whatever begins from the card, the "
        "champion too, may look better there than it is."
    ]
