"""From which day on a row belongs to which entity, worked out by hand; and what must hold whatever comes later."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.linking.timeline import (
    BELOW,
    NO_NAME,
    REFUSED,
    SEVERAL,
    Candidate,
    Link,
    Verdict,
    choose,
    links_of,
)

BAR = 0.8
START = date(2020, 1, 1)


def day(number: int) -> date:
    return START + timedelta(days=number)


def test_the_only_bearer_of_a_name_is_linked_on_the_day_the_row_is_known():
    links, reason = links_of(day(5), [Candidate("A", 200.0, True, day(1))], [], BAR)

    assert links == [Link("A", "name", 1.0, day(5))]
    assert reason is None


def test_an_entity_registered_after_the_row_is_linked_from_the_day_it_became_known():
    links, _ = links_of(day(5), [Candidate("A", 200.0, True, day(9))], [], BAR)

    assert links == [Link("A", "name", 1.0, day(9))]


def test_a_later_entity_of_the_same_name_does_not_unmake_a_link_but_keeps_later_rows_waiting():
    candidates = [Candidate("A", 200.0, True, day(1)), Candidate("B", 200.0, True, day(9))]

    assert links_of(day(5), candidates, [], BAR) == ([Link("A", "name", 1.0, day(5))], None)
    assert links_of(day(9), candidates, [], BAR) == ([], SEVERAL)


def test_the_share_of_a_candidate_is_its_odds_over_one_plus_all_odds():
    near, far = Candidate("A", 12.0, False, day(0)), Candidate("B", 2.0, False, day(0))

    assert choose([near, far], day(0), BAR).shares == (("A", 12 / 15), ("B", 2 / 15))
    assert choose([near, far], day(0), 0.8).taken == "A"
    assert choose([near, far], day(0), 0.81).reason == SEVERAL


def test_a_single_unlikely_candidate_waits_below_the_bar():
    assert choose([Candidate("A", 1.0, False, day(0))], day(0), BAR).reason == BELOW
    assert choose([], day(0), BAR).reason == NO_NAME


def test_two_states_of_one_entity_count_once():
    states = [Candidate("A", 12.0, False, day(0)), Candidate("A", 12.0, False, day(1))]

    assert choose(states, day(2), BAR).shares == (("A", 12 / 13),)


def test_a_link_ends_where_the_register_withdraws_the_name_and_another_takes_its_place():
    candidates = [Candidate("A", 200.0, True, day(1), day(7)), Candidate("B", 200.0, True, day(6))]

    links, _ = links_of(day(5), candidates, [], BAR)

    assert links == [Link("A", "name", 1.0, day(5), day(7)), Link("B", "name", 1.0, day(7))]


def test_a_decision_counts_from_its_day_and_a_later_one_takes_its_place():
    candidates = [Candidate("A", 1.0, False, day(1))]
    verdicts = [Verdict(day(8), True, "A"), Verdict(day(12), True, "C"), Verdict(day(20), False, None)]

    links, reason = links_of(day(5), candidates, verdicts, BAR)

    assert links == [Link("A", "decision", 1.0, day(8), day(12)), Link("C", "decision", 1.0, day(12), day(20))]
    assert reason == REFUSED


def test_a_decision_made_before_a_row_came_links_it_at_once():
    links, _ = links_of(day(9), [], [Verdict(day(8), True, "A")], BAR)

    assert links == [Link("A", "decision", 1.0, day(9))]


def test_of_two_decisions_on_one_day_the_last_counts():
    verdicts = [Verdict(day(8), True, "A"), Verdict(day(8), True, "B")]

    assert links_of(day(5), [], verdicts, BAR)[0] == [Link("B", "decision", 1.0, day(8))]


def test_to_reject_the_entity_of_a_link_ends_it_and_to_reject_another_leaves_it():
    candidates = [Candidate("A", 200.0, True, day(1)), Candidate("B", 0.1, False, day(1))]

    ended, _ = links_of(day(5), candidates, [Verdict(day(8), False, "A")], BAR)
    left, _ = links_of(day(5), candidates, [Verdict(day(8), False, "B")], BAR)

    assert ended == [Link("A", "name", 1.0, day(5), day(8))]
    assert left == [Link("A", "name", 1.0, day(5))]


def test_to_reject_one_of_two_bearers_links_the_other_from_that_day():
    candidates = [Candidate("A", 200.0, True, day(1)), Candidate("B", 200.0, True, day(1))]

    links, _ = links_of(day(5), candidates, [Verdict(day(8), False, "A")], BAR)

    assert links == [Link("B", "name", 1.0, day(8))]


def test_a_rejection_of_all_is_lifted_by_a_later_acceptance():
    verdicts = [Verdict(day(6), False, None), Verdict(day(8), True, "A")]

    links, _ = links_of(day(5), [Candidate("A", 200.0, True, day(1))], verdicts, BAR)

    assert links == [
        Link("A", "name", 1.0, day(5), day(6)),
        Link("A", "decision", 1.0, day(8)),
    ]


days = st.integers(0, 20).map(day)
candidates = st.builds(
    lambda entity, odds, is_exact, known, length: Candidate(
        entity, odds, is_exact, known, None if length is None else known + timedelta(days=length)
    ),
    st.sampled_from("ABC"),
    st.sampled_from([0.02, 1.0, 9.0, 200.0]),
    st.booleans(),
    days,
    st.one_of(st.none(), st.integers(1, 9)),
)
verdicts = st.builds(
    lambda on, entity, accepts: Verdict(on, accepts and entity is not None, entity),
    days,
    st.sampled_from(["A", "B", None]),
    st.booleans(),
)


def in_force(links: list[Link], as_of: date) -> list[tuple[str, str, float, date]]:
    """Links that count as of a date, as indicators see rows: known before it, and not ended before it."""
    return [
        (link.entity_id, link.method, link.score, link.linked_at)
        for link in links
        if link.linked_at < as_of and (link.unlinked_at is None or link.unlinked_at >= as_of)
    ]


@given(days, st.lists(candidates, max_size=5), st.lists(verdicts, max_size=4), st.integers(0, 22))
def test_nothing_that_becomes_known_later_moves_what_a_link_was_as_of_a_date(known_at, found, said, number):
    as_of = day(number)
    said = sorted(said, key=lambda verdict: verdict.decided_on)
    earlier = [
        # A withdrawal that lies ahead is not known yet either.
        Candidate(c.entity_id, c.odds, c.is_exact, c.known_at, c.withdrawn_at if c.withdrawn_at < as_of else None)
        if c.withdrawn_at
        else c
        for c in found
        if c.known_at < as_of
    ]

    with_later, _ = links_of(known_at, found, said, BAR)
    without, _ = links_of(known_at, earlier, [v for v in said if v.decided_on < as_of], BAR)

    assert in_force(with_later, as_of) == in_force(without, as_of)


@given(days, st.lists(candidates, max_size=5), st.lists(verdicts, max_size=4))
def test_links_follow_one_another_without_overlap_and_never_before_their_row(known_at, found, said):
    links, reason = links_of(known_at, found, sorted(said, key=lambda verdict: verdict.decided_on), BAR)

    assert all(link.linked_at >= known_at for link in links)
    assert all(link.unlinked_at is None or link.unlinked_at > link.linked_at for link in links)
    for earlier, later in pairwise(links):
        assert earlier.unlinked_at is not None
        assert earlier.unlinked_at <= later.linked_at
    if not links or links[-1].unlinked_at is not None:
        assert reason is not None


@given(st.lists(candidates, max_size=6), st.floats(0.51, 1.0))
def test_what_is_taken_has_more_than_all_others_together_unless_it_alone_bears_the_name(found, bar):
    choice = choose(found, day(30), bar)

    assert sum(share for _, share in choice.shares) < 1
    if choice.method == "score":
        assert choice.score >= bar
        assert choice.score > sum(share for entity, share in choice.shares if entity != choice.taken)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_candidates_does_not_matter(order):
    found = [Candidate("A", 9.0, False, day(0)), Candidate("B", 9.0, False, day(0)), Candidate("C", 1.0, False, day(0))]

    assert choose(found[::order], day(1), BAR) == choose(found, day(1), BAR)
