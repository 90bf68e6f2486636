"""Rows with a name and no code in a whole city: linked, waiting, decided by persons; and never by what came later."""

from __future__ import annotations

import shutil
from datetime import date

import pytest
from click.testing import CliRunner

from data.city import load_city
from data.errors import ConfigurationError, NotFoundError, PointInTimeError, RequestError, StorageError
from data.files import sha256_of
from data.linking.decisions import Decision, add_decisions, decisions_path, read_decisions
from data.linking.review import SHEET, find_item, read_items
from data.records import open_records
from serving.commands import cli
from tests.toy import Toy, city_toml

TOML = city_toml("entities*.csv", "penalties*.csv", name_zh="北京市")
ENTITIES_SQL = """
SELECT code AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status, region AS region_code,
    event AS event_date, event::DATE + 1 AS known_at, filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/entities*.csv', all_varchar = true, filename = true)
"""
PENALTIES_SQL = """
SELECT number AS record_id, code AS entity_id, name AS entity_name, region AS entity_region, 'fine' AS kind,
    decided AS event_date, decided::DATE + 1 AS known_at, filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/penalties*.csv', all_varchar = true, filename = true)
"""
ENTITIES = """code,name,region,event
A1,北京万信源科技发展有限公司,110108,2010-01-01
A2,北京零度聚阵穿越上网服务有限公司,110105,2010-01-01
A3,北京零度聚阵穿梭上网服务有限公司,110106,2010-01-01
A4,老王餐馆,110105,2010-01-01
A5,老王餐馆,110108,2010-01-01
"""
HEAD = "number,code,name,region,decided\n"
EXACT = "P1,,北京万信源科技发展有限责任公司,,2020-01-05\n"
SHORT = "P2,,万信源科技发展有限公司,,2020-01-05\n"
CHAIN = "P3,,北京零度聚阵穿上网服务有限公司,,2020-01-05\n"
REGION = "P4,,老王餐馆,110108,2020-01-05\n"
BARE = "P5,,老王餐馆,,2020-01-05\n"
NOBODY = "P6,,无名小铺,,2020-01-05\n"
CHAIN_NAME = "北京零度聚阵穿上网服务有限公司"


CONTENTS = {
    "city.toml": TOML,
    "sources/entities.sql": ENTITIES_SQL,
    "sources/penalties.sql": PENALTIES_SQL,
    "files/entities.csv": ENTITIES,
    "files/penalties.csv": HEAD + EXACT + SHORT + CHAIN + REGION + BARE + NOBODY,
}


class NamedToy(Toy):
    """A city whose penalties come with names."""

    def penalties(self, columns=("record_id", "entity_id", "link_method", "known_at", "withdrawn_at")):
        return super().penalties(columns)

    def waiting(self):
        records = open_records(self.city, self.settings)
        path = str(records.folder / "quarantine" / "penalties.parquet")
        frame = records.connect(1).read_parquet(path).execute()
        return {row.record_id: row.reasons[0] for row in frame.itertuples()}

    def decide(self, name: str, verdict: str, entity_id: str, day: str) -> None:
        item = find_item(read_items(open_records(self.city, self.settings)), name)
        decision = Decision(item.name_key, item.region, verdict, entity_id, "李雷", "核对营业执照", day)
        add_decisions(self.city, self.settings, [decision])

    def run(self, *arguments: str):
        return CliRunner().invoke(cli, ["links", *arguments], obj=self.settings, catch_exceptions=True)


@pytest.fixture
def toy(tmp_path, settings):
    return NamedToy(tmp_path / "toy", settings, CONTENTS)


def test_rows_are_linked_by_name_by_region_and_by_score_and_others_wait_with_a_reason(toy):
    counts = toy.ingest().manifest["tables"]["penalties"]

    assert toy.penalties() == [
        ("P1", "A1", "name", "2020-01-06", None),
        ("P2", "A1", "score", "2020-01-06", None),
        ("P4", "A5", "name", "2020-01-06", None),
    ]
    assert toy.waiting() == {
        "P3": "more than one entity may bear this name: decide in the review list",
        "P5": "more than one entity may bear this name: decide in the review list",
        "P6": "no entity of the register has a name like this one",
    }
    assert (counts["n_read"], counts["n_linked"], counts["n_quarantined"]) == (6, 3, 3)
    scores = dict(toy.penalties(("record_id", "link_score")))
    assert scores["P1"] == 1.0
    assert 0.9 < scores["P2"] < 1.0


