"""Reference pages in docs/, written from the declarations."""

from __future__ import annotations

from collections.abc import Iterator

import click

from data.settings import PROJECT_ROOT


@click.command()
def reference() -> None:
    """Write the reference pages in docs/ from the declarations."""
    from data.files import write_atomically
    from data.macro_docs import macros_page
    from data.reference_pages import tables_page
    from features.reference import indicators_page

    pages = {
        "tables.md": tables_page(),
        "macros.md": macros_page(),
        "indicators.md": indicators_page(),
        "commands.md": commands_page(_root()),
    }
    for name, text in pages.items():
        write_atomically(PROJECT_ROOT / "docs" / name, text)
        click.echo(f"docs/{name}")


def commands_page(cli: click.Command) -> str:
    """Return docs/commands.md: the help text of every command below one."""
    head = "# Commands\n\nWritten by `qianfen reference`; do not edit.\n"
    return head + "".join(f"\n## {path}\n\n```\n{text}\n```\n" for path, text in _help_texts(cli, "qianfen"))


def _root() -> click.Command:
    return click.get_current_context().find_root().command


def _help_texts(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    settings = {**command.context_settings, "max_content_width": 100, "terminal_width": 100}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from _help_texts(command.commands[below], below, context)
