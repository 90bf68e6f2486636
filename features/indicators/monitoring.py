"""Monitoring 动态监测: complaints and reports, sampling tests, media."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.catalogue import indicator
from features.measures import decayed_count, exact_sum
from features.outlook import Ageing
from features.rates import decayed_failures, overall_failure_rate, shrunk_rate

REPEAT_DAYS = 30
"""A further complaint by the same person on the same topic within a month of the one before is the same matter."""

COMPLAINT_HALF_LIFE_DAYS = 365
"""One year: complaints have a season, and a year smooths it."""

PEER_COMPLAINTS = 1.0
"""Complaints added to the entity's and to its peers' mean: one complaint among peers with hardly any doubles the value,
and does not multiply it by hundreds."""

TEST_HALF_LIFE_DAYS = 365
"""One year: a sampling plan runs for a year."""

TEST_STRENGTH = 5.0
"""Tests' worth of the overall rate mixed into the entity's: few samples fail, so one alone says little."""

MENTION_HALF_LIFE_DAYS = 180
"""Half a year: news grow old faster than records."""

MINIMUM_MATCH_SCORE = 0.8
"""A mention matched with less certainty waits for a person; one without a score was matched by key and counts."""


@indicator(
    dimension="monitoring",
    name_zh="投诉举报",
    description_zh="投诉与举报件数（三十天内的重复合并，按一年半衰期递减）与同行业同规模主体均值之比；1 为持平。",
    unit="times its peers",
    unit_zh="倍（与同类相比）",
    risk="rises",
    minimum=0.0,
    source="complaints",
)
def complaint_reports(entities: ir.Table, complaints: ir.Table) -> ir.Table:
    """Complaints and reports against entities of the same industry and size: 1 is like its peers, 2 is twice as many.

    Repeats are merged: by the same person on the same topic within 30 days of the one before. Each counts half after 1
    year. Peers are all active entities of that industry and size, those without complaints and this one included; one
    complaint is added on both sides, so that few complaints among few do not look like many.
    """
    both = own_and_peers(entities, complaints)
    value = (both.own + PEER_COMPLAINTS) / (both.peers + PEER_COMPLAINTS)
    return both.select("as_of_date", "entity_id", value=value)


@indicator(
    dimension="monitoring",
    name_zh="检验检测",
    description_zh="抽样检验不合格率，近期检验权重大，并向全体不合格率收缩；从未抽检的，为缺失。",
    unit="share of samples failed",
    unit_zh="不合格样品占比",
    risk="rises",
    minimum=0.0,
    maximum=1.0,
    source="tests",
)
def sampling_failures(tests: ir.Table) -> ir.Table:
    """Failure rate of sampling tests, each counting half after 1 year, held near the rate of all tests in 3 years.

    The overall rate counts as much as five tests of today. Missing where the entity was never tested.
    """
    own = decayed_failures(tests, TEST_HALF_LIFE_DAYS)
    joined = own.left_join(overall_failure_rate(tests), "as_of_date")
    rate = shrunk_rate(joined.n_failed, joined.n, joined.overall_rate, TEST_STRENGTH)
    return joined.select("as_of_date", "entity_id", value=rate)


@indicator(
    dimension="monitoring",
    name_zh="舆情",
    description_zh="负面舆情条数，按半年半衰期递减；匹配置信度低于 0.8 的不计。",
    unit="mentions, decayed",
    unit_zh="条（按时间衰减）",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="mentions",
    ageing=Ageing(half_life_days=MENTION_HALF_LIFE_DAYS),
)
def negative_mentions(mentions: ir.Table) -> ir.Table:
    """Negative media mentions, each counting half after 180 days; doubtful matches (score below 0.8) do not count."""
    certain = mentions.match_score.isnull() | (mentions.match_score >= MINIMUM_MATCH_SCORE)
    return decayed_count(mentions.filter(mentions.sentiment == "negative", certain), MENTION_HALF_LIFE_DAYS)


def _without_repeats(complaints: ir.Table) -> ir.Table:
    """Keep of each chain of repeats the first; anonymous ones are never repeats."""
    columns = ("as_of_date", "entity_id", "event_date")
    signed = complaints.filter(complaints.complainant_id.notnull())
    same = ibis.window(group_by=["as_of_date", "entity_id", "complainant_id", "topic"], order_by="event_date")
    before = signed.mutate(previous=signed.event_date.lag().over(same))
    firsts = before.filter(
        before.previous.isnull() | (before.event_date.delta(before.previous, unit="day") > REPEAT_DAYS)
    )
    anonymous = complaints.filter(complaints.complainant_id.isnull())
    return firsts.select(*columns).union(anonymous.select(*columns))


def own_and_peers(entities: ir.Table, complaints: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, own, peers): decayed complaints of each active entity, and its peers' mean."""
    counts = decayed_count(_without_repeats(complaints), COMPLAINT_HALF_LIFE_DAYS)
    own = entities.left_join(counts, ["as_of_date", "entity_id"]).select(
        entities.as_of_date,
        entities.entity_id,
        entities.industry_code,
        entities.size,
        own=ibis.coalesce(counts.value.cast("float64"), 0.0),
    )
    # Unknown is a class of its own; a join would not match null to null.
    own = own.mutate(industry_code=own.industry_code.fill_null(""), size=own.size.fill_null(""))
    peers = own.group_by("as_of_date", "industry_code", "size").agg(
        peers=exact_sum(own.own).cast("float64") / own.count()
    )
    joined = own.inner_join(peers, ["as_of_date", "industry_code", "size"])
    return joined.select("as_of_date", "entity_id", "own", "peers")
