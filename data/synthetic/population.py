"""Who is registered: kind, industry, district, age, people, address, and the latent risk each starts with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.synthetic.grid import FIRST_DAY, LAST_DAY, NEVER, Array
from data.synthetic.identifiers import unified_codes
from data.synthetic.industries import DISTRICTS, draw, values

TYPES = ("self_employed", "enterprise", "branch", "cooperative")
TYPE_SHARES = (0.667, 0.30, 0.022, 0.011)
"""About two thirds are self-employed (State Administration for Market Regulation, end of 2021)."""

MEAN_AGE_YEARS = 7.0
OLDEST_YEARS = 21.0
EXIT_PER_YEAR = 0.022
SHELL_EXIT_FACTOR = 3.0
SHARE_WITH_OTHERS = 0.20
"""Share of entities whose main person runs two to five entities."""

SHARE_OF_SHELLS = 0.05
"""Share of entities that serial founders run, 6 to 60 each."""

SHARE_IN_BUILDINGS = 0.25
SHARE_IN_INCUBATORS = 0.12
SHELLS_IN_INCUBATORS = 0.60
SHARE_BAD_CODES = 0.002
LEAST_CAPITAL = 100.0
FAMILY_LIKENESS = 0.55
"""Share of the latent variance that entities of one person have in common."""

SHELL_RISK = 0.6
"""Added to the latent risk of a serial founder's entities."""


@dataclass(frozen=True)
class Population:
    """Entities as arrays of one length; `code` has shape (n, 18).

    `risk` is the latent risk on the first day, mean about 0 and standard deviation about 1; `publicity` makes people
    complain and has nothing to do with risk; `left_on` is NEVER for those still there.
    """

    code: Array
    type: Array
    industry: Array
    region: Array
    size: Array
    capital: Array
    employees: Array
    established: Array
    left_on: Array
    person: Array
    n_persons: int
    shell: Array
    address: Array
    address_kind: Array
    n_at_address: Array
    bad_code: Array
    risk: Array
    publicity: Array

    def __len__(self) -> int:
        return len(self.type)

    def alive(self, day: int) -> Array:
        """Say who is registered and active on a day."""
        return (self.established < day) & (self.left_on > day)


def draw_population(n: int, seed: int, rng: np.random.Generator) -> Population:
    """Draw n entities."""
    type_ = draw(np.array(TYPE_SHARES), n, rng)
    industry = _industries(type_, rng)
    person, n_persons, shell = _persons(n, rng)
    address, kind, n_at_address, region = _addresses(shell, rng)
    established = _established(n, rng)
    size = _sizes(type_, rng)
    codes, bad = _codes(type_, region, seed, rng)
    return Population(
        code=codes,
        type=type_,
        industry=industry,
        region=region,
        size=size,
        capital=_capital(type_, size, rng),
        employees=_employees(size, rng),
        established=established,
        left_on=_left_on(established, shell, rng),
        person=person,
        n_persons=n_persons,
        shell=shell,
        address=address,
        address_kind=kind,
        n_at_address=n_at_address,
        bad_code=bad,
        risk=_risk(person, n_persons, shell, rng),
        publicity=rng.standard_normal(n, np.float32),
    )


def _industries(type_: Array, rng: np.random.Generator) -> Array:
    n = len(type_)
    return np.where(type_ == 0, draw(values("self_employed"), n, rng), draw(values("enterprises"), n, rng))


