"""What is written above each macro of data/macros: parsed for the reference page and for the tests.

Above `CREATE OR REPLACE MACRO name(arguments)` stand comment lines: sentences that describe it, one line `argument:
meaning` for each argument, and one line `> expression => expected` for each example, which the tests run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from data.connection import MACROS
from data.errors import ConfigurationError

_MACRO = re.compile(r"((?:^--.*\n)*)^CREATE OR REPLACE MACRO (\w+)\(([^)]*)\) AS( TABLE)?", re.MULTILINE)
_EXAMPLE = re.compile(r"> (.+) => (.+)")


@dataclass(frozen=True)
class Example:
    """An expression, and the expression of what it must yield."""

    expression: str
    expected: str


@dataclass(frozen=True)
class Macro:
    """One macro: its file, name, meaning, arguments with their meaning, and examples."""

    file: str
    name: str
    description: str
    arguments: dict[str, str]
    examples: tuple[Example, ...]
    yields_table: bool

    @property
    def signature(self) -> str:
        """Name and arguments as a mapping writes them."""
        return f"{self.name}({', '.join(self.arguments)})"


@cache
def documented_macros() -> tuple[Macro, ...]:
    """Return all macros in the order of their files.

    Raises
    ------
    ConfigurationError
        Where a macro lacks its description, an argument's meaning or an example.
    """
    return tuple(
        _parse(path.name, match)
        for path in sorted(MACROS.glob("*.sql"))
        for match in _MACRO.finditer(path.read_text(encoding="utf-8"))
    )


def macros_page() -> str:
    """Return docs/macros.md."""
    head = (
        "# Macros for mappings\n\nWritten by `qianfen reference` from `data/macros/`; do not edit. "
        "The tests run every example.\n\n"
        "| macro | does |\n|---|---|\n"
    )
    macros = documented_macros()
    rows = [f"| [`{m.signature}`](#{m.name}) | {_first_sentence(m.description)} |" for m in macros]
    return head + "\n".join(rows) + "\n" + "".join(_section(macro) for macro in macros)


def _section(macro: Macro) -> str:
    lines = [f"\n## {macro.name}\n", f"`{macro.signature}`" + (" yields a table." if macro.yields_table else "") + "\n"]
    lines += [macro.description, ""]
    lines += [f"- `{name}`: {meaning}" for name, meaning in macro.arguments.items()]
    width = max(len(example.expression) for example in macro.examples)
    examples = [f"{example.expression:<{width}}  →  {example.expected}" for example in macro.examples]
    lines += ["", "```text", *examples, "```"]
    return "\n".join(lines) + "\n"


def _first_sentence(description: str) -> str:
    return re.split(r"(?<=[.;:])\s", description, maxsplit=1)[0].rstrip(".;:")


def _parse(file: str, match: re.Match[str]) -> Macro:
    comment, name, arguments, table = match.groups()
    names = [argument.strip() for argument in arguments.split(",") if argument.strip()]
    lines = [line.removeprefix("--").strip() for line in comment.splitlines()]
    meanings = dict(_meanings(lines, names))
    examples = tuple(Example(*found.groups()) for line in lines if (found := _EXAMPLE.fullmatch(line)))
    description = " ".join(line for line in lines if not _EXAMPLE.fullmatch(line) and _argument(line, names) is None)
    for what, there in (("a description", description), ("an example", examples)):
        if not there:
            raise ConfigurationError(
                f"The macro {name} of {file} must have {what}, it has none. Write it above the macro."
            )
    if missing := [argument for argument in names if argument not in meanings]:
        raise ConfigurationError(
            f"The macro {name} of {file} must say what {', '.join(missing)} means. Write it above."
        )
    return Macro(file, name, description, {n: meanings[n] for n in names}, examples, table is not None)


def _meanings(lines: list[str], names: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if (name := _argument(line, names)) is not None:
            yield name, line.removeprefix(f"{name}:").strip()


def _argument(line: str, names: list[str]) -> str | None:
    return next((name for name in names if line.startswith(f"{name}: ")), None)
