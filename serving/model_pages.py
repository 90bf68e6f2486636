"""The champion's model card and audit as the site shows them: the files that the commands wrote."""

from __future__ import annotations

from data.city import City
from data.errors import NotFoundError
from data.settings import Settings
from serving.audits import CARD
from serving.wording import LANGUAGES
from training.audits import audit_folder


def name_of_card(language: str) -> str:
    """Return the name of the model card's page."""
    return f"{CARD}.{language}.html"


def model_page(city: City, settings: Settings, model_version: str, name: str) -> str:
    """Return a page of a model by its name: the card, or the audit.

    Raises
    ------
    NotFoundError
        For another name, and where the page was not written yet.
    """
    known = {page for language in LANGUAGES for page in (name_of_card(language), f"{language}.html")}
    path = audit_folder(city, settings, model_version) / name
    if name not in known or not path.is_file():
        raise NotFoundError(
            f"Model {model_version} of {city.name} must have a page {name[:100]}, it has none. "
            f"Run `qianfen model-card {city.name}`."
        )
    return path.read_text(encoding="utf-8")
