"""What registers hold: entities and their states, licences, annual reports, changes, people, products."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.synthetic.columns import date_texts, dates, identifiers, pick, text_of
from data.synthetic.grid import FIRST_DAY, LAST_DAY, NEVER, Array, day_number
from data.synthetic.industries import DISTRICTS, DIVISIONS, values
from data.synthetic.licensing import Terms
from data.synthetic.population import TYPES, Population
from data.synthetic.reporting import arrived, known_after, withdrawn_after

FIRST_REPORT_YEAR, LAST_REPORT_YEAR = 2018, 2024
MISSED_LOG_ODDS, MISSED_LATENT = -2.9, 0.9
"""Log-odds of not filing an annual report in time, and what latent risk adds to it."""

FILES_LATER = 0.45
CHANGES_PER_YEAR, CHANGES_LATENT = 0.45, 0.25
CHANGED = ("address", "representative", "scope", "name", "capital", "shareholders", "other")
CHANGED_SHARES = (0.22, 0.16, 0.20, 0.08, 0.14, 0.12, 0.08)
SHARE_WITH_SPACES = 0.01
"""Names with a full-width space or brackets: to be normalised, not refused."""

_TRADE = "华兴盛达荣昌瑞祥嘉禾鑫源博雅宏远金鼎恒泰安康顺诚信美佳乐福星辰云海东方新世纪天地人和"
_STREETS = ("建设路", "人民路", "和平街", "光明路", "文化街", "学府路", "迎宾路", "工业大街", "新华街", "友谊路")
_FORMS = ("店", "有限责任公司", "有限公司分公司", "专业合作社")


def entities(population: Population, rng: np.random.Generator) -> pa.Table:
    """Return the states of the register entries: one for each entity, another where it left."""
    n = len(population)
    left = np.flatnonzero(population.left_on < NEVER)
    row = np.concatenate([np.arange(n), left])
    event = np.concatenate([population.established, population.left_on[left]])
    known = np.concatenate([population.established + 1, known_after(population.left_on[left], rng)])
    gone = np.where(rng.random(len(left)) < 0.85, 2, 1)
    state = np.concatenate([np.zeros(n, np.int8), gone])
    columns = {
        "code": codes(population, row),
        "name": _names(population, rng).take(pa.array(row)),
        "kind": pick(("self_employed", "enterprise", "branch", "cooperative"), population.type[row]),
        "state": pick(("active", "revoked", "deregistered"), state),
        "established": date_texts(population.established[row]),
        "capital": pa.array(population.capital[row], from_pandas=True),
        "staff": pa.array(population.employees[row]),
        "size": pick(("micro", "small", "medium", "large"), population.size[row]),
        "industry": pick([d.code for d in DIVISIONS], population.industry[row]),
        "district": pick([str(code) for code in DISTRICTS], population.region[row]),
        "address": _addresses(population).take(pa.array(row)),
        "event": dates(event),
        "known": dates(known),
    }
    assert len(TYPES) == 4, "the kinds above are TYPES, in order"
    return pa.table(columns).take(pa.array(arrived(known)))


def licences(population: Population, terms: Terms, rng: np.random.Generator) -> pa.Table:
    """Return one row for each term of a required licence."""
    known = known_after(np.maximum(terms.valid_from, population.established[terms.entity]), rng)
    row = arrived(known)
    entity = terms.entity[row]
    return pa.table(
        {
            "number": identifiers("XK", row),
            "code": codes(population, entity),
            "kind": pick([d.licence for d in DIVISIONS], population.industry[entity]),
            "from": dates(terms.valid_from[row]),
            "until": dates(terms.valid_until[row]),
            "known": dates(known[row]),
        }
    )


def annual_reports(population: Population, rng: np.random.Generator) -> pa.Table:
    """Return what was learned of annual reports, due on 30 June: filed, missed, and filed later."""
    parts = [_reports_of(year, population, rng) for year in range(FIRST_REPORT_YEAR, LAST_REPORT_YEAR + 1)]
    entity, year, status, event, known = (np.concatenate(column) for column in zip(*parts, strict=True))
    row = arrived(known)
    return pa.table(
        {
            "number": identifiers("NB", row),
            "code": codes(population, entity[row]),
            "year": pa.array(year[row]),
            "status": pick(("filed", "missed", "late"), status[row]),
            "event": date_texts(event[row], "%Y/%m/%d"),
            "known": date_texts(known[row], "%Y/%m/%d"),
        }
    )


def changes(population: Population, rng: np.random.Generator) -> pa.Table:
    """Return changes of register entries during the history."""
    begin = np.maximum(population.established, FIRST_DAY)
    end = np.minimum(population.left_on, LAST_DAY)
    years = np.maximum(end - begin, 0) / 365.25
    rate = CHANGES_PER_YEAR * np.exp(CHANGES_LATENT * population.risk)
    entity = np.repeat(np.arange(len(population)), rng.poisson(rate * years))
    day = begin[entity] + (rng.random(len(entity)) * (end - begin)[entity]).astype(np.int32)
    known = known_after(day, rng)
    row = arrived(known)
    what = rng.choice(len(CHANGED), len(entity), p=CHANGED_SHARES)
    return pa.table(
        {
            "number": identifiers("BG", row),
            "code": codes(population, entity[row]),
            "field": pick(CHANGED, what[row]),
            "event": dates(day[row]),
            "known": dates(known[row]),
        }
    )


def people(population: Population, rng: np.random.Generator) -> pa.Table:
    """Return who holds office: each entity's main person, and in enterprises one or two others of their own."""
    n = len(population)
    others = np.repeat(np.arange(n), np.where(population.type == 1, rng.integers(0, 3, n), 0))
    entity = np.concatenate([np.arange(n), others])
    person = np.concatenate([population.person, population.n_persons + np.arange(len(others))])
    role = np.concatenate([np.zeros(n, np.int8), rng.integers(1, 3, len(others), dtype=np.int8)])
    event = population.established[entity]
    known = event + 1
    row = arrived(known)
    return pa.table(
        {
            "number": identifiers("RY", row),
            "code": codes(population, entity[row]),
            "person": identifiers("P", person[row]),
            "role": pick(("legal_representative", "director", "supervisor"), role[row]),
            "event": dates(event[row]),
            "known": dates(known[row]),
        }
    )


