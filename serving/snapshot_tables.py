"""Snapshots in words: what the commands of the feature store print."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from features.catalogue import Catalogue
from features.causes import Cause
from features.differences import Difference, Moved
from features.pruning import Pruning
from features.snapshots import Snapshot
from features.store import Claim, claims_on, ranges_of
from features.verification import Verified

MOST_RECORDS = 20


def list_lines(snapshots: Sequence[Snapshot], claims: Sequence[Claim]) -> Iterator[str]:
    """Yield a table of snapshots, and what stands on each."""
    yield f"{'as of':<24}{'snapshot':<18}{'entities':>10}{'rows':>11}{'size':>11}  {'built':<18}what stands on it"
    for snapshot in snapshots:
        manifest, standing = snapshot.manifest, claims_on(snapshot, claims)
        built = str(manifest["created_at"])[:16].replace("T", " ")
        first, *more = standing or ["nothing"]
        yield (
            f"{_label(snapshot):<24}{snapshot.snapshot_id:<18}{manifest['n_entities']:>10,}{manifest['n_rows']:>11,}"
            f"{size_text(snapshot.path.stat().st_size):>11}  {built:<18}{first}"
        )
        yield from (f"{'':<94}{claim}" for claim in more)


def show_lines(snapshot: Snapshot, claims: Sequence[Claim], catalogue: Catalogue) -> Iterator[str]:
    """Yield what a snapshot was made from, what stands on it, and its indicators with their bounds in a catalogue."""
    m = snapshot.manifest
    of = "as of" if snapshot.as_of_date else "of"
    yield f"Snapshot {snapshot.snapshot_id} of {m['city']} {of} {_label(snapshot)}"
    yield f"  folder       {snapshot.folder}"
    yield f"  rows         {m['n_rows']:,} of {m['n_entities']:,} entities"
    yield f"  built        {m['created_at']}"
    yield f"  engine       {m['engine']}"
    yield f"  records      {m['records_id']} ({', '.join(m['records'])})"
    here = "" if m["catalogue_hash"] == catalogue.hash else "; other formulas than those that are here"
    yield f"  catalogue    {m['catalogue_hash']}{here}"
    yield f"  SHA-256      {m['sha256']}"
    yield f"  stands on it {'; '.join(claims_on(snapshot, claims)) or 'nothing'}"
    yield ""
    yield f"  {'indicator':<26}{'missing':>9}{'smallest':>16}{'largest':>16}  bounds"
    ranges = ranges_of(snapshot)
    for name in snapshot.indicators:
        low, high = ranges[name] or (math.nan, math.nan)
        span = f"{_number(low):>16}{_number(high):>16}  {_bounds(name, catalogue)}"
        yield f"  {name:<26}{m['share_missing'][name]:>9.1%}{span}"


def difference_lines(d: Difference) -> Iterator[str]:
    """Yield what differs between two snapshots."""
    yield f"{_label(d.before)} ({d.before.snapshot_id}) -> {_label(d.after)} ({d.after.snapshot_id})"
    made = "the same records" if d.same_records else "other records: " + " -> ".join(
        str(s.manifest["records_id"]) for s in (d.before, d.after)
    )  # fmt: skip
    yield f"  made from    {made}"
    formulas = "; ".join(f"{kind} {', '.join(names)}" for kind, names in d.formulas.items())
    yield f"  formulas     {formulas or 'the same'}"
    yield f"  in both      {d.n_both:,} rows"
    yield f"  entered      {d.n_entered:,}{_few(d.entered, d.n_entered)}"
    yield f"  left         {d.n_left:,}{_few(d.left, d.n_left)}"
    yield ""
    yield f"  {'indicator':<26}{'changed':>10}{'came':>9}{'went':>9}{'median change':>16}{'largest':>16}  largest of"
    yield from (_moved_line(moved) for moved in d.moved)


def cause_lines(entity_id: str, d: tuple[Snapshot, Snapshot], causes: Sequence[Cause]) -> Iterator[str]:
    """Yield why an entity's values differ, an indicator at a time."""
    yield f"{entity_id}: {_label(d[0])} ({d[0].snapshot_id}) -> {_label(d[1])} ({d[1].snapshot_id})"
    if not causes:
        yield "  None of its values differs."
    for cause in causes:
        yield ""
        yield f"  {cause.indicator}: {_number(cause.before)} -> {_number(cause.after)}"
        if cause.differs:
            yield from (f"    {line}" for line in _split_lines(cause, d))
        else:
            yield "    The value is the same."
        yield from (f"    {line}" for line in _record_lines(cause))