def test_the_review_list_has_the_waiting_names_with_their_candidates(toy):
    items = {item.name: item for item in read_items(toy.ingest())}

    chain = items[CHAIN_NAME]
    assert (chain.n_rows, chain.n_waiting, chain.tables) == (1, 1, ("penalties",))
    assert [(s.entity_id, s.region) for s in chain.suggestions] == [("A2", "110105"), ("A3", "110106")]
    assert chain.suggestions[0].score == pytest.approx(chain.suggestions[1].score)
    assert items["无名小铺"].suggestions == ()


def test_names_whose_identifiers_happen_to_be_the_same_are_not_mixed_up(toy, monkeypatch):
    monkeypatch.setattr("data.linking.choices.item_of", lambda _name, _region: "same")

    records = toy.ingest()

    assert [row[:2] for row in toy.penalties()] == [("P1", "A1"), ("P2", "A1"), ("P4", "A5")]
    assert {item.name: item.n_waiting for item in read_items(records) if item.n_waiting} == {
        CHAIN_NAME: 1,
        "老王餐馆": 1,
        "无名小铺": 1,
    }
    with pytest.raises(RequestError, match="same stands in the list"):
        find_item(read_items(records), "same")


def test_a_decision_links_from_its_day_and_enters_what_records_stand_for(toy):
    before = toy.ingest()
    toy.decide(CHAIN_NAME, "accept", "A2", "2020-03-01")

    after = toy.ingest()

    assert after.records_id != before.records_id
    assert ("P3", "A2", "decision", "2020-03-01", None) in toy.penalties()
    assert open_records(toy.city, toy.settings, before.records_id).manifest == before.manifest


def test_decisions_survive_a_rebuild_from_nothing(toy):
    toy.ingest()
    toy.decide(CHAIN_NAME, "accept", "A2", "2020-03-01")
    first = toy.ingest()
    hashes = {name: sha256_of(path) for name, path in first.tables.items()}
    home = toy.settings.var / "cities/toy"
    for name in ("records", "parts"):
        shutil.rmtree(home / name)

    second = toy.ingest()

    assert second.records_id == first.records_id
    assert {name: sha256_of(path) for name, path in second.tables.items()} == hashes


def test_a_row_that_a_person_moves_is_withdrawn_from_one_entity_and_known_of_the_other(toy):
    toy.ingest()
    toy.decide("万信源科技发展有限公司", "accept", "A4", "2020-03-01")
    counts = toy.ingest().manifest["tables"]["penalties"]

    assert [row for row in toy.penalties() if row[0] == "P2"] == [
        ("P2", "A1", "score", "2020-01-06", "2020-03-01"),
        ("P2", "A4", "decision", "2020-03-01", None),
    ]
    assert counts["n_relinked"] == 1
    assert counts["n_read"] + 1 == counts["n_accepted"] + counts["n_quarantined"] + counts["n_repeated"]


def test_a_later_delivery_that_gives_the_code_ends_what_was_linked(toy):
    toy.ingest()
    toy.decide("万信源科技发展有限公司", "accept", "A4", "2020-03-01")
    toy.ingest()
    toy.write("files/penalties-b.csv", HEAD + "P2,A2,,,2020-01-05\n")

    counts = toy.ingest(date(2020, 4, 1)).manifest["tables"]["penalties"]

    assert [row for row in toy.penalties() if row[0] == "P2"] == [
        ("P2", "A1", "score", "2020-01-06", "2020-03-01"),
        ("P2", "A4", "decision", "2020-03-01", "2020-04-01"),
        ("P2", "A2", None, "2020-04-01", None),
    ]
    total = counts["n_accepted"] + counts["n_quarantined"] + counts["n_repeated"]
    assert counts["n_read"] + counts["n_relinked"] == total


def test_the_same_rows_again_say_nothing_new_of_links_that_moved(toy):
    toy.ingest()
    toy.decide("万信源科技发展有限公司", "accept", "A4", "2020-03-01")
    toy.ingest()
    before = toy.penalties()
    toy.write("files/penalties-b.csv", HEAD + SHORT)

    counts = toy.ingest(date(2020, 4, 1)).manifest["tables"]["penalties"]

    assert toy.penalties() == before
    assert counts["n_repeated"] == 1


def test_to_reject_all_ends_a_link_and_takes_the_name_off_the_list(toy):
    toy.ingest()
    toy.decide("万信源科技发展有限公司", "reject", "", "2020-03-01")

    toy.ingest()

    assert ("P2", "A1", "score", "2020-01-06", "2020-03-01") in toy.penalties()
    toy.decide(CHAIN_NAME, "reject", "", "2020-03-01")
    toy.ingest()
    assert toy.waiting()["P3"] == "a person decided that this name is none of the register's"


