"""The rules of a canonical table, as DuckDB expressions that name what is wrong with a row.

Each rule is an expression that is null where the row keeps it and a sentence where it does not:
``"amount must be at least 0, was -5"``. They are derived from the declarations in data.schemas; none is written by hand
for one table.
"""

from __future__ import annotations

from collections.abc import Iterator

from data.schemas import Column, Table, Type

_KINDS: dict[Type, str] = {
    "VARCHAR": "text",
    "DATE": "a date",
    "DOUBLE": "a number",
    "BIGINT": "a whole number",
    "BOOLEAN": "true or false",
}
EARLIEST, LATEST = "1900-01-01", "2199-12-31"


def quote(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def cast(column: Column, raw_type: str) -> str:
    """Expression that turns a mapped column into the declared type, null where it can not."""
    raw = _raw(column, raw_type)
    if column.type == "VARCHAR":
        return f"CAST({raw} AS VARCHAR)"
    typed = f"TRY_CAST({raw} AS {column.type})"
    return f"CASE WHEN isfinite({typed}) THEN {typed} END" if column.type in ("DOUBLE", "DATE") else typed


def type_rule(column: Column, raw_type: str) -> str:
    """Rule on the raw value: it must be of the declared type."""
    raw = _raw(column, raw_type)
    return _rule(
        f"{raw} IS NOT NULL AND ({cast(column, raw_type)}) IS NULL",
        f"{column.name} must be {_KINDS[column.type]}, was ''' || CAST({raw} AS VARCHAR) || '''",
    )


def row_rules(table: Table) -> Iterator[str]:
    """Rules on the typed values of one row."""
    for column in table.columns:
        if column.name == "entity_id" and "entity_name" in table.column_names:
            yield _subject_rule(column)
        else:
            yield from _column_rules(column)
    yield _not_before("known_at", "event_date")
    yield _not_before("withdrawn_at", "known_at")


def _subject_rule(entity_id: Column) -> str:
    """Say whom a record is about: an entity by code or by name, or in `listings` a person in its stead."""
    unknown = "entity_id IS NULL AND entity_name IS NULL"
    if entity_id.required:
        return _rule(unknown, "entity_id or entity_name must be given")
    return _rule(f"({unknown}) = (person_id IS NULL)", "either entity_id (or entity_name) or person_id must be given")


def _column_rules(column: Column) -> Iterator[str]:
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


def _not_before(later: str, earlier: str) -> str:
    said = f"{later} must not lie before {earlier}, was ' || {quote(later)} || ' before ' || {quote(earlier)} || '"
    return _rule(f"{quote(later)} < {quote(earlier)}", said)


def _bound(name: str, broken: str, must: str) -> str:
    return _rule(broken, f"{name} must be {must}, was ' || {quote(name)} || '")


def _rule(broken: str, said: str) -> str:
    """Make the expression; `said` may splice values in with `' || value || '`."""
    return f"CASE WHEN {broken} THEN '{said}' END"


def _raw(column: Column, raw_type: str) -> str:
    value = f"raw.{quote(column.name)}"
    if raw_type != "VARCHAR":
        return value
    # Few texts have blanks at an end, and of ASCII that is seen cheaply; other scripts have blanks of their own.
    may_change = f"{value} < '!' OR suffix({value}, ' ') OR strlen({value}) <> len({value})"
    return f"CASE WHEN {may_change} THEN nullif(trim({value}), '') ELSE {value} END"
