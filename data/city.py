"""A city: a folder with `city.toml` and `sources/<table>.sql`, no Python."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, StrictFloat, StrictInt, field_validator, model_validator

from data.audit import Audit
from data.declarations import Section, declared
from data.drift import Drift
from data.errors import ConfigurationError, SourceError, UnknownCityError, did_you_mean
from data.gate import Gate
from data.monitoring import Monitoring
from data.schemas import TABLES
from data.settings import PROJECT_ROOT, Settings

EXPERIMENTS = PROJECT_ROOT / "experiments"


class SourceFile(Section):
    """One file a city brings: its path under the source folder, and what it does not say of itself."""

    path: str
    encoding: str = "utf-8"
    header_row: int = Field(default=1, ge=1, description="row of a CSV file that names its columns")
    amount_unit: Literal["yuan", "ten_thousand_yuan"] | None = Field(
        default=None, description="unit of its amounts, for the macro amount_in_yuan"
    )


class Sources(Section):
    """Where the files lie. `{real_data}`, `{var}` and `{city}` stand for those folders."""

    folder: str
    files: tuple[SourceFile, ...]
    taken_on: date | None = Field(default=None, description="day the files were taken; nothing is known after it")
    notes: dict[str, str] = Field(default_factory=dict, description="per table: how known_at follows")
    notes_zh: dict[str, str] = Field(default_factory=dict, description="the same in Chinese, for the page of the check")

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("files"), list):
            files = [{"path": f} if isinstance(f, str) else f for f in values["files"]]
            return {**values, "files": files}
        return values


class Label(Section):
    """What counts as a violation: an inspection in the horizon whose `column` has one of `values`."""

    table: Literal["inspections"] = "inspections"
    column: Literal["failed", "severity", "outcome"]
    values: tuple[str, ...]
    horizon_days: int = Field(gt=0)
    reporting_delay_days: int = Field(default=1, ge=0)

    @field_validator("table", mode="before")
    @classmethod
    def _only_findings(cls, table: Any) -> Any:
        if table in ("complaints", "mentions"):
            raise ValueError(
                f"must be inspections: {table} are disputes and leads, which nobody has looked into, and no findings. "
                "Remove the key; what an inspection found after a complaint is a label, the complaint is not"
            )
        return table


class Selection(Section):
    """Whether labelled rows stand for everybody, of whom only some were inspected; docs/selection.md."""

    method: Literal["none", "weights"] = "none"
    known_by: Literal["as_of_date", "label"] = Field(
        default="label",
        description="what a chance is read from: records known before the as-of date, or beside them the complaints of "
        "the label window that are known when the label is",
    )
    clip: float | None = Field(
        default=None, gt=1.0, description="largest weight; by default chosen on the trees' rows (training.selection)"
    )
    least_effective_share: float = Field(
        default=0.1, gt=0.0, le=1.0, description="share of the rows that must be left in effect, else training stops"
    )
    most_unreached_share: float = Field(
        default=0.1, ge=0.0, lt=1.0, description="share of the active entities that may be hardly ever inspected"
    )


class Period(Section):
    """Days from `start` up to, not including, `end`."""

    start: date
    end: date

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.end <= self.start:
            raise ValueError(f"end must be after start, got {self.start} to {self.end}")
        return self


class Cohort(Section):
    """Who is graded: every active entity on stated dates, or one row for each inspection as of its day."""

    kind: Literal["entity", "inspection"] = "entity"
    inspection_types: tuple[str, ...] = ()


class Split(Section):
    """Dates in order: trees, then calibration, then test. Lists of as-of dates, or periods for inspection cohorts."""

    trees: tuple[date, ...] | Period
    calibration: tuple[date, ...] | Period
    test: tuple[date, ...] | Period
    calibration_horizon_days: int | None = Field(
        default=None, gt=0, description="shorter label window of the calibration, so that it may lie nearer to the test"
    )
    reference: date = Field(description="day whose active entities anchor the points scale")
    grading: date = Field(description="day as of which everybody is graded")


class FittedScale(Section):
    """Cut points fitted when a model is trained, in place of the experts' own; docs/grades.md."""

    to: Literal["shares", "violation_rates"]
    wanted: tuple[float, ...] = Field(
        description="shares of the reference population by grade, or rates from which each worse grade begins"
    )


class Scale(Section):
    """Grades: overrides of the card, the experts' cut points and the vetoes, as CSV paths in the city's folder."""

    card: str | None = None
    cut_points: str | None = None
    vetoes: str | None = None
    fitted: FittedScale | None = None


class Linking(Section):
    """How rows with a name and no code find their entity; docs/linking.md."""

    bar: float = Field(
        default=0.8, gt=0.5, le=1.0, description="share of certainty from which a row is linked without a person"
    )
    coverage: float = Field(
        default=0.9, gt=0.0, lt=1.0, description="share of such rows whose entity is in the register at all"
    )
    register_size: int = Field(default=1_300_000, gt=0, description="about how many entities the register has")
    places: tuple[str, ...] | None = Field(
        default=None, description="how names write the city's own name; by default name_zh with and without 市"
    )

    @property
    def prior_odds(self) -> float:
        """Odds of a row belonging to one entity drawn at random, against to none of the register.

        They are stated, not counted: the size of the register grows, and what grows must not move what was linked.
        """
        return self.coverage / (1 - self.coverage) / self.register_size


class Model(Section):
    """LightGBM's parameters where they differ from the defaults in training.model."""

    seed: int = 20260101
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)
    num_boost_round: int = Field(default=200, gt=0)
    offset_share: float = Field(
        default=1.0, gt=0, le=1, description="share of the experts' log-odds with which the trees begin"
    )
    importance_refits: int = Field(default=20, ge=0, description="refits that say how stable importance is")


