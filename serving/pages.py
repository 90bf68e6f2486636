"""The frame of every page, the site's and those of files that need no server: templates, style and its words."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from serving.sentences import signed
from serving.wording import translated

_FOLDER = Path(__file__).resolve().parent

_WORDS: dict[str, tuple[str, str]] = {
    "html_lang": ("zh-CN", "en"),
    "other_language": ("English", "中文"),
    "other_html_lang": ("en", "zh-CN"),
    "skip": ("跳到正文", "Skip to the content"),
    "contents": ("目录", "Contents"),
    "colon": ("：", ": "),
    "comma": ("，", ", "),
    "full_stop": ("。", "."),
}


def page(template: str, language: str, switch: str, **values: Any) -> str:
    """Return a page as HTML; `switch` is the address of the same page in the other language.

    The frame takes `product` and `title` from the values: what the page is, and of which city.
    """
    frame = translated(_WORDS, language)
    return environment().get_template(template).render(frame=frame, language=language, switch=switch, **values)


def file_page(template: str, language: str, switch: str, **values: Any) -> str:
    """Return a page as one file that needs no server, style included; parameters as of `page`."""
    style = (_FOLDER / "static" / "site.css").read_text(encoding="utf-8")
    return page(template, language, switch, style=style, **values)


def html_language(language: str) -> str:
    """Return a language as HTML names it."""
    return translated(_WORDS, language)["html_lang"]


@cache
def environment() -> jinja2.Environment:
    """Return what renders every template."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["path"] = lambda text: quote(text, safe="")
    environment.filters["one_decimal"] = lambda number: f"{number:,.1f}".replace("-", "−")
    environment.filters["signed_tenths"] = lambda n: signed(n / 10)
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment
