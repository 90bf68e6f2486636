"""What a study of parameters found, on disk and in words: a JSON file, and the lines that go into city.toml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.city import City, Period
from data.errors import ConfigurationError
from data.files import fingerprint, read_sealed, source_fingerprint, write_sealed
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of
from features.snapshots import CODE
from training.code import code_of
from training.fitting import Recipe
from training.indicator_parameters import Learned, Trial, learn_parameters, study_folds
from training.parameter_study import ParameterStudy
from training.splits import Stage


def study_result(
    study: ParameterStudy, city: City, records: Records, settings: Settings, progress: Progress = print
) -> tuple[Path, dict[str, Any]]:
    """Return where the result of a study lies, and what it holds; it is run unless nothing changed since.

    Raises
    ------
    ConfigurationError
        Where the study is of another city; others as `training.indicator_parameters.learn_parameters`.
    """
    if study.city != city.name:
        raise ConfigurationError(
            f"The city of {study.folder / study.name}.toml must be '{city.name}', which lies beside it, got "
            f"'{study.city}'. Correct it, or move the file."
        )
    folds = study_folds(study, city)
    recipe = Recipe.of(city, settings.threads)
    lightgbm = {name: value for name, value in recipe.lightgbm.items() if name != "num_threads"}
    start = city.model_copy(update={"indicators": study.start(city)})
    study_id = fingerprint(
        study.model_dump(mode="json"), [str(fold) for fold in folds], records.records_id, settings.engine,
        catalogue_of(start).hash, str(city.label), str(city.cohort), str(city.selection), recipe.card.as_json(),
        lightgbm, recipe.num_boost_round, code_of("training.learned_parameters"), source_fingerprint(*CODE),
    )  # fmt: skip
    path = settings.var / "cities" / city.name / "parameters" / f"{study.name}-{study_id}.json"
    if path.is_file():
        progress(f"Study {study_id} is there already, nothing changed: skipped.")
    else:
        write_sealed(path, _content(study, learn_parameters(study, city, records, settings, progress)))
    return path, read_sealed(path, "Remove it; the next run learns again.")


def lines(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a study found, and the lines for city.toml: each value with what its step brought."""
    first, best, gain = content["first"], content["best"], content["gain"]
    days = ", ".join(" to ".join(fold["test"]) for fold in content["folds"])
    yield f"Mean AUC over the folds (tested on {days}): {first['mean']:.4f} to {best['mean']:.4f}, {_said(gain)}."
    if not content["steps"]:
        yield "No value that was tried brought more than those in force. city.toml may stay as it is."
        return
    yield "Lines for city.toml; a gain is in mean AUC over the folds, with its 95% interval:"
    brought: dict[tuple[str, str], list[str]] = {}
    for step in content["steps"]:
        said = f"from {step['before']:g}, {_said(step['gain'])}"
        brought.setdefault((step["indicator"], step["parameter"]), []).append(said)
    for indicator in dict.fromkeys(indicator for indicator, _ in brought):
        yield ""
        yield f"[indicators.{indicator}]"
        for (of, parameter), gains in brought.items():
            if of == indicator:
                yield f"{parameter} = {best['given'][indicator][parameter]!r}  # {'; then '.join(gains)}"
    yield ""


def _said(gain: Mapping[str, float]) -> str:
    return f"{gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"


def _content(study: ParameterStudy, learned: Learned) -> dict[str, Any]:
    return {
        "study": study.title,
        "folds": [{"train": _days(fold.train), "test": _days(fold.test)} for fold in learned.folds],
        "first": _trial(learned.first),
        "best": _trial(learned.best),
        "gain": learned.gain.as_json(),
        "steps": [{**vars(step), "gain": step.gain.as_json()} for step in learned.steps],
        "trials": [*learned.trials],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {"given": trial.given, "by_fold": list(trial.by_fold), "mean": trial.mean}


def _days(stage: Stage) -> list[str]:
    return [str(day) for day in ((stage.start, stage.end) if isinstance(stage, Period) else stage)]
