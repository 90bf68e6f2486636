"""`python -m experiments.leak_hunt CITY`: hunt for leaks in a training, and write the table of docs/leak-hunt.md."""

from __future__ import annotations

import os
import sys

import click

from data.city import load_city
from data.errors import QianfenError
from data.files import held, write_json
from data.pages import write_section
from data.records import ingest
from data.settings import PROJECT_ROOT, Settings
from experiments.leak_hunt.hunts import Finding, hunt

PAGE = PROJECT_ROOT / "docs" / "leak-hunt.md"
_WORDS = {True: "as it must be", False: "**LEAK**", None: "for comparison"}


@click.command(help=__doc__)
@click.argument("city_name", metavar="CITY")
@click.option("--write/--no-write", default=True, help="Write the table into docs/leak-hunt.md.")
def main(city_name: str, write: bool) -> None:
    """Hunt, and end with exit code 1 where a hunt does not find what a training without a leak shows."""
    settings = Settings.from_environment(os.environ)
    city = load_city(city_name)
    with held(settings.var / "cities" / city.name / ".lock"):
        records = ingest(city, settings, click.echo)
        findings = []
        for finding in hunt(city, records, settings, click.echo):
            findings.append(finding)
            click.echo(f"  {finding.done}: {finding.found}. {_WORDS[finding.is_clean]}.")
    path = settings.var / "leak_hunt" / f"{city.name}.json"
    write_json(path, {"city": city.name, "records_id": records.records_id, "found": [f.as_json() for f in findings]})
    click.echo(f"Findings: {path}")
    if write:
        write_section(PAGE, f"leak hunt {city.name}", table(findings))
        click.echo(f"Written: {PAGE}")
    sys.exit(int(any(finding.is_clean is False for finding in findings)))


def table(findings: list[Finding]) -> str:
    """Return the findings as Markdown."""
    rows = [(f.hunt, f.done, f.expected, f.found, _WORDS[f.is_clean]) for f in findings]
    heads = ("hunt", "what was done", "without a leak", "found", "")
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows))


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (QianfenError, click.ClickException) as error:
        click.echo(f"leak hunt: error: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
