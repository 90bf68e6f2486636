"""The drawing shows the same sum as the reply: each bar begins where the one before it ended."""

from __future__ import annotations

import pytest

from features.catalogue import load_catalogue
from serving.review_page import WIDTH, bands, draw
from training.expert_card import CutPoints

CATALOGUE = load_catalogue()
CUTS = CutPoints(("A", "B", "C", "D"), (0.0, 250.0, 350.0, 450.0), "2026-01-01", "test")


def reply(parts, base=200.0, clipping=0.0):
    """Return a reply whose first indicators have the given (expert, learned) parts, and the others none."""
    pairs = [*parts, *[(0.0, 0.0)] * (len(CATALOGUE) - len(parts))]
    contributions = [
        {"indicator": item.name, "value": 1.0, "expert": expert, "learned": learned, "total": expert + learned}
        | {"sentence_zh": "句", "sentence_en": "sentence"}
        for item, (expert, learned) in zip(CATALOGUE, pairs, strict=True)
    ]
    points = base + sum(c["total"] for c in contributions) + clipping
    return {"base_points": base, "points": points, "clipping": clipping, "contributions": contributions}


def test_the_largest_contribution_comes_first():
    drawing = draw(reply([(10.0, 0.0), (-50.0, 5.0), (0.0, 30.0)]), CATALOGUE, CUTS, "en", "CNY")

    assert [step.total for step in drawing.steps[:3]] == ["−45.0", "+30.0", "+10.0"]


def test_each_step_begins_where_the_one_before_ended_and_the_last_ends_at_the_points():
    drawing = draw(reply([(10.0, 5.0), (-50.0, 5.0), (0.0, 30.0)]), CATALOGUE, CUTS, "en", "CNY")

    assert drawing.steps[0].starts_at == drawing.base_x
    for before, after in zip(drawing.steps, drawing.steps[1:], strict=False):
        assert after.starts_at == before.ends_at
    assert drawing.steps[-1].ends_at == drawing.points_x


def test_bars_are_as_long_as_their_points():
    drawing = draw(reply([(100.0, -40.0)]), CATALOGUE, CUTS, "en", "CNY")

    # From 200 to 300 points with 4% of the span on both sides: 108 points over the width.
    first = drawing.steps[0]
    assert first.expert_bar.width == pytest.approx(100 / 108 * WIDTH, abs=0.01)
    assert first.learned_bar.width == pytest.approx(40 / 108 * WIDTH, abs=0.01)
    assert first.expert_bar.x == pytest.approx(4 / 108 * WIDTH, abs=0.01)
    assert first.learned_bar.x == pytest.approx((4 + 60) / 108 * WIDTH, abs=0.01)


def test_clipping_has_its_own_line_only_when_it_acts():
    within = draw(reply([(100.0, 0.0)]), CATALOGUE, CUTS, "en", "CNY")
    beyond = draw(reply([(900.0, 0.0)], clipping=-100.0), CATALOGUE, CUTS, "en", "CNY")

    assert not within.clips
    assert beyond.clips
    assert beyond.points_x < beyond.sum_x


def test_nothing_lies_outside_the_drawing():
    drawing = draw(reply([(300.0, -700.0), (200.0, 500.0)], clipping=12.0), CATALOGUE, CUTS, "zh", "CNY")

    for step in drawing.steps:
        for bar in (step.expert_bar, step.learned_bar):
            assert bar.x >= 0
            assert bar.x + bar.width <= WIDTH
    assert all(0 <= tick.x <= WIDTH for tick in (*drawing.ticks, *drawing.boundaries))


def test_a_reply_without_any_effect_can_be_drawn():
    drawing = draw(reply([]), CATALOGUE, CUTS, "zh", "CNY")

    assert all(step.is_flat for step in drawing.steps)
    assert drawing.base_x == drawing.points_x


def test_boundaries_of_grades_are_drawn_where_they_lie_in_view():
    drawing = draw(reply([(200.0, 0.0)]), CATALOGUE, CUTS, "zh", "CNY")

    assert [edge.text for edge in drawing.boundaries] == ["A|B", "B|C"]


def test_bands_cover_the_thousand_points():
    assert [(b.grade, b.left, b.width) for b in bands(CUTS)] == [
        ("A", 0.0, 25.0), ("B", 25.0, 10.0), ("C", 35.0, 10.0), ("D", 45.0, 55.0),
    ]  # fmt: skip
