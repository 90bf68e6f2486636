"""Files of the day: added without reading the old ones again, corrected by key, and never changing what was known."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data.errors import PointInTimeError, SchemaError, SourceError, StorageError
from data.files import sha256_of
from data.records import open_records, sha256_of_files
from data.settings import Settings
from features.snapshots import build_snapshot
from tests.toy import Toy, city_toml

ENTITIES_SQL = """
SELECT code AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status, address,
    event AS event_date, event::DATE + 1 AS known_at, filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/entities*.csv', all_varchar = true, filename = true)
"""
PENALTIES_SQL = """
SELECT number AS record_id, code AS entity_id, 'fine' AS kind, amount, decided AS event_date,
    decided::DATE + 1 AS known_at, filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/penalties/*.csv', all_varchar = true, filename = true)
"""
ENTITIES = "code,name,address,event\nA1,甲,一街1号,2010-01-01\nA2,乙,二街2号,2011-01-01\n"
HEAD = "number,code,amount,decided\n"
FIRST = HEAD + "P1,A1,500,2020-01-05\nP2,A2,700,2020-01-05\n"


CONTENTS = {
    "city.toml": city_toml("entities*.csv", "penalties/*.csv"),
    "sources/entities.sql": ENTITIES_SQL,
    "sources/penalties.sql": PENALTIES_SQL,
    "files/entities-2019.csv": ENTITIES,
    "files/penalties/a.csv": FIRST,
}


@pytest.fixture
def toy(tmp_path, settings):
    return Toy(tmp_path / "toy", settings, CONTENTS)


def test_the_first_deliveries_are_the_history_and_known_as_the_mapping_says(toy):
    toy.ingest()

    assert toy.penalties() == [("P1", 500.0, "2020-01-06", None), ("P2", 700.0, "2020-01-06", None)]


def test_a_new_delivery_adds_rows_known_from_the_day_it_came_and_reads_no_old_file_again(toy):
    toy.ingest()
    toy.write("files/penalties/b.csv", HEAD + "P3,A1,90,2020-02-01\n")

    toy.ingest(date(2020, 3, 1))

    assert toy.penalties()[-1] == ("P3", 90.0, "2020-03-01", None)
    assert "  penalties of penalties/a.csv: unchanged, skipped" in toy.said
    assert "  entities of entities-2019.csv: unchanged, skipped" in toy.said


def test_the_same_delivery_twice_changes_nothing(toy):
    before = toy.ingest()

    after = toy.ingest(date(2020, 3, 1))

    assert after.records_id == before.records_id
    assert toy.said[-1].endswith("unchanged: skipped.")


def test_the_same_rows_under_another_name_are_counted_and_left_out(toy):
    before = toy.ingest()
    toy.write("files/penalties/copy.csv", FIRST)

    after = toy.ingest(date(2020, 3, 1))

    counts = after.manifest["tables"]["penalties"]
    assert (counts["n_read"], counts["n_accepted"], counts["n_repeated"]) == (4, 2, 2)
    assert sha256_of(after.tables["penalties"]) == sha256_of(before.tables["penalties"])


@pytest.mark.parametrize("name", ["penalties/a.csv", "penalties/a-corrected.csv"])
def test_a_correction_supersedes_the_row_of_its_key_from_the_day_it_came(toy, name):
    toy.ingest()
    toy.write(f"files/{name}", HEAD + "P1,A1,5,2020-01-05\nP2,A2,700,2020-01-05\n")

    counts = toy.ingest(date(2020, 3, 1)).manifest["tables"]["penalties"]

    assert toy.penalties() == [
        ("P1", 500.0, "2020-01-06", "2020-03-01"),
        ("P1", 5.0, "2020-03-01", None),
        ("P2", 700.0, "2020-01-06", None),
    ]
    assert (counts["n_corrected"], counts["n_repeated"]) == (1, 1)


def test_a_delivery_that_comes_again_as_it_was_is_built_once_and_counts_twice(toy):
    toy.ingest()
    for amount in (5, 6, 5):
        toy.write("files/penalties/a.csv", HEAD + f"P1,A1,{amount},2020-01-05\n")
        records = toy.ingest(date(2020, 3, 1))
    toy.write("sources/penalties.sql", PENALTIES_SQL + "-- Another text: every part is built anew.\n")

    again = toy.ingest()

    assert len(again.manifest["tables"]["penalties"]["parts"]) == 4
    assert sha256_of(again.tables["penalties"]) == sha256_of(records.tables["penalties"])


def test_what_a_corrected_file_no_longer_has_is_withdrawn_and_may_come_back(toy):
    toy.ingest()
    toy.write("files/penalties/a.csv", HEAD + "P1,A1,500,2020-01-05\n")
    toy.ingest(date(2020, 3, 1))
    assert toy.penalties()[1] == ("P2", 700.0, "2020-01-06", "2020-03-01")

    toy.write("files/penalties/a.csv", FIRST)
    toy.ingest(date(2020, 4, 1))

    assert toy.penalties()[1:] == [("P2", 700.0, "2020-01-06", "2020-03-01"), ("P2", 700.0, "2020-04-01", None)]


def test_what_another_file_still_has_is_not_withdrawn(toy):
    toy.write("files/penalties/b.csv", HEAD + "P2,A2,700,2020-01-05\n")
    toy.ingest()
    toy.write("files/penalties/a.csv", HEAD + "P1,A1,500,2020-01-05\n")

    toy.ingest(date(2020, 3, 1))

    assert toy.penalties()[1] == ("P2", 700.0, "2020-01-06", None)


def test_a_delivery_that_vanishes_from_the_folder_stays_in_force(toy):
    toy.ingest()
    toy.write("files/penalties/b.csv", HEAD + "P3,A1,90,2020-02-01\n")
    (toy.folder / "files/penalties/a.csv").unlink()

    toy.ingest(date(2020, 3, 1))

    assert [row[0] for row in toy.penalties()] == ["P1", "P2", "P3"]


def test_a_changed_mapping_reads_the_kept_copies_of_deliveries_that_were_overwritten(toy):
    toy.ingest()
    toy.write("files/penalties/a.csv", HEAD + "P1,A1,5,2020-01-05\nP2,A2,700,2020-01-05\n")
    toy.ingest(date(2020, 3, 1))
    toy.write("sources/penalties.sql", PENALTIES_SQL.replace("'fine'", "'warning'"))

    toy.ingest(date(2020, 3, 1))

    rows = toy.penalties(("record_id", "kind", "amount"))
    assert sorted(rows) == [("P1", "warning", 5.0), ("P1", "warning", 500.0), ("P2", "warning", 700.0)]


def test_an_earlier_snapshot_is_rebuilt_to_the_byte_from_old_records_and_from_corrected_ones(toy):
    old = toy.ingest()
    first = sha256_of(build_snapshot(old, date(2020, 2, 1), toy.settings, toy.said.append).path)
    toy.write("files/penalties/a.csv", HEAD + "P1,A1,5,2020-01-05\n")
    toy.write("files/entities-2020.csv", "code,name,address,event\nA1,丙,二街2号,2020-01-10\n")
    new = toy.ingest(date(2020, 3, 1))

    again = build_snapshot(new, date(2020, 2, 1), toy.settings, toy.said.append)
    other_var = Settings.from_environment({"QIANFEN_VAR": str(toy.folder / "elsewhere")})
    reopened = open_records(toy.city, toy.settings, old.records_id)
    rebuilt = build_snapshot(reopened, date(2020, 2, 1), other_var, toy.said.append)

    assert sha256_of(again.path) == sha256_of(rebuilt.path) == first
    later = build_snapshot(new, date(2020, 3, 2), toy.settings, toy.said.append).read()
    assert list(later.penalty_amount) == [5.0, 0.0]
    assert list(later.address_sharing) == [2.0, 2.0]


def test_an_entry_older_than_the_one_known_goes_to_quarantine(toy):
    toy.ingest()
    toy.write("files/entities-2020.csv", "code,name,address,event\nA1,旧,九街9号,2009-01-01\n")

    records = toy.ingest(date(2020, 3, 1))

    quarantined = records.connect(1).read_parquet(str(records.folder / "quarantine/entities.parquet")).execute()
    assert list(quarantined.reasons[0]) == ["the entry of 2009-01-01 came after a later one, of 2010-01-01, was known"]


def test_deliveries_must_come_in_order(toy):
    toy.ingest()
    toy.write("files/penalties/b.csv", HEAD + "P3,A1,90,2020-02-01\n")
    toy.ingest(date(2020, 3, 1))
    toy.write("files/penalties/c.csv", HEAD + "P4,A1,90,2020-02-01\n")

    with pytest.raises(PointInTimeError, match="received on 2020-03-01; got 2020-02-01. Give a later --received-on"):
        toy.ingest(date(2020, 2, 1))


def test_a_row_known_after_its_delivery_came_goes_to_quarantine(toy):
    toy.ingest()
    toy.write("files/penalties/b.csv", HEAD + "P3,A1,90,2020-03-05\n")

    records = toy.ingest(date(2020, 3, 1))

    assert records.manifest["tables"]["penalties"]["n_quarantined"] == 1


def test_a_pattern_without_a_file_is_an_error_that_names_it(toy):
    (toy.folder / "files/penalties/a.csv").unlink()

    with pytest.raises(SourceError, match=r"The source file penalties/\*.csv of toy must lie in"):
        toy.ingest()


def test_a_mapping_of_two_patterns_is_refused(toy):
    toy.write("sources/penalties.sql", PENALTIES_SQL + " WHERE '/entities*.csv' <> ''")

    with pytest.raises(SchemaError, match=r"must read at most one path with '\*', it reads entities\*.csv, penalties"):
        toy.ingest()


def test_a_damaged_part_is_read_again(toy):
    before = toy.ingest()
    part = next((toy.settings.var / "cities/toy/parts").glob("penalties-*/accepted.parquet"))
    whole = part.read_bytes()
    damaged = bytearray(whole)
    damaged[10] ^= 1
    part.unlink()
    part.write_bytes(damaged)
    toy.write("files/penalties/b.csv", FIRST)

    after = toy.ingest(date(2020, 3, 1))

    assert "  penalties of penalties/a.csv: what was kept of it is damaged, read again" in toy.said
    assert sha256_of(after.tables["penalties"]) == sha256_of(before.tables["penalties"])


