"""How far the data may drift before the pipeline stops: the section [drift] of city.toml."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from data.declarations import Section
from data.errors import did_you_mean
from data.schemas import TABLES


class _SourceLimits(Section):
    """What a source is held against: the months before the one that is judged."""

    rows_fell: float = Field(
        default=0.5, ge=0, le=1, description="least rows of a month, as a share of what is usual; 0 never stops"
    )
    rows_rose: float = Field(
        default=2.0, gt=1, description="most rows of a month, in times of what is usual; inf never stops"
    )
    delay_days: float = Field(default=7, gt=0, description="most days by which the median delay may grow")
    quarantined: float = Field(
        default=0.05, gt=0, description="most by which the share of rows in quarantine may grow; inf never stops"
    )


class _IndicatorLimits(Section):
    """What an indicator is held against: its reference."""

    psi: float = Field(default=0.25, gt=0, description="PSI from which it stops; 0.25 is a large shift by convention")
    missing: float = Field(default=0.1, gt=0, description="most by which the share of missing values may change")
    outside: float = Field(default=0.0, ge=0, description="largest share of values outside the bounds")


class TableDrift(_SourceLimits):
    """Limits of the sources of one table, where they differ from those of [drift]."""


class IndicatorDrift(_IndicatorLimits):
    """Limits of one indicator where they differ from those of [drift], and its bounds where the city's are narrower."""

    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum must not lie above maximum, got {self.minimum:g} and {self.maximum:g}")
        return self


class AcceptedDrift(Section):
    """Breaches of one date that were accepted once and for all, with the reason."""

    as_of_date: date
    breaches: tuple[str, ...] = Field(min_length=1)
    who: str = Field(min_length=1)
    why: str = Field(min_length=1)


class Drift(_SourceLimits, _IndicatorLimits):
    """`[drift]`: limits for everything, then what differs by table and by indicator, then what was accepted."""

    psi_notable: float = Field(default=0.1, gt=0, description="PSI from which it is pointed out, without a stop")
    tables: dict[str, TableDrift] = Field(default_factory=dict)
    indicators: dict[str, IndicatorDrift] = Field(default_factory=dict)
    accepted: tuple[AcceptedDrift, ...] = ()

    @model_validator(mode="after")
    def _known_tables(self) -> Self:
        for name in self.tables:
            if name not in TABLES:
                raise ValueError(f"tables must be canonical tables.{did_you_mean(name, TABLES)}")
        return self

    def of_table(self, name: str) -> TableDrift:
        """Return the limits of a table's sources."""
        given = self.tables[name].model_dump(exclude_unset=True) if name in self.tables else {}
        return TableDrift(**self.model_dump(include=set(_SourceLimits.model_fields)) | given)

    def of_indicator(self, name: str) -> IndicatorDrift:
        """Return the limits of an indicator."""
        given = self.indicators[name].model_dump(exclude_unset=True) if name in self.indicators else {}
        return IndicatorDrift(**self.model_dump(include=set(_IndicatorLimits.model_fields)) | given)
