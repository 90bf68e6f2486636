"""What happened: inspections, complaints, penalties, tests, listings, obligations, mentions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from data.synthetic.columns import amount_texts, date_texts, dates, identifiers, pick
from data.synthetic.grid import FIRST_DAY, LAST_DAY, N_PERIODS, PERIOD_DAYS, Array, period_of, period_start
from data.synthetic.industries import values
from data.synthetic.population import Population
from data.synthetic.registers import codes
from data.synthetic.reporting import arrived, end_and_known, ended_after, known_after, withdrawn_after
from data.synthetic.simulation import TYPES, History

REPEATED = 0.12
"""Share of complaints that the same person files again within two weeks."""

SERIAL_SHARE, SERIAL_COMPLAINANTS = 0.08, 200
TOPICS = ("价格", "质量", "售后", "广告", "食品安全", "预付卡")
TESTS_PER_PERIOD = 0.28
TEST_LOG_ODDS, TEST_LATENT, TEST_VIOLATING = -3.0, 0.8, 0.5
MENTIONS_PER_PERIOD, MENTIONS_LATENT = 0.05, 0.9
LISTED_PER_PERIOD, LISTED_LATENT = 0.010, 0.9
DISHONEST_PER_PERIOD, DISHONEST_LATENT = 0.0012, 0.8
DEFAULTERS, DEFAULTERS_LATENT = 0.012, 0.6
OWED_PER_PERIOD, OWED_LATENT = 0.005, 0.9
WITHDRAWN_PENALTIES, WITHDRAWN_INSPECTIONS = 0.03, 0.004


def inspections(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return inspections with their findings; the gravity of a failure rises with the latent risk."""
    visits = _joined(history.inspections)
    there = visits[1] < population.left_on[visits[0]]
    entity, day, failed, kind = (column[there] for column in visits)
    known = known_after(day, rng)
    row = arrived(known)
    entity, day, failed, kind = entity[row], day[row], failed[row], kind[row]
    grave = failed & (rng.random(len(row)) < 0.2 + 0.08 * np.clip(_risk_at(history, entity, day), -1, 2))
    minor = ~failed & (rng.random(len(row)) < 0.25)
    severity = np.where(grave, 3, np.where(failed, 2, np.where(minor, 1, 0)))
    found = np.where(failed, 1 + rng.poisson(1.4, len(row)), minor.astype(np.int64))
    return pa.table(
        {
            "number": identifiers("JC", row),
            "code": codes(population, entity),
            "kind": pick(TYPES, kind),
            "result": pick(("合格", "不合格"), failed.astype(np.int8)),
            "severity": pick(("none", "minor", "significant", "crucial"), severity),
            "found": pa.array(found),
            "event": dates(day),
            "known": dates(known[row]),
            "withdrawn": dates(withdrawn_after(known, WITHDRAWN_INSPECTIONS, rng)[row]),
        }
    )