def _split_lines(cause: Cause, d: tuple[Snapshot, Snapshot]) -> Iterator[str]:
    if d[0].as_of_date != d[1].as_of_date:
        yield _time_line(cause)
    if cause.rate:
        name, old, new = cause.rate
        yield f"in it, and made of the records of others too: {name}, {_number(old)} -> {_number(new)}"
    elif cause.of_others:
        yield "records of others bear on it too; those that do are among the candidates"


def _time_line(cause: Cause) -> str:
    """Say what the records of the first snapshot alone would give as of the date of the second."""
    if _same(cause.aged, cause.after):
        return "time alone gives this: all that counted before, only older"
    if _same(cause.aged, cause.before):
        return "time alone would not have changed it"
    return f"time alone would have made it {_number(cause.aged)}; the rest is records"


def _record_lines(cause: Cause) -> Iterator[str]:
    if cause.changes:
        yield f"candidates: {_records(len(cause.changes))}; how much each weighs is not told"
    for change in cause.changes[:MOST_RECORDS]:
        whose = f" of {change.entity_id}" if change.table != "entities" else ""
        happened = f", {change.event_date}" if change.event_date else ""
        yield f"  {change.table} {change.key}{whose}{happened}: {change.what}"
    if len(cause.changes) > MOST_RECORDS:
        yield f"  and {len(cause.changes) - MOST_RECORDS} more"
    if not cause.changes:
        own = "no record of the entity differs" if cause.rate else "no record within reach differs"
        yield own
    if cause.n_older:
        counts = ", ".join(f"{n} {table}" for table, n in cause.n_older.items())
        yield f"only older, and candidates where age counts: {counts}"


def damage_lines(verified: Verified) -> Iterator[str]:
    """Yield every damage with its remedy, then what was looked at."""
    for damage in verified.damages:
        yield f"{damage.path} {damage.what}. {damage.remedy}"
    counts = ", ".join(f"{kind} {n:,}" for kind, n in verified.counts.items())
    n = len(verified.damages)
    yield f"Verified: {counts}. {'No damage' if not n else '1 damage' if n == 1 else f'{n} damages'}."


def pruning_lines(pruning: Pruning, snapshots: Mapping[str, Snapshot]) -> Iterator[str]:
    """Yield what stays and why, and what goes."""
    for snapshot_id, why in pruning.kept.items():
        yield f"keeps    {_label(snapshots[snapshot_id])} {snapshot_id}: {why}"
    for line in pruning.untouched:
        yield f"leaves   {line}"
    for removal in pruning.removals:
        yield f"removes  {removal.path.parent.name}/{removal.path.name}: {removal.why}"
    if pruning.removals:
        yield f"{len(pruning.removals)} to remove, {size_text(pruning.freed_bytes)} become free."
    else:
        yield "Nothing to remove."


def size_text(n_bytes: int) -> str:
    """Return a number of bytes as a person reads it."""
    size, unit = float(n_bytes), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _records(n: int) -> str:
    return "1 record that differs" if n == 1 else f"{n:,} records that differ"


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _label(snapshot: Snapshot) -> str:
    """Return the as-of date, or what a snapshot of pairs was called."""
    return str(snapshot.as_of_date or snapshot.folder.name.removesuffix(f"-{snapshot.snapshot_id}"))


def _moved_line(moved: Moved) -> str:
    return (
        f"  {moved.name:<26}{moved.n_changed:>10,}{moved.n_came:>9,}{moved.n_went:>9,}"
        f"{_number(moved.median_change):>16}{_number(moved.largest_change):>16}  {moved.largest_of or ''}"
    ).rstrip()


def _bounds(name: str, catalogue: Catalogue) -> str:
    if name not in catalogue.names:
        return "no longer in the catalogue"
    low, high = catalogue[name].minimum, catalogue[name].maximum
    return f"{'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}"


def _few(entities: Sequence[str], n: int) -> str:
    return f": {', '.join(entities)}{' ...' if n > len(entities) else ''}" if entities else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    # Parquet writes the least of zeros as minus zero.
    return "missing" if math.isnan(value) else f"{value + 0.0:,.6g}"
