"""Audited groups are those that were known of an entity before each row's date."""

from __future__ import annotations

from datetime import date

import pandas as pd

from training.groups import groups_of


def entity(entity_id, known_at, **changes):
    return {
        "entity_id": entity_id, "event_date": known_at, "known_at": known_at, "established_date": date(2018, 6, 1),
        "size": "micro", "industry_code": "62", "region_code": "110101",
    } | changes  # fmt: skip


KEYS = pd.DataFrame(
    {"entity_id": ["E2", "E1", "E1"], "as_of_date": pd.to_datetime(["2020-01-01", "2020-01-01", "2023-07-01"])}
)


def test_each_row_has_the_groups_of_its_entity_as_of_its_date(write_records):
    moved = entity("E1", date(2021, 1, 1), size="small", industry_code="own class", region_code="110105")
    records = write_records(entities=[entity("E1", date(2019, 1, 1)), moved])

    groups = groups_of(records, KEYS)

    assert groups.iloc[0].isna().all()
    assert groups.iloc[1].to_dict() == {"district": "110101", "industry": "H", "size": "micro", "age": "under 2 years"}
    assert groups.iloc[2].to_dict() == {
        "district": "110105", "industry": "own class", "size": "small", "age": "5 to 10 years",
    }  # fmt: skip


def test_what_becomes_known_later_moves_no_row(write_records):
    before = [entity("E1", date(2019, 1, 1)), entity("E2", date(2019, 1, 1))]
    later = [entity("E1", date(2023, 7, 1), size="large"), entity("E2", date(2020, 1, 1), region_code="110108")]

    one, both = (groups_of(write_records(entities=rows), KEYS) for rows in (before, before + later))

    pd.testing.assert_frame_equal(one, both)


def test_a_state_that_was_withdrawn_counts_until_that_was_known(write_records):
    wrong = entity("E1", date(2019, 6, 1), size="large", withdrawn_at=date(2021, 1, 1))
    records = write_records(entities=[entity("E1", date(2019, 1, 1)), wrong])

    assert groups_of(records, KEYS)["size"].tolist()[1:] == ["large", "micro"]