def complaints(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return complaints and reports; some are filed twice, some by serial complainants."""
    entity, day = _joined(history.complaints)
    there = day < population.left_on[entity]
    entity, day = entity[there], day[there]
    who = np.where(
        rng.random(len(entity)) < SERIAL_SHARE,
        rng.integers(0, SERIAL_COMPLAINANTS, len(entity)),
        SERIAL_COMPLAINANTS + np.arange(len(entity)),
    )
    topic = rng.integers(0, len(TOPICS), len(entity))
    again = np.flatnonzero(rng.random(len(entity)) < REPEATED)
    entity, who, topic = (np.concatenate([column, column[again]]) for column in (entity, who, topic))
    day = np.concatenate([day, day[again] + rng.integers(1, 14, len(again), dtype=np.int32)])
    known = known_after(day, rng)
    row = arrived(known)
    return pa.table(
        {
            "number": identifiers("TS", row),
            "code": codes(population, entity[row]),
            "kind": pick(("投诉", "举报"), (rng.random(len(row)) < 0.25).astype(np.int8)),
            "who": identifiers("C", who[row]),
            "topic": pick(TOPICS, topic[row]),
            "event": date_texts(day[row]),
            "known": date_texts(known[row]),
        }
    )


def penalties(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return penalties that followed failed inspections."""
    entity, day = _joined(history.penalties)
    known = known_after(day, rng)
    row = arrived(known)
    kind = rng.choice(5, len(row), p=[0.22, 0.62, 0.09, 0.06, 0.01])
    amount = np.round(np.exp(8.3 + 1.1 * rng.standard_normal(len(row))) / 100) * 100
    return pa.table(
        {
            "number": identifiers("CF", row),
            "code": codes(population, entity[row]),
            "kind": pick(("warning", "fine", "confiscation", "suspension", "revocation"), kind),
            "amount": amount_texts(np.where((kind == 1) | (kind == 2), amount, np.nan)),
            "event": dates(day[row]),
            "known": dates(known[row]),
            "withdrawn": dates(withdrawn_after(known, WITHDRAWN_PENALTIES, rng)[row]),
        }
    )


def tests(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return sampling tests; they fail more where the latent risk is high and where the entity violates."""
    industry = values("tests")[population.industry]
    entity, day = _poisson(population, lambda period: TESTS_PER_PERIOD * industry, rng)
    known = known_after(day + 7, rng)
    row = arrived(known)
    entity, day = entity[row], day[row]
    log_odds = TEST_LOG_ODDS + TEST_LATENT * _risk_at(history, entity, day)
    log_odds = log_odds + TEST_VIOLATING * np.stack(history.outcome)[period_of(day), entity]
    failed = rng.random(len(row)) < 1 / (1 + np.exp(-log_odds))
    return pa.table(
        {
            "number": identifiers("CJ", row),
            "code": codes(population, entity),
            "category": pick(("食品", "饮料", "服装", "化工", "药品", "电器"), rng.integers(0, 6, len(row))),
            "result": pick(("合格", "不合格"), failed.astype(np.int8)),
            "event": dates(day),
            "known": dates(known[row]),
            "withdrawn": dates(withdrawn_after(known, 0.01, rng)[row]),
        }
    )


def listings(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return listings of entities (abnormal operation, serious dishonesty) and of persons (judgment defaulters)."""
    abnormal = _poisson(population, _rates(history, LISTED_PER_PERIOD, LISTED_LATENT), rng)
    dishonest = _poisson(population, _rates(history, DISHONEST_PER_PERIOD, DISHONEST_LATENT), rng)
    chance = DEFAULTERS * np.exp(DEFAULTERS_LATENT * population.risk)
    chosen = np.flatnonzero(rng.random(len(population)) < chance)
    subject = np.concatenate([abnormal[0], dishonest[0], chosen])
    person_days = rng.integers(FIRST_DAY - 500, LAST_DAY, len(chosen), dtype=np.int32)
    day = np.concatenate([abnormal[1], dishonest[1], person_days])
    kind = np.repeat(np.arange(3), [len(abnormal[0]), len(dishonest[0]), len(chosen)])
    known = known_after(day, rng)
    ended = np.where(kind == 0, ended_after(day, 0.6, 20, 900, rng), ended_after(day, 0.35, 300, 1100, rng))
    ended, learned = end_and_known(ended, known, rng)
    row = arrived(known)
    is_person = kind[row] == 2
    of_entity = codes(population, subject[row])
    persons = identifiers("P", np.where(is_person, population.person[subject[row]], -1))
    return pa.table(
        {
            "number": identifiers("ML", row),
            "code": pa.compute.if_else(pa.array(is_person), pa.scalar(None, pa.string()), of_entity),
            "person": persons,
            "kind": pick(("abnormal_operation", "serious_dishonesty", "judgment_defaulter"), kind[row]),
            "event": dates(day[row]),
            "known": dates(known[row]),
            "ended": dates(ended[row]),
            "ended_known": dates(learned[row]),
            "withdrawn": dates(withdrawn_after(known, 0.02, rng)[row]),
        }
    )


def obligations(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return arrears of tax and penalties not paid, with their settlement."""
    entity, day = _poisson(population, _rates(history, OWED_PER_PERIOD, OWED_LATENT), rng)
    known = known_after(day, rng)
    settled, learned = end_and_known(ended_after(day, 0.65, 30, 700, rng), known, rng)
    row = arrived(known)
    amount = np.round(np.exp(10.0 + 1.4 * rng.standard_normal(len(row))), 2)
    return pa.table(
        {
            "number": identifiers("QS", row),
            "code": codes(population, entity[row]),
            "kind": pick(("tax", "penalty", "judgment"), rng.choice(3, len(row), p=[0.6, 0.3, 0.1])),
            "amount": pa.array(amount),
            "event": dates(day[row]),
            "known": dates(known[row]),
            "settled": dates(settled[row]),
            "settled_known": dates(learned[row]),
        }
    )


def mentions(population: Population, history: History, rng: np.random.Generator) -> pa.Table:
    """Return media mentions, matched to entities with more or less certainty."""
    entity, day = _poisson(population, _rates(history, MENTIONS_PER_PERIOD, MENTIONS_LATENT), rng)
    known = known_after(day, rng)
    row = arrived(known)
    return pa.table(
        {
            "number": identifiers("YQ", row),
            "code": codes(population, entity[row]),
            "tone": pick(("negative", "neutral", "positive"), rng.choice(3, len(row), p=[0.6, 0.3, 0.1])),
            "outlet": pick(("日报", "晚报", "网站", "短视频"), rng.integers(0, 4, len(row))),
            "score": pa.array(np.round(1 - 0.4 * rng.random(len(row)) ** 2, 3)),
            "event": dates(day[row]),
            "known": dates(known[row]),
        }
    )


def _joined(parts: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _risk_at(history: History, entity: Array, day: Array) -> Array:
    return np.stack(history.risk)[period_of(day), entity]


def _rates(history: History, rate: float, latent: float):  # type: ignore[no-untyped-def]
    """Return the rate of each entity in a period, following its latent risk."""
    return lambda period: rate * np.exp(latent * history.risk[period])


def _poisson(population: Population, rate, rng: np.random.Generator) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
    """Return (entity, day) of events of the entities that are registered, period by period."""
    parts = []
    for period in range(N_PERIODS):
        alive = population.alive(period_start(period))
        counts = rng.poisson(rate(period) * alive)
        entity = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        day = period_start(period) + rng.integers(0, PERIOD_DAYS, len(entity), dtype=np.int32)
        parts.append((entity, day))
    entity, day = _joined(parts)
    there = day < population.left_on[entity]
    return entity[there], day[there]
