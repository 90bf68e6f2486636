"""Promotion and rollback: ledger first, then pointer, then alias; what was cut short is finished at the next start."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from sqlalchemy import delete, update

from data.errors import ArtifactError, BusyError, LedgerError, NotFoundError, RegistryError, RequestError, StorageError
from data.files import read_json, write_json
from features.catalogue import load_catalogue
from features.store import Claim
from serving.database import open_database
from training import promotion
from training.artifact import save_artifact
from training.champions import load_champion, read_pointer, write_challenger
from training.claims import ledger_claims
from training.gate_table import PASSED, REFUSED, Row
from training.ledger import ADOPTED, LEDGER, PROMOTED, ROLLED_BACK, entries, newest
from training.ledger_checks import check_ledger
from training.promotion import challenger_of, promote, roll_back, settle

TABLE = [Row("AUC", PASSED, 0.75)]


def quiet(_line):
    """Progress that nobody watches."""


@pytest.fixture
def mlflow(monkeypatch):
    """MLflow in memory: the version that the alias names; `away` makes every call fail."""

    class Registry:
        away = False
        alias = None

        def call(self):
            if self.away:
                raise RegistryError("MLflow must be reachable, it is not. Try again.")

    registry = Registry()

    def registered_version(_city, _settings, model_version):
        registry.call()
        return {"first": "1"}.get(model_version, "2")

    def write_alias(_city, _settings, version, tags):
        registry.call()
        registry.alias = {"registered_version": version, **tags}

    def read_alias(_city, _settings):
        registry.call()
        return registry.alias

    monkeypatch.setattr(promotion, "registered_version", registered_version)
    monkeypatch.setattr(promotion, "write_champion_alias", write_alias)
    monkeypatch.setattr("training.ledger_checks.read_champion_alias", read_alias)
    return registry


class Place:
    """A city with a champion from before the ledger, and two further models."""

    def __init__(self, graded_city, home, database_url):
        self.city = graded_city.city
        self.settings = dataclasses.replace(graded_city.settings, var=home, database_url=database_url)
        self.models = home / "cities" / "toy" / "models"
        shutil.copytree(graded_city.settings.var / "cities" / "toy" / "models", self.models)
        self.engine = open_database(self.settings.database_url)
        self.versions = [graded_city.model.model_version]
        for number in (2, 3):
            folder = self.models / f"t{number}" / "lightgbm_offset"
            folder.mkdir(parents=True)
            model = dataclasses.replace(graded_city.model, platt=(-0.2 * number, 0.9))
            manifest = {"city": "toy", "catalogue_hash": load_catalogue().hash, "snapshots": {"test": [f"s{number}"]}}
            self.versions.append(save_artifact(model, folder, manifest).model_version)

    def promote(self, number, who="李四", why="it is better"):
        artifact = f"t{number}/lightgbm_offset"
        after = newest(self.engine, "toy")
        return promote(self.city, self.settings, self.engine, artifact, TABLE, who, why, after, quiet)

    def roll_back(self, to=None, progress=quiet):
        return roll_back(self.city, self.settings, self.engine, "王五", "it was worse", to, progress)

    def settle(self, progress=quiet):
        return settle(self.city, self.settings, self.engine, progress)

    def check(self):
        return check_ledger(self.city, self.settings, self.engine)

    @property
    def chain(self):
        return entries(self.engine, "toy")

    @property
    def champion(self):
        return load_champion(self.city, self.settings).model_version


@pytest.fixture
def place(graded_city, tmp_path, mlflow, database_url):
    place = Place(graded_city, tmp_path, database_url)
    yield place
    place.engine.dispose()


def test_a_promotion_moves_ledger_pointer_and_alias_and_keeps_the_table(place, mlflow):
    entry = place.promote(2)

    assert place.champion == entry.model_version == place.versions[1]
    assert [e.action for e in place.chain] == [ADOPTED, PROMOTED]
    assert entry.former_version == place.versions[0]
    assert entry.gate_rows == [{"what": "AUC", "verdict": "passed", "challenger": 0.75}]
    assert mlflow.alias == {"registered_version": "2", "ledger_sequence": "2", "ledger_hash": entry.hash}
    pointer = read_pointer(place.city, place.settings)
    assert (pointer.entry_hash, pointer.alias_written) == (entry.hash, True)
    assert place.check().findings == place.check().notes == []


@pytest.mark.parametrize(("who", "why"), [("", "better"), ("李四", " "), ("x" * 201, "better"), ("李四", "x" * 2_001)])
def test_a_decision_without_a_name_or_a_reason_is_refused(place, who, why):
    with pytest.raises(RequestError, match="must not be empty|at most"):
        place.promote(2, who, why)

    assert place.chain == []


def test_a_table_that_refuses_is_never_written(place):
    with pytest.raises(AssertionError):
        promote(place.city, place.settings, place.engine, "t2/lightgbm_offset", [Row("AUC", REFUSED)], "a", "b", None)

    assert place.chain == []


def test_where_mlflow_is_away_a_promotion_writes_nothing(place, mlflow):
    mlflow.away = True

    with pytest.raises(RegistryError):
        place.promote(2)

    assert place.chain == []
    assert place.champion == place.versions[0]


def test_where_mlflow_is_away_a_rollback_counts_and_the_alias_follows_later(place, mlflow):
    place.promote(2)
    mlflow.away, said = True, []

    entry = place.roll_back(progress=said.append)

    assert place.champion == place.versions[0]
    assert said[0].startswith("MLflow's alias will follow when MLflow is back.")
    assert mlflow.alias["ledger_sequence"] == "2"
    assert any("MLflow could not be asked" in note for note in place.check().notes)
    mlflow.away = False
    assert any("MLflow's alias is behind" in note for note in place.check().notes)
    place.settle()
    assert mlflow.alias["ledger_hash"] == entry.hash
    assert place.check().notes == []


def test_what_was_cut_short_after_the_entry_is_finished_at_the_next_start(place, mlflow, monkeypatch):
    monkeypatch.setattr(promotion, "settle", lambda *_: None)
    place.promote(2)
    assert place.champion == place.versions[0]
    assert place.check().findings == []

    place.settle()

    assert place.champion == place.versions[1]
    assert mlflow.alias["registered_version"] == "2"


def test_rolling_back_goes_along_the_line_and_to_a_named_version(place):
    place.promote(2)
    place.promote(3)

    assert place.roll_back().model_version == place.versions[1]
    assert place.roll_back().model_version == place.versions[0]
    with pytest.raises(NotFoundError, match="must have one former champion to go back to"):
        place.roll_back()
    assert place.roll_back(to=place.versions[2][:6]).model_version == place.versions[2]
    assert [e.action for e in place.chain[3:]] == [ROLLED_BACK] * 3
    with pytest.raises(NotFoundError, match="former champion 'ffff' to go back to, there are: "):
        place.roll_back(to="ffff")


def test_without_any_promotion_there_is_nothing_to_roll_back_to(place):
    with pytest.raises(NotFoundError, match="there is none: no other model was promoted"):
        place.roll_back()


def test_a_former_champion_that_was_changed_is_not_gone_back_to(place):
    place.promote(2)
    path = place.models / "t1/lightgbm_offset/manifest.json"
    write_json(path, {**read_json(path), "city": "Toy"})

    with pytest.raises(ArtifactError, match="must be as it was promoted"):
        place.roll_back()

    assert place.champion == place.versions[1]
    assert place.check().findings == ["The artifact of entry 1, t1/lightgbm_offset, is not the one promoted."]


def test_a_ledger_whose_end_is_gone_changes_nothing_and_is_named(place):
    place.promote(2)
    place.promote(3)
    with place.engine.begin() as connection:
        connection.execute(delete(LEDGER).where(LEDGER.c.sequence == 3))

    with pytest.raises(LedgerError, match="must hold entry 3 as the champion's pointer names it, it is not there"):
        place.settle()

    assert place.champion == place.versions[2]
    assert place.check().findings == [
        "champion.json knows of entry 3, which is not there: the end was cut off.",
        "MLflow's alias knows of entry 3, which is not there: the end was cut off.",
    ]


def test_a_ledger_written_anew_from_the_first_entry_on_is_found_by_the_pointer(place):
    place.promote(2)
    first, second = place.chain
    forged = dataclasses.replace(first, who="nobody")
    forged = dataclasses.replace(forged, hash=forged.computed_hash())
    follows = dataclasses.replace(second, previous_hash=forged.hash)
    follows = dataclasses.replace(follows, hash=follows.computed_hash())
    with place.engine.begin() as connection:
        connection.execute(delete(LEDGER))
        connection.execute(LEDGER.insert(), [vars(forged), vars(follows)])

    assert "champion.json knows entry 2 by another hash: it was replaced." in place.check().findings
    with pytest.raises(LedgerError, match="it holds another"):
        place.settle()


def test_nothing_is_decided_on_a_ledger_that_was_edited(place, monkeypatch):
    place.promote(2)
    with place.engine.begin() as connection:
        connection.execute(update(LEDGER).where(LEDGER.c.sequence == 1).values(artifact="t3/lightgbm_offset"))

    for decide in (place.roll_back, lambda: place.promote(3)):
        with pytest.raises(LedgerError, match="Entry 1 is not as it was written. Restore the operational database"):
            decide()

    assert len(place.chain) == 2


def test_the_pointer_never_follows_an_entry_that_was_edited(place, monkeypatch):
    monkeypatch.setattr(promotion, "settle", lambda *_: None)
    place.promote(2)
    with place.engine.begin() as connection:
        connection.execute(update(LEDGER).where(LEDGER.c.sequence == 2).values(artifact="t3/lightgbm_offset"))

    with pytest.raises(LedgerError, match="Entry 2 is not as it was written"):
        place.settle()

    assert place.champion == place.versions[0]


def test_of_two_people_who_saw_the_same_state_the_second_is_told(place):
    place.promote(2)
    seen = newest(place.engine, "toy")
    place.promote(3, who="王五", why="mine first")

    with pytest.raises(
        BusyError, match="another champion since.* was promoted by 王五 at .*, with the reason “mine first”"
    ):
        promote(place.city, place.settings, place.engine, "t2/lightgbm_offset", TABLE, "李四", "mine", seen, quiet)

    assert place.champion == place.versions[2]


def test_what_a_model_in_the_ledger_stands_on_is_claimed_while_its_artifact_is_anywhere(place):
    place.promote(2)

    claims = ledger_claims(place.city, place.settings, place.chain)
    assert [claim.by for claim in claims] == [
        f"in the ledger as lightgbm_offset {version}" for version in place.versions[:2]
    ]
    assert claims[1].snapshot_ids == {"s2"}

    shutil.rmtree(place.models / "t2")
    registered = [Claim(f"registered as lightgbm_offset {place.versions[1]}", frozenset(["s2"]))]
    assert len(ledger_claims(place.city, place.settings, place.chain, registered)) == 1
    with pytest.raises(StorageError, match=f"The ledger names model {place.versions[1]}. The artifact"):
        ledger_claims(place.city, place.settings, place.chain)


def test_what_was_trained_last_is_the_challenger_until_it_is_promoted(place):
    with pytest.raises(NotFoundError, match="toy has no challenger. Run `qianfen train toy`"):
        challenger_of(place.city, place.settings, place.engine)
    write_challenger(place.city, place.settings, place.models / "t2" / "lightgbm_offset")
    assert challenger_of(place.city, place.settings, place.engine) == "t2/lightgbm_offset"
    place.promote(2)

    with pytest.raises(
        NotFoundError, match="is the champion. .* was promoted by 李四 at .*, with the reason “it is better”"
    ):
        challenger_of(place.city, place.settings, place.engine)
