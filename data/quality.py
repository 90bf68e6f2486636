"""The rules of a canonical table, as DuckDB expressions that name what is wrong with a row.

Each rule has a condition that is true where a row breaks it, and a sentence that says so:
``"amount must be at least 0, was -5"``. They are derived from the declarations in data.schemas; none is written by hand
for one table.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from data.schemas import Column, Table, Type

_KINDS: dict[Type, str] = {
    "VARCHAR": "text",
    "DATE": "a date",
    "DOUBLE": "a number",
    "BIGINT": "a whole number",
    "BOOLEAN": "true or false",
}
EARLIEST, LATEST = "1900-01-01", "2199-12-31"


@dataclass(frozen=True)
class Rule:
    """One rule, in SQL.

    Attributes
    ----------
    broken : str
        Condition: true where a row breaks the rule, false or null where it keeps it.
    sentence : str
        Expression of what is wrong with a row that breaks it.
    """

    broken: str
    sentence: str


def any_broken(rules: Sequence[Rule]) -> str:
    """Return the condition that a row breaks one of the rules or several."""
    return " OR ".join(f"({rule.broken})" for rule in rules) or "false"


def sentences(rules: Sequence[Rule]) -> str:
    """Return the expression of all that is wrong with a row, a list of sentences."""
    said = ", ".join(f"CASE WHEN {rule.broken} THEN {rule.sentence} END" for rule in rules)
    return f"list_filter(CAST([{said}] AS VARCHAR[]), lambda reason: reason IS NOT NULL)"


def quote(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def shown(name: str, raw_type: str) -> str:
    """Expression of a mapped column as it is judged: a text without blanks at its ends, null where nothing is left."""
    value = f"raw.{quote(name)}"
    if raw_type != "VARCHAR":
        return value
    # Few texts have blanks at an end, and of ASCII that is seen cheaply; other scripts have blanks of their own.
    may_change = f"{value} < '!' OR suffix({value}, ' ') OR strlen({value}) <> len({value})"
    return f"CASE WHEN {may_change} THEN nullif(trim({value}), '') ELSE {value} END"


def cast(column: Column, raw_type: str) -> str:
    """Expression that turns a column as it is shown into the declared type, null where it can not."""
    name = quote(column.name)
    typed = name if raw_type == column.type else f"TRY_CAST({name} AS {column.type})"
    return f"CASE WHEN isfinite({typed}) THEN {typed} END" if column.type in ("DOUBLE", "DATE") else typed


def type_rule(column: Column, given: str) -> Rule:
    """Rule on a value as it is shown, which stands in the column `given`: it must be of the declared type."""
    return _rule(
        f"{given} IS NOT NULL AND {quote(column.name)} IS NULL",
        f"{column.name} must be {_KINDS[column.type]}, was ''' || CAST({given} AS VARCHAR) || '''",
    )


def row_rules(table: Table, given: Container[str] | None = None) -> Iterator[Rule]:
    """Rules on the typed values of one row; of columns that are not `given`, by default all, only who is concerned."""
    for column in table.columns:
        if column.name == "entity_id" and "entity_name" in table.column_names:
            yield _subject_rule(column)
        elif given is None or column.name in given:
            yield from _column_rules(column)
    yield _not_before("known_at", "event_date")
    if given is None or "withdrawn_at" in given:
        yield _not_before("withdrawn_at", "known_at")


def _subject_rule(entity_id: Column) -> Rule:
    """Say whom a record is about: an entity by code or by name, or in `listings` a person in its stead."""
    unknown = "entity_id IS NULL AND entity_name IS NULL"
    if entity_id.required:
        return _rule(unknown, "entity_id or entity_name must be given")
    return _rule(f"({unknown}) = (person_id IS NULL)", "either entity_id (or entity_name) or person_id must be given")


def _column_rules(column: Column) -> Iterator[Rule]:
    value, name = quote(column.name), column.name
    if column.required:
        yield _rule(f"{value} IS NULL", f"{name} must be given")
    if column.allowed:
        allowed = ", ".join(literal(v) for v in column.allowed)
        said = f"{name} must be one of {', '.join(column.allowed)}, was ''' || {value} || '''"
        yield _rule(f"{value} NOT IN ({allowed})", said)
    if column.minimum is not None:
        yield _bound(name, f"{value} < {column.minimum}", f"at least {column.minimum:g}")
    if column.maximum is not None:
        yield _bound(name, f"{value} > {column.maximum}", f"at most {column.maximum:g}")
    if column.type == "DATE":
        outside = f"{value} NOT BETWEEN DATE '{EARLIEST}' AND DATE '{LATEST}'"
        yield _bound(name, outside, f"between {EARLIEST} and {LATEST}")
    if column.known_by:
        known = quote(column.known_by)
        yield _rule(f"{value} IS NOT NULL AND {known} IS NULL", f"{column.known_by} must be given where {name} is")


def _not_before(later: str, earlier: str) -> Rule:
    said = f"{later} must not lie before {earlier}, was ' || {quote(later)} || ' before ' || {quote(earlier)} || '"
    return _rule(f"{quote(later)} < {quote(earlier)}", said)


def _bound(name: str, broken: str, must: str) -> Rule:
    return _rule(broken, f"{name} must be {must}, was ' || {quote(name)} || '")


def _rule(broken: str, said: str) -> Rule:
    """Make the rule; `said` may splice values in with `' || value || '`."""
    return Rule(broken, f"'{said}'")
