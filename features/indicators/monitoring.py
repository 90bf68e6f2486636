"""Monitoring 动态监测: complaints and reports, sampling tests, media."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.declaration import indicator
from features.measures import decayed_count, exact_sum
from features.outlook import Ageing
from features.parameters import Parameter
from features.rates import LOOK_BACK_DAYS, decayed_failures, overall_failure_rate, shrunk_rate
from features.sharing import of_everybody

COMPLAINTS: dict[str, Parameter] = {
    "half_life_days": Parameter(
        default=365,
        low=30,
        high=3650,
        unit="days",
        meaning="age at which a complaint counts half",
        meaning_zh="投诉举报的半衰期",
        why="complaints have a season, and a year smooths it",
    ),
    "repeat_days": Parameter(
        default=30,
        low=0,
        high=365,
        unit="days",
        meaning="time within which a further complaint by the same person on the same topic is the same matter",
        meaning_zh="同一人就同一事项再次投诉视为重复的期限",
        why="a matter is handled within a month or so",
    ),
    "strength": Parameter(
        default=1.0,
        low=0.01,
        high=50.0,
        unit="complaints",
        meaning="complaints added to the entity's and to its peers' mean",
        meaning_zh="两边各加的投诉件数",
        why="one complaint among peers with hardly any doubles the value, and does not multiply it by hundreds",
    ),
}
TESTS: dict[str, Parameter] = {
    "half_life_days": Parameter(
        default=365,
        low=30,
        high=3650,
        unit="days",
        meaning="age at which a test counts half",
        meaning_zh="抽检结果的半衰期",
        why="a sampling plan runs for a year",
    ),
    "strength": Parameter(
        default=5.0,
        low=0.1,
        high=200.0,
        unit="tests",
        meaning="tests' worth of the overall rate mixed into the entity's own",
        meaning_zh="向全体收缩的强度（折合抽检批次）",
        why="few samples fail, so one alone says little",
    ),
    "look_back_days": Parameter(
        default=LOOK_BACK_DAYS,
        low=180,
        high=3650,
        unit="days",
        meaning="how far the rate of all tests looks back",
        meaning_zh="全体不合格率的回溯期",
        why="as for inspections",
    ),
}
MENTIONS: dict[str, Parameter] = {
    "half_life_days": Parameter(
        default=180,
        low=7,
        high=3650,
        unit="days",
        meaning="age at which a mention counts half",
        meaning_zh="舆情的半衰期",
        why="news grow old faster than records",
    ),
    "least_score": Parameter(
        default=0.8,
        low=0.0,
        high=1.0,
        unit="match score",
        meaning="score below which a mention waits for a person; one without a score was matched by key and counts",
        meaning_zh="计入所需的最低匹配置信度",
        why="as for records that are linked by name",
    ),
}


@indicator(
    dimension="monitoring",
    name_zh="投诉举报",
    description_zh=(
        "投诉与举报件数（{repeat_days}内的重复合并，按{half_life_days}半衰期递减）与同行业同规模主体均值之比"
        "（两边各加{strength}件）；1 为持平。"
    ),
    unit="times its peers",
    unit_zh="倍（与同类相比）",
    risk="rises",
    minimum=0.0,
    source="complaints",
    parameters=COMPLAINTS,
)
def complaint_reports(
    entities: ir.Table, complaints: ir.Table, *, half_life_days: int, repeat_days: int, strength: float
) -> ir.Table:
    """Complaints and reports against entities of the same industry and size: 1 is like its peers, 2 is twice as many.

    Repeats are merged: by the same person on the same topic within {repeat_days} of the one before. Each counts half
    after {half_life_days}. Peers are all active entities of that industry and size, those without complaints and this
    one included; complaints are added on both sides, {strength} each, so that few among few do not look like many.
    """
    both = own_and_peers(entities, complaints, half_life_days=half_life_days, repeat_days=repeat_days)
    value = (both.own + strength) / (both.peers + strength)
    return both.select("as_of_date", "entity_id", value=value)


@indicator(
    dimension="monitoring",
    name_zh="检验检测",
    description_zh="抽样检验不合格率，按{half_life_days}半衰期近期检验权重大，并向全体不合格率收缩；从未抽检的，或该期内全体均无抽检的，为缺失。",
    unit="share of samples failed",
    unit_zh="不合格样品占比",
    risk="rises",
    minimum=0.0,
    maximum=1.0,
    source="tests",
    parameters=TESTS,
)
def sampling_failures(tests: ir.Table, *, half_life_days: int, strength: float, look_back_days: int) -> ir.Table:
    """Failure rate of sampling tests, each counting half after {half_life_days}, held near the rate of all tests.

    The rate of all tests in the last {look_back_days} counts as much as {strength} tests of today. Missing where the
    entity was never tested, or nobody was in that time.
    """
    own = decayed_failures(tests, half_life_days)
    joined = own.left_join(overall_failure_rate(tests, look_back_days=look_back_days), "as_of_date")
    rate = shrunk_rate(joined.n_failed, joined.n, joined.overall_rate, strength)
    return joined.select("as_of_date", "entity_id", value=rate)


@indicator(
    dimension="monitoring",
    name_zh="舆情",
    description_zh="负面舆情条数，按{half_life_days}半衰期递减；匹配置信度低于{least_score}的不计。",
    unit="mentions, decayed",
    unit_zh="条（按时间衰减）",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="mentions",
    parameters=MENTIONS,
    varying=lambda values: {"ageing": Ageing(half_life_days=values["half_life_days"])},
)
def negative_mentions(mentions: ir.Table, *, half_life_days: int, least_score: float) -> ir.Table:
    """Negative media mentions, each counting half after {half_life_days}.

    Doubtful matches (score below {least_score}) do not count.
    """
    certain = mentions.match_score.isnull() | (mentions.match_score >= least_score)
    return decayed_count(mentions.filter(mentions.sentiment == "negative", certain), half_life_days)


def _without_repeats(complaints: ir.Table, repeat_days: int) -> ir.Table:
    """Keep of each chain of repeats the first; anonymous ones are never repeats."""
    columns = ("as_of_date", "entity_id", "event_date")
    signed = complaints.filter(complaints.complainant_id.notnull())
    same = ibis.window(group_by=["as_of_date", "entity_id", "complainant_id", "topic"], order_by="event_date")
    before = signed.mutate(previous=signed.event_date.lag().over(same))
    firsts = before.filter(
        before.previous.isnull() | (before.event_date.delta(before.previous, unit="day") > repeat_days)
    )
    anonymous = complaints.filter(complaints.complainant_id.isnull())
    return firsts.select(*columns).union(anonymous.select(*columns))


def own_and_peers(entities: ir.Table, complaints: ir.Table, **repeats: Any) -> ir.Table:
    """Return (as_of_date, entity_id, own, peers): decayed complaints of each active entity, and its peers' mean.

    `repeats` are the parameters half_life_days and repeat_days.
    """
    own = _own_complaints(entities, complaints, **repeats)
    peers = _mean_of_peers(entities, complaints, **repeats)
    joined = own.inner_join(peers, ["as_of_date", "industry_code", "size"])
    return joined.select("as_of_date", "entity_id", "own", "peers")


@of_everybody
def _mean_of_peers(entities: ir.Table, complaints: ir.Table, **repeats: Any) -> ir.Table:
    """Return (as_of_date, industry_code, size, peers): mean of the decayed complaints of the active entities."""
    own = _own_complaints(entities, complaints, **repeats)
    return own.group_by("as_of_date", "industry_code", "size").agg(
        peers=exact_sum(own.own).cast("float64") / own.count()
    )


def _own_complaints(entities: ir.Table, complaints: ir.Table, *, half_life_days: int, repeat_days: int) -> ir.Table:
    counts = decayed_count(_without_repeats(complaints, repeat_days), half_life_days)
    own = entities.left_join(counts, ["as_of_date", "entity_id"]).select(
        entities.as_of_date,
        entities.entity_id,
        entities.industry_code,
        entities.size,
        own=ibis.coalesce(counts.value.cast("float64"), 0.0),
    )
    # Unknown is a class of its own; a join would not match null to null.
    return own.mutate(industry_code=own.industry_code.fill_null(""), size=own.size.fill_null(""))
