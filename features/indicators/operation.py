"""Operation 经营: licences, annual reports, changes of the register entry."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.declaration import indicator
from features.measures import within_days
from features.outlook import Ageing, Remedy
from features.parameters import Parameter

LICENCE_CAP_DAYS = 3650
"""Ten years: the longest usual term. A licence that does not lapse counts as this far from lapsing."""

REPORT_LOOK_BACK = Parameter(
    default=3 * 365,
    low=365,
    high=3650,
    unit="days",
    meaning="how far annual reports look back",
    meaning_zh="年报的回溯期",
    why="as long as missed annual reports can lead to the list of serious violations",
)
CHANGE_LOOK_BACK = Parameter(
    default=2 * 365,
    low=90,
    high=3650,
    unit="days",
    meaning="how far changes look back",
    meaning_zh="登记变更的回溯期",
    why="frequent changes matter as a run, and older ones say little of who runs the entity now",
)

IDENTITY_FIELDS = ("address", "representative", "scope", "name")
"""Changes by which an entity can become another one. Capital and shareholders change for ordinary reasons."""


@indicator(
    dimension="operation",
    name_zh="证照有效",
    description_zh="距最近一项必需许可到期的天数，已过期为负，长期有效按 3650 天计；没有必需许可的，为缺失。",
    unit="days",
    unit_zh="天",
    risk="falls",
    minimum=-float(LICENCE_CAP_DAYS),
    maximum=float(LICENCE_CAP_DAYS),
    source="licences",
    remedy=Remedy(
        effort=1.0,
        how="Renew the required licences as they fall due, so that all hold for {value} days from the as-of date",
        how_zh="必需的许可到期前及时续办，使各项自截至日期起 {value} 天内有效",
        # One, three and five years: usual terms. Licences are renewed in their last months.
        terms=(365.0, 1095.0, 1825.0),
        due_days=180.0,
    ),
    ageing=Ageing(per_day=-1.0, never_below=0.0),
)
def licence_validity(licences: ir.Table) -> ir.Table:
    """Days until the first of the entity's required licences lapses: 0 on its last day, negative once lapsed.

    Of each kind of licence the latest last day known counts, so a renewal supersedes. A licence without end counts as
    3650 days, the most that any counts. Missing where no required licence is known.
    """
    required = licences.filter(licences.required)
    left = required.valid_until.delta(required.as_of_date, unit="day")
    days = ibis.coalesce(left, LICENCE_CAP_DAYS).clip(-LICENCE_CAP_DAYS, LICENCE_CAP_DAYS)
    terms = required.mutate(days=days)
    kinds = terms.group_by("as_of_date", "entity_id", "licence_type").agg(days=terms.days.max())
    return kinds.group_by("as_of_date", "entity_id").agg(value=kinds.days.min())


@indicator(
    dimension="operation",
    name_zh="年报缺报",
    description_zh="近{look_back_days}内记为逾期或未报的年报年度数；其间没有任何年报记录的，为缺失。",
    unit="report years",
    unit_zh="个年度",
    risk="rises",
    minimum=0.0,
    source="annual_reports",
    parameters={"look_back_days": REPORT_LOOK_BACK},
    varying=lambda values: {"ageing": Ageing(look_back_days=values["look_back_days"])},
)
def annual_report_lapses(annual_reports: ir.Table, *, look_back_days: int) -> ir.Table:
    """Report years with a late or missed annual report in the last {look_back_days}, each year counted once.

    0 where reports are known and none lapsed, missing where no report is known in {look_back_days}.
    """
    recent = annual_reports.filter(within_days(annual_reports, look_back_days))
    lapsed = recent.status.isin(("late", "missed"))
    years = recent.group_by("as_of_date", "entity_id", "report_year").agg(lapsed=lapsed.cast("int64").max())
    return years.group_by("as_of_date", "entity_id").agg(value=years.lapsed.sum())


@indicator(
    dimension="operation",
    name_zh="变更频次",
    description_zh="近{look_back_days}地址、法定代表人、经营范围、名称的变更次数。",
    unit="changes",
    unit_zh="次",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="changes",
    parameters={"look_back_days": CHANGE_LOOK_BACK},
    varying=lambda values: {"ageing": Ageing(look_back_days=values["look_back_days"])},
)
def registration_changes(changes: ir.Table, *, look_back_days: int) -> ir.Table:
    """Changes of address, representative, scope or name in the last {look_back_days}."""
    recent = changes.filter(changes.field.isin(IDENTITY_FIELDS), within_days(changes, look_back_days))
    return recent.group_by("as_of_date", "entity_id").agg(value=recent.count())
