"""What `POST /v1/score` answers: points, grade and reasons, as documented in OpenAPI."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from data.city import City
from features.catalogue import Catalogue
from serving.sentences import sentence
from serving.veto_sentences import veto_sentence
from training.additive import AdditiveModel, Scores


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ContributionReply(_Declared):
    """What one indicator adds to the points of the average entity, or takes away."""

    indicator: str = Field(description="Name of the indicator.", examples=["failed_inspections"])
    name_zh: str = Field(description="Its name in Chinese.", examples=["检查不合格"])
    value: float | None = Field(description="Its value as of the date; null where nothing is known.")
    unit: str = Field(description="Unit of the value.")
    expert: float = Field(description="Points from the experts' card, against the average entity.")
    learned: float = Field(description="Points that history adds or takes away, against the average entity.")
    total: float = Field(description="Sum of both.")
    sentence_zh: str = Field(description="The same in a plain sentence, in Chinese.")
    sentence_en: str = Field(description="The same in a plain sentence, in English.")


class VetoReply(_Declared):
    """What holds the grade down whatever the points say; it stands outside the sum."""

    veto: str = Field(description="Name of the veto.", examples=["serious_dishonesty"])
    indicator: str = Field(description="Indicator that it looks at.")
    at_least: float = Field(description="Value of the indicator from which it holds.")
    best_grade: str = Field(description="The best grade that it leaves open.")
    grade_by_points: str = Field(description="Grade that the points alone would give.")
    sentence_zh: str = Field(description="The same in a plain sentence, in Chinese.")
    sentence_en: str = Field(description="The same in a plain sentence, in English.")


class ScoreReply(_Declared):
    """Points of one entity and where they come from: base_points + sum of totals + clipping = points."""

    entity_id: str | None = Field(description="Entity; null where indicators were given.")
    points: float = Field(ge=0, le=1000, description="0 to 1000; more points, more risk.")
    grade: str = Field(description="Grade of the points, A (low risk) to D (high risk), after all vetoes.")
    veto: VetoReply | None = Field(description="What changed the grade from that of the points; mostly null.")
    probability: float = Field(
        ge=0, le=1, description="Chance that an inspection within the horizon finds a violation."
    )
    expert_points: float = Field(description="Points by the experts' card alone.")
    expert_grade: str = Field(description="Grade of those points, after all vetoes.")
    base_points: float = Field(description="Points of the average entity that the model learned from.")
    contributions: list[ContributionReply] = Field(description="One for each indicator, in the order of the catalogue.")
    clipping: float = Field(description="Points that holding the sum within 0 to 1000 adds or takes away; mostly 0.")
    as_of_date: date | None = Field(description="Day of the values; null where indicators were given.")
    model_version: str = Field(description="Model that scored.")
    catalogue_hash: str = Field(description="Stands for the definitions of the indicators.")
    snapshot_id: str | None = Field(description="Snapshot of the values; null where indicators were given.")


class ErrorDetail(_Declared):
    """Why a request could not be answered."""

    code: str = Field(description="Stable name of the kind of error.", examples=["not_found"])
    message: str = Field(description="Subject, what it must be, what it was, and the remedy.")


class ErrorReply(_Declared):
    """The body of every error."""

    error: ErrorDetail


class Replies:
    """Turns scores of a model into replies for one city."""

    def __init__(self, city: City, catalogue: Catalogue, model: AdditiveModel) -> None:
        mapped = set(city.mapped_tables)
        self._items = tuple((item, item.is_available(mapped)) for item in catalogue)
        self._currency = city.currency
        self._model = model
        self._common = {"model_version": model.model_version, "catalogue_hash": catalogue.hash}

    def reply(
        self,
        scores: Scores,
        row: int,
        values: list[float],
        entity_id: str | None,
        as_of_date: date | None,
        snapshot_id: str | None,
    ) -> dict[str, Any]:
        """Return one row's reply, as ScoreReply declares it. Numbers are 64-bit; NaN in `values` is missing."""
        points = float(scores.points[row])
        return {
            "entity_id": entity_id,
            "points": points,
            "grade": str(scores.grade[row]),
            "veto": self._veto(str(scores.veto[row]), points),
            "probability": float(scores.probability[row]),
            "expert_points": float(scores.expert_points[row]),
            "expert_grade": str(scores.expert_grade[row]),
            "base_points": scores.base_points,
            "contributions": self._contributions(scores, row, values),
            "clipping": points - float(scores.unclipped_points[row]),
            "as_of_date": None if as_of_date is None else as_of_date.isoformat(),
            **self._common,
            "snapshot_id": snapshot_id,
        }

    def _veto(self, name: str, points: float) -> dict[str, Any] | None:
        if not name:
            return None
        veto, by_points = self._model.vetoes[name], str(self._model.cut_points.grade(np.array([points]))[0])
        zh, en = veto_sentence(veto, by_points)
        return {
            "veto": name,
            "indicator": veto.indicator,
            "at_least": veto.at_least,
            "best_grade": veto.best_grade,
            "grade_by_points": by_points,
            "sentence_zh": zh,
            "sentence_en": en,
        }

    def _contributions(self, scores: Scores, row: int, values: list[float]) -> list[dict[str, Any]]:
        expert, learned = scores.expert_parts[row].tolist(), scores.learned_parts[row].tolist()
        contributions = []
        for (item, is_available), value, by_card, by_history in zip(self._items, values, expert, learned, strict=True):
            known = None if math.isnan(value) else value
            said = sentence(item, known, by_card, by_history, is_available, self._currency)
            contributions.append(
                {
                    "indicator": item.name,
                    "name_zh": item.name_zh,
                    "value": known,
                    "unit": item.unit,
                    "expert": by_card,
                    "learned": by_history,
                    "total": by_card + by_history,
                    "sentence_zh": said.zh,
                    "sentence_en": said.en,
                }
            )
        return contributions
