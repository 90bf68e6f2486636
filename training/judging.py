"""From a challenger on disk to the gate's table: what is checked before any score, and the rows to score."""

from __future__ import annotations

from datetime import date, timedelta

from data.city import City
from data.errors import ArtifactError
from data.progress import Progress
from data.records import open_records
from data.settings import Settings
from features.catalogue import catalogue_of
from training.additive import AdditiveModel
from training.artifact import load_artifact
from training.champions import read_pointer
from training.gate import judge
from training.gate_table import NOT_JUDGED, PASSED, Evidence, Row, checked, passes
from training.groups import groups_of
from training.registry import models_folder
from training.rows import stage_rows
from training.selection import selection_of, weighed_as
from training.splits import first_day, horizon_days

_CARD = "expert_card"


def judge_challenger(
    city: City, settings: Settings, artifact: str, re_anchor: bool = False, progress: Progress = print
) -> list[Row]:
    """Return the gate's table for a challenger.

    Parameters
    ----------
    artifact : str
        Its folder below the city's models; the card of the same training lies beside it.
    re_anchor : bool
        Whether a new points scale is wanted.

    Raises
    ------
    NotFoundError
        Where the records that the challenger was trained on are not there any more.
    LabelError
        Where the newest labelled period has too few labels.
    """
    folder = models_folder(city, settings) / artifact
    try:
        challenger, card = load_artifact(folder), load_artifact(folder.parent / _CARD)
    except ArtifactError as error:
        return [checked("The artifact is complete", False, str(error))]
    rows = [checked("The artifact is complete", True), *_as_declared(city, challenger)]
    champion = _champion(city, settings)
    if champion is not None and not re_anchor:
        said = "another scale than the champion's. Train again, or give --re-anchor with the reason."
        rows.append(checked("Points keep the champion's scale", challenger.scale == champion.scale, said))
    if not passes(rows):
        return rows
    comparable = champion is None or champion.manifest["catalogue_hash"] == challenger.manifest["catalogue_hash"]
    if not comparable:
        rows.append(Row("Comparison with the champion", NOT_JUDGED, said="it was made for other indicators"))
    elif champion is not None:
        rows += _unseen(city, champion)
    progress("Scoring the newest labelled period.")
    evidence = _evidence(city, settings, challenger, card, champion if comparable else None, progress)
    return [*rows, *judge(evidence, city.gate)]


def _as_declared(city: City, challenger: AdditiveModel) -> list[Row]:
    manifest, train = challenger.manifest, f"Train again with `qianfen train {city.name}`."
    same_indicators = manifest["catalogue_hash"] == catalogue_of(city).hash
    declared = (city.label.model_dump(mode="json"), city.split.model_dump(mode="json"))
    # A manifest from before the cohort was kept says nothing of it.
    cohort = city.cohort.model_dump(mode="json")
    same_cohort = manifest.get("cohort", cohort) == cohort
    return [
        checked("Indicators are those in force", same_indicators, f"made for {manifest['catalogue_hash']}. {train}"),
        checked(
            "Label and dates are those of city.toml",
            (manifest["label"], manifest["split"]) == declared,
            f"changed since it was trained. {train}",
        ),
        checked("The cohort is that of city.toml", same_cohort, f"changed since it was trained. {train}"),
    ]


def _unseen(city: City, champion: AdditiveModel) -> list[Row]:
    """Say where the champion learned from labels of the period that it is scored on, which flatters it."""
    if "split" not in champion.manifest:
        return []
    calibration = champion.manifest["split"]["calibration"]
    last = date.fromisoformat(calibration["end"] if isinstance(calibration, dict) else max(calibration))
    horizon = champion.manifest["split"].get("calibration_horizon_days") or champion.manifest["label"]["horizon_days"]
    known = last + timedelta(days=horizon + champion.manifest["label"]["reporting_delay_days"])
    what = "The champion has not seen these labels"
    if known <= first_day(city.split.test):
        return [Row(what, PASSED)]
    return [Row(what, NOT_JUDGED, said=f"it learned from labels up to {known}, which flatters it here")]


def _evidence(
    city: City, settings: Settings, challenger: AdditiveModel, card: AdditiveModel, champion: AdditiveModel | None,
    progress: Progress,
) -> Evidence:  # fmt: skip
    manifest = challenger.manifest
    records = open_records(city, settings, manifest["records_id"])
    test = stage_rows(city, records, "test", settings, progress)
    test = weighed_as(city, records, test, horizon_days(city, "test"), selection_of(manifest), settings, progress)
    groups = groups_of(records, test.keys, settings.threads)
    return Evidence(test.X, test.y, test.entity_ids, groups, challenger, card, champion, test.weight)


def _champion(city: City, settings: Settings) -> AdditiveModel | None:
    pointer = read_pointer(city, settings)
    return None if pointer is None else load_artifact(models_folder(city, settings) / pointer.artifact)