def test_a_damaged_table_that_was_removed_is_made_again_as_it_was_and_the_history_of_deliveries_stays(toy):
    toy.ingest()
    toy.write("files/penalties/b.csv", HEAD + "P3,A1,90,2020-02-01\n")
    before = toy.ingest(date(2020, 3, 1))
    hashes = {name: sha256_of(path) for name, path in before.tables.items()}
    path = before.tables["entities"]
    damaged = bytearray(path.read_bytes())
    damaged[10] ^= 1
    # Written in place, so that the part, which shares the file, is damaged too.
    path.write_bytes(damaged)
    path.unlink()
    before.tables["penalties"].unlink()

    after = toy.ingest(date(2020, 4, 1))

    assert {name: sha256_of(path) for name, path in after.tables.items()} == hashes
    assert "  tables/entities.parquet was missing, it was made again as it was" in toy.said
    assert after.manifest == before.manifest
    assert toy.penalties()[-1] == ("P3", 90.0, "2020-03-01", None)


def test_a_damaged_manifest_of_records_is_told_and_not_guessed(toy):
    records = toy.ingest()
    path = records.folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"n_read": 2', '"n_read": 3', 1), encoding="utf-8")

    with pytest.raises(StorageError, match="it alone says when each delivery came"):
        toy.ingest(date(2020, 3, 1))