def _codes(type_: Array, region: Array, seed: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the codes; a few have a wrong check character, as some in force have."""
    codes = unified_codes(type_ != 0, np.array(list(DISTRICTS))[region], seed)
    bad = rng.random(len(type_), np.float32) < SHARE_BAD_CODES
    last = codes[bad, 17]
    codes[bad, 17] = np.where(last == ord("1"), ord("2"), ord("1"))
    return codes, bad


def _established(n: int, rng: np.random.Generator) -> Array:
    """Return days of establishment: the city grows, so on every date a quarter is younger than two years."""
    most = 1 - np.exp(-OLDEST_YEARS / MEAN_AGE_YEARS)
    age = -MEAN_AGE_YEARS * np.log(1 - rng.random(n) * most)
    return np.asarray((LAST_DAY - 2 - age * 365.25).astype(np.int32))


def _left_on(established: Array, shell: Array, rng: np.random.Generator) -> Array:
    """Return the day of deregistration or revocation within the history; NEVER for most."""
    rate = np.where(shell, EXIT_PER_YEAR * SHELL_EXIT_FACTOR, EXIT_PER_YEAR)
    wait = 180 + rng.exponential(1.0, len(shell)) / rate * 365
    day = np.maximum(established, FIRST_DAY) + wait
    return np.where(day < LAST_DAY, day, NEVER).astype(np.int32)


def _sizes(type_: Array, rng: np.random.Generator) -> Array:
    own = draw(np.array([0.70, 0.23, 0.06, 0.01]), len(type_), rng)
    return np.where(type_ == 0, (rng.random(len(type_)) < 0.03).astype(np.int16), own)


def _employees(size: Array, rng: np.random.Generator) -> Array:
    median = np.array([2.7, 18.0, 110.0, 700.0])[size]
    return np.asarray(np.maximum(1, median * np.exp(0.6 * rng.standard_normal(len(size)))).astype(np.int32))


def _capital(type_: Array, size: Array, rng: np.random.Generator) -> Array:
    """Return lognormal capital in yuan, rounded as people do; the self-employed mostly state none."""
    capital = np.exp(13.1 + 1.0 * size + 1.3 * rng.standard_normal(len(size)))
    capital = np.where(type_ == 0, capital / 25, capital)
    stated = rng.random(len(size)) < np.where(type_ == 0, 0.15, 0.99)
    rounding = 10.0 ** np.maximum(np.floor(np.log10(capital)) - 1, 2)
    rounded = np.maximum(np.round(capital / rounding) * rounding, LEAST_CAPITAL)
    return np.where(stated, rounded, np.nan)


def _persons(n: int, rng: np.random.Generator) -> tuple[Array, int, Array]:
    """Return each entity's main person, how many persons there are, and whether a serial founder runs it."""
    kind = draw(np.array([1 - SHARE_WITH_OTHERS - SHARE_OF_SHELLS, SHARE_WITH_OTHERS, SHARE_OF_SHELLS]), n, rng)
    n_small = max(1, int(n * SHARE_WITH_OTHERS / 3.2))
    n_serial = max(1, int(n * SHARE_OF_SHELLS / 15))
    person = np.arange(n, dtype=np.int32) + n_small + n_serial
    small, shell = kind == 1, kind == 2
    person[small] = n_serial + rng.integers(0, n_small, int(small.sum()))
    reach = np.cumsum(np.minimum(rng.pareto(1.5, n_serial) + 1, 6))
    person[shell] = np.searchsorted(reach[:-1] / reach[-1], rng.random(int(shell.sum())), side="right")
    return person, n + n_small + n_serial, shell


def _addresses(shell: Array, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Return address number, its kind (own, building, incubator), how many share it, and its district."""
    n = len(shell)
    in_incubator = np.where(shell, SHELLS_IN_INCUBATORS, SHARE_IN_INCUBATORS - 0.03)
    chance = rng.random(n)
    kind = np.where(chance < in_incubator, 2, np.where(chance < in_incubator + SHARE_IN_BUILDINGS, 1, 0)).astype(
        np.int8
    )
    n_incubators, n_buildings = max(4, n // 500), max(8, n // 10)
    weights = 1.0 / np.arange(1, n_incubators + 1) ** 0.8
    address = np.arange(n, dtype=np.int32) + n_incubators + n_buildings
    bounds = np.cumsum(weights / weights.sum())[:-1]
    crowd = kind == 2
    address[crowd] = np.searchsorted(bounds, rng.random(int(crowd.sum())), side="right")
    shared = kind == 1
    address[shared] = n_incubators + rng.integers(0, n_buildings, int(shared.sum()))
    n_at_address = np.bincount(address)[address].astype(np.int32)
    shares = np.array([share for _, share in DISTRICTS.values()])
    region = draw(shares, n + n_incubators + n_buildings, rng)[address]
    return address, kind, n_at_address, region


def _risk(person: Array, n_persons: int, shell: Array, rng: np.random.Generator) -> Array:
    """Return latent risk: partly the person's, partly the entity's own; serial founders are worse."""
    of_person = rng.standard_normal(n_persons, np.float32)[person]
    own = rng.standard_normal(len(person), np.float32)
    mixed = np.sqrt(FAMILY_LIKENESS) * of_person + np.sqrt(1 - FAMILY_LIKENESS) * own
    return np.asarray((mixed + SHELL_RISK * shell).astype(np.float32))
