"""The names of cities, tables and indicators as a person reads them, in Chinese and in English."""

from __future__ import annotations

from data.city import City
from data.schemas import TABLES
from features.catalogue import load_catalogue

_ALL_TABLES = {"zh": "总则", "en": "All tables"}
"""What a city's note under `all` stands under."""


def city_title(city: City, language: str) -> str:
    """Return the title of a city."""
    return city.title_zh if language == "zh" else city.title


def indicator_name(name: str, language: str) -> str:
    """Return the name of an indicator as it stands within a sentence; one of another catalogue in words."""
    catalogue = load_catalogue()
    return catalogue[name].name_zh if language == "zh" and name in catalogue.names else name.replace("_", " ")


def table_name(name: str, language: str) -> str:
    """Return the name of a canonical table; `all` stands for all of them."""
    if name == "all":
        return _ALL_TABLES[language]
    return TABLES[name].name_zh if language == "zh" and name in TABLES else name.replace("_", " ")


def sentence_case(text: str) -> str:
    """Return a text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]