class Outlook(Section):
    """What no entity of the city is asked for, where it says what would change the grade."""

    not_asked: tuple[str, ...] = Field(default=(), description="indicators about which nobody is asked to do anything")


class Published(Section):
    """Somebody else's scores and the figures they published, to check metric code against."""

    name: str
    file: str
    key: str = "Inspection_ID"
    date: str = "Inspection_Date"
    label: str = "criticalFound"
    score: str
    test: str = "Test"
    expected: dict[str, float]


class City(Section):
    """`city.toml`, validated; see docs/new-city.md for every key."""

    name: str
    name_zh: str
    title: str
    title_zh: str
    languages: tuple[Literal["zh", "en"], ...] = ("zh", "en")
    currency: str = "CNY"
    sources: Sources
    cohort: Cohort = Cohort()
    label: Label
    selection: Selection = Selection()
    split: Split
    scale: Scale = Scale()
    linking: Linking = Linking()
    model: Model = Model()
    indicators: dict[str, dict[str, StrictInt | StrictFloat]] = Field(
        default_factory=dict,
        description="parameters of indicators where they are not the defaults of docs/indicators.md",
    )
    drift: Drift = Drift()
    gate: Gate = Gate()
    monitoring: Monitoring = Monitoring()
    audit: Audit = Audit()
    outlook: Outlook = Outlook()
    published: tuple[Published, ...] = ()
    folder: Path = Field(exclude=True)

    @model_validator(mode="after")
    def _weights_for_entities(self) -> City:
        if self.selection.method == "weights" and self.cohort.kind == "inspection":
            raise ValueError(
                'selection.method must be "none" where the cohort is of inspections: everybody in it was inspected. '
                'Remove [selection], or grade entities ([cohort] kind = "entity")'
            )
        return self

    @model_validator(mode="after")
    def _window_of_the_label(self) -> City:
        if self.monitoring.window_days is not None and self.cohort.kind != "inspection":
            raise ValueError(
                "monitoring.window_days is for cohorts of inspections: a probability of an entity is of its label "
                f"window, {self.label.horizon_days} days. Remove the key"
            )
        return self

    @property
    def mapped_tables(self) -> tuple[str, ...]:
        """Canonical tables that the city maps, in the order of the schema."""
        return tuple(t for t in TABLES if (self.folder / "sources" / f"{t}.sql").is_file())

    @property
    def as_of_dates(self) -> tuple[date, ...]:
        """All dates of the split in order; of a period none."""
        stages = (self.split.trees, self.split.calibration, self.split.test)
        days = {day for stage in stages if isinstance(stage, tuple) for day in stage}
        return tuple(sorted(days | {self.split.reference, self.split.grading}))

    @property
    def places(self) -> tuple[str, ...]:
        """How names of entities write the city's own name, such as 北京市 and 北京."""
        if self.linking.places is not None:
            return self.linking.places
        short = self.name_zh.removesuffix("市")
        return (f"{short}市", short)

    @property
    def indicator_parameters(self) -> dict[str, dict[str, StrictInt | StrictFloat]]:
        """What it declares of its indicators' parameters, by indicator and name."""
        return self.indicators

    @property
    def horizon(self) -> timedelta:
        """Length of the label window."""
        return timedelta(days=self.label.horizon_days)

    @property
    def label_lag(self) -> timedelta:
        """Days from an as-of date until its labels are known."""
        return timedelta(days=self.label.horizon_days + self.label.reporting_delay_days)

    @property
    def monitoring_days(self) -> int:
        """Days after a grading whose inspections monitoring counts."""
        # A champion of entities is watched over its label window, whatever city.toml came to say of inspections.
        window_days = self.monitoring.window_days if self.cohort.kind == "inspection" else None
        return window_days or self.label.horizon_days

    @property
    def monitoring_lag(self) -> timedelta:
        """Days from a grading until monitoring knows what came of it."""
        return timedelta(days=self.monitoring_days + self.label.reporting_delay_days)

    def source_folder(self, settings: Settings) -> Path:
        """Return the folder that holds the city's files; SourceError where it is not to be found."""
        if "{real_data}" in self.sources.folder and settings.real_data is None:
            raise SourceError(
                f"The records of {self.name} are not here. Set QIANFEN_REAL_DATA to the folder that holds them."
            )
        folder = Path(self.sources.folder.format(real_data=settings.real_data, var=settings.var, city=self.folder))
        if not folder.is_dir():
            raise SourceError(f"The source folder of {self.name} must exist, got {folder}. Put the files there.")
        return folder


def find_city_folder(name_or_path: str) -> Path:
    """Return the folder of a city named by its path, or by its name under experiments/."""
    for folder in (Path(name_or_path), EXPERIMENTS / name_or_path):
        if (folder / "city.toml").is_file():
            return folder.resolve()
    known = sorted(p.parent.name for p in EXPERIMENTS.glob("*/city.toml"))
    raise UnknownCityError(
        f"A city must be a folder with a city.toml, or one of {', '.join(known)}; got '{name_or_path}'."
        f"{did_you_mean(name_or_path, known)}"
    )


def load_city(name_or_path: str) -> City:
    """Read and validate `city.toml`; ConfigurationError names the key, the value and the remedy."""
    folder = find_city_folder(name_or_path)
    _refuse_unknown_mappings(folder)
    return declared(City, folder / "city.toml", "docs/new-city.md", folder=folder)


def _refuse_unknown_mappings(folder: Path) -> None:
    for mapping in (folder / "sources").glob("*.sql"):
        if mapping.stem not in TABLES:
            raise ConfigurationError(
                f"{mapping} must be named after a canonical table.{did_you_mean(mapping.stem, TABLES)} "
                f"Known are: {', '.join(TABLES)}."
            )