def visible(toy, as_of):
    """Rows that count as of a date."""
    return [
        (record, entity, method)
        for record, entity, method, known, gone in toy.penalties()
        if known < as_of and (gone is None or gone >= as_of)
    ]


def test_entities_that_become_known_later_move_nothing_that_was_linked_before(toy):
    """A namesake, a nearer name and a namesake in the same region, each registered after the rows were linked."""
    toy.ingest()
    before = visible(toy, "2020-06-01")
    toy.write(
        "files/entities.csv",
        ENTITIES
        + "B1,北京万信源科技发展有限公司,110108,2020-07-01\nB2,万信源科技发展有限公司,110108,2020-07-01\n"
        + f"B3,老王餐馆,110108,2020-07-01\nB4,{CHAIN_NAME},110106,2020-07-01\nB5,无名小铺,110106,2020-07-01\n",
    )
    late = "P7,,北京万信源科技发展有限公司,,2020-08-01\n"
    toy.write("files/penalties.csv", HEAD + EXACT + SHORT + CHAIN + REGION + BARE + NOBODY + late)
    shutil.rmtree(toy.settings.var)

    toy.ingest()

    assert visible(toy, "2020-06-01") == before
    # What waited is linked on the day on which the bearer of the name became known, and what came later has to wait.
    assert ("P3", "B4", "name", "2020-07-02", None) in toy.penalties()
    assert ("P6", "B5", "name", "2020-07-02", None) in toy.penalties()
    assert "P7" in toy.waiting()


def test_how_a_later_row_writes_a_name_moves_no_earlier_link(toy):
    """A remark in brackets is no part of a name; without its brackets it is, and both have the same normal form."""
    plain = "P8,,北京万信源科技发展有限公司巢空间,,2020-01-05\n"
    toy.write("files/penalties.csv", HEAD + plain)
    toy.ingest()
    before = toy.penalties()
    toy.write("files/penalties.csv", HEAD + plain + "P9,,北京万信源科技发展有限公司(巢空间),,2020-08-01\n")
    shutil.rmtree(toy.settings.var)

    toy.ingest()

    assert [row for row in toy.penalties() if row[0] == "P8"] == before == []


def test_a_name_that_was_given_up_still_leads_to_its_entity(toy):
    toy.write("files/entities.csv", ENTITIES + "A1,北京新名字科技有限公司,110108,2015-01-01\n")

    toy.ingest()

    assert ("P1", "A1", "name", "2020-01-06", None) in toy.penalties()


def test_the_bar_is_the_citys_own(toy):
    toy.write("city.toml", TOML + "\n[linking]\nbar = 1.0\n")

    toy.ingest()

    assert toy.waiting()["P2"] == "the likeliest entity is below the bar: decide in the review list"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("bra = 0.9", r"linking.bra: unknown key. Did you mean 'bar'\?"),
        ("bar = 0.5", "linking.bar: Input should be greater than 0.5, got 0.5"),
    ],
)
def test_a_linking_section_that_can_not_be_is_refused(toy, section, message):
    toy.write("city.toml", TOML + f"\n[linking]\n{section}\n")

    with pytest.raises(ConfigurationError, match=message):
        load_city(str(toy.folder))


def test_an_entity_that_was_ruled_out_for_a_name_is_not_suggested_again(toy):
    decision = Decision("老王餐馆", "", "reject", "A4", "李雷", "核对营业执照", "2020-03-01")
    add_decisions(toy.city, toy.settings, [decision])

    (item,) = [item for item in read_items(toy.ingest()) if (item.name, item.region) == ("老王餐馆", "")]

    assert [s.entity_id for s in item.suggestions] == ["A5"]
    assert item.linked_to == ("A5",)


def test_decisions_come_in_order_and_say_who_and_why(toy):
    toy.ingest()
    toy.decide(CHAIN_NAME, "accept", "A2", "2020-03-01")

    with pytest.raises(PointInTimeError, match="latest one, of 2020-03-01; got 2020-02-01. Give a later --decided-on"):
        toy.decide(CHAIN_NAME, "accept", "A3", "2020-02-01")
    with pytest.raises(RequestError, match="A decision must say why, it is empty"):
        Decision("某", "", "accept", "A1", "李雷", " ", "2020-03-01")
    with pytest.raises(RequestError, match="To accept 某, an entity must be given"):
        Decision("某", "", "accept", "", "李雷", "因", "2020-03-01")


