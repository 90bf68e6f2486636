"""Sections of pages between markers."""

from __future__ import annotations

import pytest

from data.errors import ConfigurationError
from data.pages import has_section, write_section


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(
        "# Rivals\n\n<!-- compare toy -->\nold\n<!-- /compare toy -->\n\nWritten by hand.\n", encoding="utf-8"
    )
    return path


def test_a_section_is_replaced_and_the_rest_stays(page):
    write_section(page, "compare toy", "| new |\n")

    text = page.read_text(encoding="utf-8")
    assert text == "# Rivals\n\n<!-- compare toy -->\n\n| new |\n\n<!-- /compare toy -->\n\nWritten by hand.\n"


def test_writing_the_same_twice_changes_nothing(page):
    write_section(page, "compare toy", "| new |")
    once = page.read_bytes()

    write_section(page, "compare toy", "| new |")

    assert page.read_bytes() == once


def test_a_page_without_the_markers_is_refused_and_left_as_it_was(page):
    before = page.read_bytes()

    with pytest.raises(ConfigurationError, match="must hold the lines `<!-- compare other -->`"):
        write_section(page, "compare other", "new")

    assert page.read_bytes() == before
    assert not has_section(page, "compare other")


def test_a_page_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="Add them where it is to stand"):
        write_section(tmp_path / "none.md", "compare toy", "new")