def test_without_the_records_in_force_nothing_begins_anew_unless_that_is_said(toy):
    records = toy.ingest()
    records.folder.rename(records.folder.with_name("moved away"))
    toy.write("files/penalties/b.csv", HEAD + "P3,A1,90,2020-02-01\n")

    with pytest.raises(StorageError, match="on which days deliveries came is then forgotten"):
        toy.ingest(date(2020, 3, 1))

    (records.folder.parent / "current.json").unlink()
    toy.ingest(date(2020, 3, 1))
    assert toy.penalties()[-1] == ("P3", 90.0, "2020-02-02", None)


def test_the_manifest_names_the_parts_of_every_table_and_the_hash_of_every_file(toy):
    records = toy.ingest()

    parts = {path.name for path in (toy.settings.var / "cities/toy/parts").iterdir()}
    named = {f"{name}-{part}" for name, table in records.manifest["tables"].items() for part in table["parts"]}
    assert named == parts
    files = {str(path.relative_to(records.folder)): sha256_of(path) for path in records.folder.rglob("*.parquet")}
    assert sha256_of_files(records.manifest) == files


rows = st.dictionaries(st.sampled_from(["P1", "P2", "P3"]), st.sampled_from([1, 2, 3]), max_size=3)
deliveries = st.lists(st.tuples(st.sampled_from(["a", "b"]), rows), min_size=1, max_size=4)


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries)
def test_what_was_known_as_of_a_day_is_what_the_deliveries_before_it_said(tmp_path_factory, deliveries):
    """The records with all deliveries, looked at as of any day, are those that were in force on that day."""
    folder = tmp_path_factory.mktemp("property")
    settings = Settings.from_environment({"QIANFEN_VAR": str(folder / "var"), "QIANFEN_THREADS": "1"})
    toy = Toy(folder / "toy", settings, CONTENTS)
    toy.ingest()
    in_force = []
    for number, (name, content) in enumerate(deliveries):
        lines = "".join(f"{key},A1,{amount},2020-01-05\n" for key, amount in content.items())
        toy.write(f"files/penalties/{name}.csv", HEAD + lines)
        toy.ingest(date(2020, 3, 1 + number))
        in_force.append(_visible(toy, date(2020, 3, 2 + number)))

    assert [_visible(toy, date(2020, 3, 2 + number)) for number in range(len(deliveries))] == in_force
    assert _visible(toy, date(2020, 3, 1)) == [("P1", 500.0), ("P2", 700.0)]
    latest = {name: content for name, content in deliveries}
    if "a" in latest and "b" in latest:
        last = deliveries[-1]
        assert {key: float(amount) for key, amount in last[1].items()}.items() <= dict(in_force[-1]).items()
        assert set(dict(in_force[-1])) == set(latest["a"]) | set(latest["b"])


def _visible(toy: Toy, as_of: date):
    day = str(as_of)
    return [(key, amount) for key, amount, known, gone in toy.penalties() if known < day and not (gone and gone < day)]
