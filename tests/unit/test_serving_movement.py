"""What moved between two gradings sums to the difference of points, to the last bit."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ArtifactError, NotFoundError, RequestError, StorageError
from data.files import read_sealed, sha256_of, write_json, write_sealed
from features.catalogue import load_catalogue
from features.snapshots import open_snapshot
from serving.blocks import schema
from serving.changes import GRID, write_changes
from serving.grading import Grading, grade_snapshot
from serving.movement import kept_movement, movement_between
from serving.movement_wording import name_of
from serving.movement_words import MovementWords
from training.artifact import save_artifact
from training.expert_card import CutPoints
from training.vetoes import Veto

NAMES = ("penalties", "address_sharing")
BEFORE, AFTER = date(2020, 5, 1), date(2020, 12, 31)


def silent(_):
    """Take progress and show none."""


def graded(entity_id, expert, learned, grade="A", base=100.0, **others):
    """Return a row of a grading by hand; points are what base and parts come to, held in [0, 1000]."""
    unclipped = base + sum(expert) + sum(learned)
    row = {
        "entity_id": entity_id, "points": min(max(unclipped, 0.0), 1000.0), "unclipped_points": unclipped,
        "grade": grade, "probability": 0.5, "expert_points": 0.0, "expert_grade": "A", "veto": "", "base_points": base,
    }  # fmt: skip
    parts = {f"expert_{n}": v for n, v in zip(NAMES, expert, strict=True)}
    parts |= {f"learned_{n}": v for n, v in zip(NAMES, learned, strict=True)}
    return {**row, **parts, **others}


CUT_POINTS = CutPoints(("A", "B", "C", "D"), (0.0, 150.0, 500.0, 999.0), "2020-01-01", "test")


def write_grading(home, day, rows, model="m1", rows_in_a_group=2, cut_points=CUT_POINTS, vetoes=()):
    folder = home / f"{day}-{model}"
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=schema(NAMES))
    pq.write_table(table, folder / "grades.parquet", row_group_size=rows_in_a_group)
    manifest = {
        "as_of_date": str(day), "model_version": model, "snapshot_id": f"s{day}",
        "grade_counts": dict.fromkeys("ABCD", 0), "sha256": sha256_of(folder / "grades.parquet"),
        "cut_points": cut_points and cut_points.as_json(), "vetoes": [dataclasses.asdict(veto) for veto in vetoes],
    }  # fmt: skip
    write_json(folder / "manifest.json", manifest)
    return Grading(folder, manifest)


@pytest.fixture
def moved(graded_city, tmp_path):
    """Compare two gradings written by hand."""

    def compare(before, after, cut_points_before=CUT_POINTS, **after_options):
        early = write_grading(tmp_path, BEFORE, before, cut_points=cut_points_before)
        late = write_grading(tmp_path, AFTER, after, **after_options)
        return movement_between(graded_city.city, graded_city.settings, early, late, silent)

    return compare


def assert_sums_exactly(movement):
    """In whatever order they are added, the lines come to the change, without a tolerance."""
    rows = pq.read_table(movement.path).to_pandas()
    stayed = rows[rows["state"] == "stayed"]
    assert len(stayed)
    assert np.array_equal(stayed["points_after"] - stayed["points_before"], stayed["change"])
    generator = np.random.default_rng(3)
    for _ in range(20):
        total = np.zeros(len(stayed))
        for line in generator.permutation(movement.lines):
            total = total + stayed[line].to_numpy()
        assert np.array_equal(total, stayed["change"].to_numpy())
    return stayed


def test_an_example_by_hand(moved):
    movement = moved(
        [
            graded("E1", (10.0, -5.0), (20.0, 0.5), "A"),
            graded("E3", (0.0, 0.0), (0.0, 0.0), "A"),
            graded("E4", (500.0, 300.0), (50.0, 0.0), "C"),
        ],
        [
            graded("E1", (40.0, -5.0), (60.0, 0.25), "B"),
            graded("E2", (1.0, 0.0), (0.0, 0.0), "A"),
            graded("E4", (600.0, 300.0), (80.0, 0.0), "D"),
        ],
    )

    rows = pq.read_table(movement.path).to_pandas().set_index("entity_id")
    assert rows["state"].to_dict() == {"E1": "stayed", "E2": "entered", "E3": "left", "E4": "stayed"}
    one = rows.loc["E1"]
    # 125.5 to 195.25 points: the card adds 30, history adds 40 to penalties and takes 0.25 off address sharing.
    assert (one["points_before"], one["points_after"], one["change"]) == (125.5, 195.25, 69.75)
    assert (one["grade_before"], one["grade_after"]) == ("A", "B")
    assert (one["expert_penalties"], one["learned_penalties"], one["learned_address_sharing"]) == (30.0, 40.0, -0.25)
    assert one[["model", "base_points", "expert_address_sharing", "clipping", "rounding"]].tolist() == [0.0] * 5
    # 950 to 1080, held at 1000: 130 points of indicators, 80 held back.
    assert rows.loc["E4", ["change", "expert_penalties", "learned_penalties", "clipping"]].tolist() == [
        50.0,
        100.0,
        30.0,
        -80.0,
    ]
    assert rows.loc[["E2", "E3"], [*movement.lines, "change"]].isna().all(axis=None)
    assert rows.loc["E2", "points_after"] == 101.0
    assert rows.loc["E3", "points_before"] == 100.0
    m = movement.manifest
    assert m["n"] == {"stayed": 2, "entered": 1, "left": 1}
    assert m["grades_of"] == {
        "entered": {"A": 1, "B": 0, "C": 0, "D": 0},
        "left": {"A": 1, "B": 0, "C": 0, "D": 0},
    }
    assert m["transitions"]["A"] == {"A": 0, "B": 1, "C": 0, "D": 0}
    assert m["transitions"]["C"] == {"A": 0, "B": 0, "C": 0, "D": 1}
    worse = m["changed"]["worse"]
    assert (worse["n"], list(worse["by"]), worse["by"]["points"]["n"]) == (2, ["points"], 2)
    assert worse["by"]["points"]["points"]["expert_penalties"] == 65.0
    assert worse["by"]["points"]["points"]["clipping"] == -40.0
    assert m["changed"]["better"] == {"n": 0, "by": {}}
    assert movement.worsened(1)["entity_id"].tolist() == ["E1"]


def test_lines_of_everybody_sum_to_the_last_bit_in_any_order(graded_city):
    g = graded_city
    before = grade_snapshot(g.city, g.settings, g.model, open_snapshot(g.records, BEFORE, g.settings), silent)

    movement = movement_between(g.city, g.settings, before, g.grading, silent)

    stayed = assert_sums_exactly(movement).set_index("entity_id")
    assert len(stayed) == 60
    assert len(movement.lines) == 2 * 18 + 4
    points = pq.read_table(g.grading.path).to_pandas().set_index("entity_id")["points"]
    assert (stayed["points_after"] - points).abs().max() <= GRID / 2
    assert 0 < movement.manifest["max_rounding_points"] < 2e-4
    assert (stayed["model"] == 0).all()
    assert stayed["learned_penalties"].abs().max() > 1


def test_numbers_that_binary_cannot_hold_sum_to_the_last_bit(moved):
    generator = np.random.default_rng(11)

    def rows():
        return [
            graded(f"E{n:03}", generator.normal(0.0, 90.0, 2).tolist(), generator.normal(0.1, 400.0, 2).tolist())
            for n in range(200)
        ]

    stayed = assert_sums_exactly(moved(rows(), rows()))

    assert (stayed["clipping"] != 0).sum() > 10
    assert stayed["rounding"].abs().max() < 4e-4


@settings(max_examples=40, deadline=None)
@given(
    old=st.sets(st.integers(0, 30), min_size=1),
    new=st.sets(st.integers(0, 30), min_size=1),
    groups=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_everybody_of_either_grading_is_there_once_wherever_the_row_groups_end(tmp_path_factory, old, new, groups):
    home = tmp_path_factory.mktemp("movement")
    sides = [
        write_grading(home, day, [graded(f"E{n:02}", (n, 0.0), (0.0, 0.0)) for n in sorted(who)], "m1", group)
        for day, who, group in zip((BEFORE, AFTER), (old, new), groups, strict=True)
    ]

    write_changes(home / "movement.parquet", sides[0], sides[0], sides[1], silent)

    rows = pq.read_table(home / "movement.parquet").to_pandas()
    assert rows["entity_id"].tolist() == [f"E{n:02}" for n in sorted(old | new)]
    expected = ["stayed" if n in old & new else "entered" if n in new else "left" for n in sorted(old | new)]
    assert rows["state"].tolist() == expected


def test_an_indicator_that_a_model_did_not_have_contributed_nothing(graded_city, tmp_path):
    early = write_grading(tmp_path, BEFORE, [graded("E1", (10.0, 0.0), (5.0, 0.0))])
    late = write_grading(tmp_path, AFTER, [graded("E1", (10.0, 7.0), (5.0, 2.0))])
    table = pq.read_table(early.path).drop_columns(["expert_address_sharing", "learned_address_sharing"])
    pq.write_table(table, early.path)
    early = Grading(early.folder, {**early.manifest, "sha256": sha256_of(early.path)})

    movement = movement_between(graded_city.city, graded_city.settings, early, late, silent)

    row = movement.of(["E1"]).iloc[0]
    assert (row["change"], row["expert_address_sharing"], row["learned_address_sharing"]) == (9.0, 7.0, 2.0)


@pytest.fixture
def two_models(graded_city, tmp_path):
    """A copy of the graded city with grades of the old champion as of BEFORE, and of another one as of AFTER."""
    shutil.copytree(graded_city.settings.var, tmp_path / "var")
    settings = dataclasses.replace(graded_city.settings, var=tmp_path / "var")
    models = settings.var / "cities/toy/models"
    (models / "t2/lightgbm_offset").mkdir(parents=True)
    other = dataclasses.replace(graded_city.model, platt=(0.1, 1.1))
    other = save_artifact(
        other, models / "t2/lightgbm_offset", {"city": "toy", "catalogue_hash": load_catalogue().hash}
    )
    write_json(models / "champion.json", {"artifact": "t2/lightgbm_offset", "registered_version": "2"})
    city, old = graded_city.city, open_snapshot(graded_city.records, BEFORE, settings)
    before = grade_snapshot(city, settings, graded_city.model, old, silent)
    after = grade_snapshot(city, settings, other, graded_city.snapshot, silent)
    return city, settings, before, after, other, old


def test_where_the_model_changed_its_part_is_a_line_of_its_own(two_models):
    city, settings, before, after, other, old = two_models

    movement = movement_between(city, settings, before, after, silent)

    stayed = assert_sums_exactly(movement)
    by_new = other.score(old.read(list(other.names))).points
    by_old = pq.read_table(before.path)["points"].to_numpy()
    assert (movement.manifest["same_model"], movement.manifest["separated"]) == (False, True)
    assert np.abs(stayed["model"].to_numpy() - (by_new - by_old)).max() <= 2 * GRID
    assert stayed["model"].abs().max() > 20
    assert (stayed["base_points"] == 0).all()


def test_where_the_earlier_values_are_gone_the_lines_hold_both_and_it_says_why(two_models):
    city, settings, before, after, _, old = two_models
    shutil.rmtree(settings.var / "cities/toy/snapshots" / old.folder.name)

    movement = movement_between(city, settings, before, after, silent)

    stayed = assert_sums_exactly(movement)
    assert not movement.manifest["separated"]
    assert movement.manifest["not_separated_because"] == "no_snapshot"
    assert (stayed["model"] == 0).all()
    assert stayed["base_points"].nunique() == 1
    assert stayed["base_points"].iloc[0] != 0


def test_what_was_worked_out_is_not_worked_out_again(graded_city, tmp_path):
    rows = [graded("E1", (1.0, 0.0), (0.0, 0.0))]
    sides = [write_grading(tmp_path, day, rows) for day in (BEFORE, AFTER)]
    said = []

    first = movement_between(graded_city.city, graded_city.settings, *sides, said.append)
    written = first.path.stat().st_mtime_ns
    again = movement_between(graded_city.city, graded_city.settings, *sides, said.append)

    assert again == first
    assert again.path.stat().st_mtime_ns == written
    assert said == ["Compared 1 entities; 0 entered, 0 left."]


def test_the_same_grading_twice_is_refused(graded_city):
    with pytest.raises(RequestError, match="got the one as of 2020-12-31 twice. Name two dates"):
        movement_between(graded_city.city, graded_city.settings, graded_city.grading, graded_city.grading, silent)


def test_a_later_grading_named_first_is_refused(graded_city, tmp_path):
    sides = [write_grading(tmp_path, day, [graded("E1", (1.0, 0.0), (0.0, 0.0))]) for day in (AFTER, BEFORE)]

    with pytest.raises(RequestError, match="of a later date than the second, got 2020-12-31 and 2020-05-01. Swap"):
        movement_between(graded_city.city, graded_city.settings, *sides, silent)


def test_a_kept_movement_is_found_again_and_one_of_other_code_is_not(graded_city, tmp_path):
    rows = [graded("E1", (1.0, 0.0), (0.0, 0.0))]
    before, after = (write_grading(tmp_path, day, rows) for day in (BEFORE, AFTER))
    assert kept_movement(before, after) is None

    movement = movement_between(graded_city.city, graded_city.settings, before, after, silent)

    assert kept_movement(before, after) == movement
    assert kept_movement(after, before) is None
    manifest = read_sealed(movement.folder / "manifest.json")
    write_sealed(movement.folder / "manifest.json", manifest | {"code": "of another release"})
    assert kept_movement(before, after) is None


def test_why_the_models_cannot_be_told_apart_is_named(two_models):
    city, settings, before, after, _, _ = two_models
    models = settings.var / "cities/toy/models"
    write_json(models / "champion.json", {"artifact": "t1/lightgbm_offset", "registered_version": "1"})

    movement = movement_between(city, settings, before, after, silent)

    assert movement.manifest["not_separated_because"] == "not_champion"
    for language in ("zh", "en"):
        assert name_of("not_champion", language) in MovementWords(city, settings, movement, language).of_the_model()


def test_grades_with_a_changed_bit_are_refused_by_name(graded_city, tmp_path):
    sides = [write_grading(tmp_path, day, [graded("E1", (1.0, 0.0), (0.0, 0.0))]) for day in (BEFORE, AFTER)]
    content = bytearray(sides[0].path.read_bytes())
    content[len(content) // 2] ^= 1
    sides[0].path.write_bytes(content)

    with pytest.raises(StorageError, match="grades.parquet must be as it was written.* grade as of 2020-05-01 again"):
        movement_between(graded_city.city, graded_city.settings, *sides, silent)

    assert [path.name for path in sides[1].folder.iterdir() if path.is_dir()] == []


def test_a_kept_movement_with_a_changed_bit_is_refused_by_name(graded_city, tmp_path):
    sides = [write_grading(tmp_path, day, [graded("E1", (1.0, 0.0), (0.0, 0.0))]) for day in (BEFORE, AFTER)]
    path = movement_between(graded_city.city, graded_city.settings, *sides, silent).path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(StorageError, match="movement.parquet must be as it was written, it is not. Remove "):
        movement_between(graded_city.city, graded_city.settings, *sides, silent)


def test_contributions_that_are_not_of_the_points_are_refused(moved):
    with pytest.raises(ArtifactError, match="The contributions of E1 must explain its change"):
        moved(
            [graded("E1", (1.0, 0.0), (0.0, 0.0))],
            [graded("E1", (2.0, 0.0), (0.0, 0.0), expert_penalties=2.5)],
        )


def test_an_entity_of_neither_grading_is_not_found(moved):
    movement = moved([graded("E1", (1.0, 0.0), (0.0, 0.0))], [graded("E2", (1.0, 0.0), (0.0, 0.0))])

    with pytest.raises(NotFoundError, match="E9 must be an entity that is graded as of 2020-05-01 or 2020-12-31"):
        movement.of(["E1", "E9"])


def test_a_grade_that_a_veto_moved_is_told_apart_from_the_points(graded_city):
    # Given the same points on both dates, and a model that from now on holds all who were fined at D.
    veto = Veto("fined", "penalties", 0.01, "D", "有行政处罚", "it was fined", "2026-01-01", "test")
    manifest = {**graded_city.model.manifest, "model_version": "with-veto"}
    model = dataclasses.replace(graded_city.model, declared_vetoes=(veto,), manifest=manifest)
    snapshot = graded_city.snapshot
    early, late = (grade_snapshot(graded_city.city, graded_city.settings, m, snapshot, silent)
                   for m in (graded_city.model, model))  # fmt: skip

    movement = movement_between(graded_city.city, graded_city.settings, early, late, silent)

    row = movement.of(["E07"]).iloc[0]
    assert (row["change"], row["grade_after"]) == (0.0, "D")
    assert row["grade_before"] != "D"
    assert (row["veto_before"], row["veto_after"]) == ("", "fined")
    said = {
        language: "\n".join(
            MovementWords(graded_city.city, graded_city.settings, movement, language).entities(movement.of(["E07"]))
        )
        for language in ("zh", "en")
    }
    assert "本次等级因此受限制：有行政处罚；前次等级即按分数所得" in said["zh"]
    assert "A veto holds the grade now: it was fined. The grade before was that of the points" in said["en"]
    assert sum(n for old, news in movement.manifest["transitions"].items() for new, n in news.items() if old != new) > 0


@pytest.mark.parametrize(
    ("before", "after", "zh", "en"),
    [
        ("", "", "", ""),
        (
            "fined", "", "前次等级因此受限制：有行政处罚；本次等级即按分数所得",
            "A veto held the grade before: it was fined. The grade now is that of the points",
        ),
        ("fined", "fined", "等级两次都受限制：有行政处罚", "A veto holds the grade both times: it was fined"),
        (
            "fined", "listed", "等级两次都受限制：前次：有行政处罚；本次：有失信记录",
            "A veto holds the grade both times: before, it was fined; now, it is listed",
        ),
    ],
)  # fmt: skip
def test_vetoes_are_told_as_what_changed_each_grade(moved, before, after, zh, en, graded_city):
    movement = moved([graded("E1", (1.0, 0.0), (0.0, 0.0))], [graded("E1", (1.0, 0.0), (0.0, 0.0))])
    reasons = {
        "fined": {"zh": "有行政处罚", "en": "it was fined"},
        "listed": {"zh": "有失信记录", "en": "it is listed"},
    }
    told = dataclasses.replace(movement, manifest=movement.manifest | {"vetoes": reasons})

    for language, expected in (("zh", zh), ("en", en)):
        words = MovementWords(graded_city.city, graded_city.settings, told, language)
        assert words.of_vetoes({"veto_before": before, "veto_after": after}) == expected


LISTED = Veto("listed", "penalties", 1.0, "C", "在名单上", "it is listed", "2020-01-01", "test")


def summary(movement, graded_city, language="en"):
    """The lines of a summary from the first about who got worse on."""
    said = list(MovementWords(graded_city.city, graded_city.settings, movement, language).summary())
    return said[said.index("") :][said[said.index("") + 1 :].index("") + 2 :]


def test_what_a_veto_did_to_grades_is_told_apart_from_what_moved_points(moved, graded_city):
    movement = moved(
        [
            graded("E1", (10.0, 0.0), (0.0, 0.0), "A"),
            graded("E2", (10.0, 0.0), (0.0, 0.0), "A"),
            graded("E3", (10.0, 0.0), (0.0, 0.0), "A"),
            graded("E4", (20.0, 0.0), (0.0, 0.0), "C", veto="listed"),
        ],
        [
            # By its points: 60 more. By the veto alone: 4 fewer. By both: 70 more, and the veto on top.
            graded("E1", (70.0, 0.0), (0.0, 0.0), "B"),
            graded("E2", (6.0, 0.0), (0.0, 0.0), "C", veto="listed"),
            graded("E3", (80.0, 0.0), (0.0, 0.0), "C", veto="listed"),
            # The veto let go of it, though its points rose.
            graded("E4", (25.0, 0.0), (0.0, 0.0), "A"),
        ],
        vetoes=(LISTED,),
    )

    assert summary(movement, graded_city) == [
        "Grade got worse: 3",
        "  by their points: 1, by +60.0 points on average: penalties +60.0",
        "  by a veto alone: 1, by -4.0 points on average: 1 because it is listed",
        "  by more than one of points, veto and cut points: 1, by +70.0 points on average: penalties +70.0",
        "Grade got better: 1",
        "  by a veto alone: 1, by +5.0 points on average: 1 because it is listed",
    ]
    assert "  仅因等级限制 1 户，其分数平均 -4.0 分：在名单上 1 户" in summary(movement, graded_city, "zh")


def test_what_new_cut_points_did_to_grades_is_told_apart_and_of_each_entity(moved, graded_city):
    lower = CutPoints(("A", "B", "C", "D"), (0.0, 105.0, 500.0, 999.0), "2020-06-01", "test")
    movement = moved(
        [graded("E1", (10.0, 0.0), (0.0, 0.0), "A"), graded("E2", (1.0, 0.0), (0.0, 0.0), "A")],
        [graded("E1", (9.0, 0.0), (0.0, 0.0), "B"), graded("E2", (7.0, 0.0), (0.0, 0.0), "B")],
        model="m2", cut_points=lower,
    )  # fmt: skip

    assert summary(movement, graded_city)[:3] == [
        "Grade got worse: 2",
        "  by their points: 1, by +6.0 points on average: penalties +6.0",
        "  by new cut points alone: 1, by -1.0 points on average",
    ]
    words = MovementWords(graded_city.city, graded_city.settings, movement, "en")
    said = "\n".join(words.entities(movement.of(["E1"])))
    assert "The cut points are new: the points before were grade A by those of then, and are B by those of now" in said
    assert "cut points" not in "\n".join(words.entities(movement.of(["E2"])))


def test_gradings_that_do_not_keep_their_cut_points_are_said_not_to_tell_causes_apart(moved, graded_city):
    movement = moved(
        [graded("E1", (10.0, 0.0), (0.0, 0.0), "A")],
        [graded("E1", (70.0, 0.0), (0.0, 0.0), "B")],
        cut_points_before=None, cut_points=None,
    )  # fmt: skip

    assert summary(movement, graded_city)[:2] == [
        "Grade got worse: 1",
        "  by points, vetoes or cut points, which an earlier version's gradings do not tell apart until the dates are "
        "graded again: 1, by +60.0 points on average: penalties +60.0",
    ]