def products(population: Population, rng: np.random.Generator) -> pa.Table:
    """Return the products of those who make or sell any."""
    rate = values("products")[population.industry] * 1.2
    entity = np.repeat(np.arange(len(population)), rng.poisson(rate))
    event = np.maximum(population.established[entity] + rng.integers(10, 700, len(entity)), FIRST_DAY - 900)
    known = known_after(event, rng)
    row = arrived(known)
    kinds = ("食品", "饮料", "服装", "化工", "药品", "电器", "日用品", "五金")
    kind = (population.industry[entity] + rng.integers(0, 2, len(entity))) % len(kinds)
    return pa.table(
        {
            "number": identifiers("CP", row),
            "code": codes(population, entity[row]),
            "name": pc.binary_join_element_wise(pick(kinds, kind[row]), identifiers("", row, 7), "-"),
            "category": pick(kinds, kind[row]),
            "event": dates(event[row]),
            "known": dates(known[row]),
            "withdrawn": dates(withdrawn_after(known, 0.01, rng)[row]),
        }
    )


def codes(population: Population, rows: Array) -> pa.Array:
    """Return the codes of entities by number."""
    return text_of(population.code[rows])


def _reports_of(year: int, population: Population, rng: np.random.Generator) -> tuple[Array, ...]:
    """Return (entity, year, status, event, known) of the reports on one year."""
    due = due_day(year)
    must = (population.established < due - 200) & (population.left_on > due)
    entity = np.flatnonzero(must)
    chance = 1 / (1 + np.exp(-(MISSED_LOG_ODDS + MISSED_LATENT * population.risk[entity])))
    missed = rng.random(len(entity)) < chance
    later = entity[missed & (rng.random(len(entity)) < FILES_LATER)]
    filed_on = due - rng.integers(0, 170, len(entity))
    late_on = due + rng.integers(10, 500, len(later))
    event = np.concatenate([np.where(missed, due, filed_on), late_on])
    known = np.concatenate([np.where(missed, due + 1, known_after(filed_on, rng)), known_after(late_on, rng)])
    status = np.concatenate([missed.astype(np.int8), np.full(len(later), 2, np.int8)])
    return np.concatenate([entity, later]), np.full(len(event), year), status, event, known


def due_day(year: int) -> int:
    """Return the day on which the report on a year is due: 30 June of the next."""
    return day_number(date(year + 1, 6, 30))


def _names(population: Population, rng: np.random.Generator) -> pa.Array:
    n = len(population)
    letters = [_TRADE[i : i + 1] for i in range(len(_TRADE))]
    trade = [pick(letters, rng.integers(0, len(letters), n)) for _ in range(3)]
    brackets = np.where(rng.random(n) < SHARE_WITH_SPACES, 1, 0)
    return pc.binary_join_element_wise(
        pick(("北京", "北京（　"), brackets),
        *trade,
        pick(("", "）"), brackets),
        pick([d.word for d in DIVISIONS], population.industry),
        pick(_FORMS, population.type),
        "",
    )


def _addresses(population: Population) -> pa.Array:
    street = population.address % len(_STREETS)
    return pc.binary_join_element_wise(
        pick([f"北京市{name}" for name, _ in DISTRICTS.values()], population.region),
        pick(_STREETS, street),
        pc.cast(pa.array(population.address // len(_STREETS) + 1), pa.string()),
        "号",
        "",
    )