def test_a_decision_lies_on_a_day_that_has_come(toy):
    with pytest.raises(PointInTimeError, match="must not lie after today, .*; got 2924-03-01. Correct --decided-on"):
        add_decisions(toy.city, toy.settings, [Decision("某", "", "reject", "", "李雷", "因", "2924-03-01")])
    with pytest.raises(RequestError, match="must be YYYY-MM-DD, got '20200301'"):
        Decision("某", "", "reject", "", "李雷", "因", "20200301")
    assert read_decisions(toy.city, toy.settings) == ()


@pytest.mark.parametrize("sign", ["\n", "\u2028", "\u0085", "\x1c", "“”"])
def test_a_reason_may_hold_any_sign(toy, sign):
    decision = Decision("某", "", "reject", "", "李雷", f"一{sign}二", "2020-03-01")

    add_decisions(toy.city, toy.settings, [decision])
    add_decisions(toy.city, toy.settings, [])

    assert read_decisions(toy.city, toy.settings) == (decision,)


def test_no_decisions_at_all_are_kept_as_none(toy):
    add_decisions(toy.city, toy.settings, [])

    assert read_decisions(toy.city, toy.settings) == ()


def test_a_damaged_file_of_decisions_names_the_line(toy):
    toy.ingest()
    toy.decide(CHAIN_NAME, "accept", "A2", "2020-03-01")
    path = decisions_path(toy.city, toy.settings)
    path.write_text(path.read_text(encoding="utf-8") + '{"name": \n', encoding="utf-8")

    with pytest.raises(StorageError, match="line 2, must be a decision"):
        toy.ingest()


def test_the_commands_show_take_and_keep_decisions(toy):
    toy.ingest()

    listed = toy.run("list", str(toy.folder))
    accepted = toy.run(
        "accept", str(toy.folder), CHAIN_NAME, "A3", "--who", "李雷", "--why", "电话核实", "--decided-on", "2020-03-01"
    )
    kept = toy.run("decisions", str(toy.folder))

    assert "3 names wait for a decision, 3 are shown." in listed.output
    assert "A2  北京零度聚阵穿越上网服务有限公司, 110105" in listed.output
    assert f"Kept: accept A3 for {CHAIN_NAME} (1 rows)." in accepted.output
    assert "accept A3  李雷: 电话核实" in kept.output
    assert "1 names were linked by score" in toy.run("list", str(toy.folder), "--linked").output


def test_an_entity_or_a_name_that_is_not_there_is_refused_with_the_nearest(toy):
    toy.ingest()

    unknown = toy.run("accept", str(toy.folder), CHAIN_NAME, "A9", "--who", "李雷", "--why", "因")
    missing = toy.run("reject", str(toy.folder), "北京零度聚阵上网服务有限公司", "--who", "李雷", "--why", "因")

    assert isinstance(unknown.exception, NotFoundError)
    assert "The register has no entity A9" in str(unknown.exception)
    assert f"Did you mean '{CHAIN_NAME}'?" in str(missing.exception)
    assert read_decisions(toy.city, toy.settings) == ()


def test_a_sheet_goes_out_is_filled_in_and_comes_back(toy, tmp_path):
    toy.ingest()
    sheet = tmp_path / "sheet.csv"
    toy.run("export", str(toy.folder), str(sheet))
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    filled = [f"{line[:-1]}accept,现场核实" if ",A3," in line else line for line in lines]
    sheet.write_text("\n".join(filled), encoding="utf-8-sig")

    result = toy.run("import", str(toy.folder), str(sheet), "--who", "韩梅梅", "--decided-on", "2020-03-01")
    toy.ingest()

    assert lines[0] == ",".join(SHEET)
    assert "1 decisions are kept." in result.output
    assert ("P3", "A3", "decision", "2020-03-01", None) in toy.penalties()


@pytest.mark.parametrize(
    ("verdict", "why", "message"),
    [
        ("yes", "因", "row 2: A verdict must be accept or reject, got 'yes'"),
        ("accept", "", "row 2: A decision must say why"),
    ],
)
def test_a_sheet_with_a_wrong_row_is_refused_whole(toy, tmp_path, verdict, why, message):
    toy.ingest()
    item = find_item(read_items(open_records(toy.city, toy.settings)), CHAIN_NAME).item
    sheet = tmp_path / "sheet.csv"
    good = f"{item},{CHAIN_NAME},,1,,A2,,,0.5,reject,因"
    sheet.write_text(f"{','.join(SHEET)}\n{item},{CHAIN_NAME},,1,,A3,,,0.5,{verdict},{why}\n{good}\n", encoding="utf-8")

    result = toy.run("import", str(toy.folder), str(sheet), "--who", "韩梅梅")

    assert message in str(result.exception)
    assert read_decisions(toy.city, toy.settings) == ()
