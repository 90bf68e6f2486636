"""The command: documented whole, quick to help, clear about errors."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import serving.commands
from data.errors import NotFoundError
from data.settings import PROJECT_ROOT
from serving.commands import cli, main
from serving.commands.reference import commands_page


def every_command(command=cli, path="qianfen"):
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every_command(below, f"{path} {name}")


def test_every_command_is_documented_as_it_is():
    # Click remembers how a command was first asked for help, so the page is made as `qianfen reference` makes it.
    code = (
        "from click.testing import CliRunner; from serving.commands import cli; "
        "from serving.commands.reference import commands_page; "
        "CliRunner().invoke(cli, ['reference', '--help']); print(commands_page(cli), end='')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (PROJECT_ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize(("path", "command"), list(every_command()))
def test_every_command_and_option_has_a_help_text(path, command):
    assert command.help
    assert f"## {path}\n" in commands_page(cli)
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help, f"{path} {parameter.name}"


def test_help_needs_nothing_heavy():
    heavy = "{'mlflow', 'bentoml', 'lightgbm', 'ibis', 'pandas', 'duckdb', 'sqlalchemy'}"
    code = f"import sys, serving.commands; print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run `qianfen` with arguments; return exit code, stdout and stderr."""

    def command(*arguments):
        monkeypatch.setenv("QIANFEN_VAR", str(tmp_path / "var"))
        monkeypatch.setattr(sys, "argv", ["qianfen", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return command


def test_an_error_that_a_user_can_act_on_is_one_message_and_its_exit_code(run):
    code, out, err = run("train", "torronto")

    assert code == 2
    assert out == ""
    assert err.startswith("qianfen: error: A city must be a folder with a city.toml")
    assert "Did you mean 'toronto'?" in err
    assert "Traceback" not in err


def test_grading_without_a_champion_says_what_to_run(run, write_city):
    code, _, err = run("grade", str(write_city()))

    assert code == 8
    assert "toy has no champion yet. Run `qianfen train toy`." in err


def test_serving_without_a_champion_says_what_to_run(run, write_city):
    code, _, err = run("serve", str(write_city()))

    assert code == 12
    assert "toy has no champion yet" in err


def test_a_wrong_setting_is_an_error_of_configuration(run, monkeypatch):
    monkeypatch.setenv("QIANFEN_PROT", "1")

    code, _, err = run("--help")

    assert code == 2
    assert "QIANFEN_PROT is not a setting" in err


def test_wrong_usage_shows_how_it_is_used(run):
    code, _, err = run("score", "toronto")

    assert code == 2
    assert "Missing argument 'ENTITY_ID'" in err


def test_an_interrupt_ends_quietly_with_130(run, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("data.city.load_city", interrupted)

    code, out, err = run("train", "toronto")

    assert code == 130
    assert (out, err.strip()) == ("", "")


def test_any_other_error_keeps_its_traceback(monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr("data.city.load_city", broken)
    monkeypatch.setattr(sys, "argv", ["qianfen", "train", "toronto"])

    with pytest.raises(ZeroDivisionError):
        main()


def test_check_tells_what_is_mapped_what_went_to_quarantine_and_what_missing_tables_cost(write_city, settings):
    folder = write_city(
        penalties_csv="number,code,amount,decided,known\nP1,A1,500,2020-01-05,2020-01-06\nP2,A1,-5,2020-01-05,2020-01-06\n"
    )

    result = CliRunner().invoke(cli, ["check", str(folder)], obj=settings, catch_exceptions=False)

    lines = result.output.splitlines()
    assert any(line.split()[:6] == ["penalties", "2", "1", "1", "0", "0"] for line in lines)
    assert any(line.split() == ["2", "1", "0", "0", "1", "0", "penalties.csv"] for line in lines)
    assert "  Every row is accounted for." in lines
    assert any(line.split() == ["inspections", "not", "mapped"] for line in lines)
    assert any("amount must be" in line and "row" in line for line in lines)
    assert any(line.split()[0] == "failed_inspections" and line.endswith("needs inspections") for line in lines if line)
    (penalty_amount,) = [line.split() for line in lines if line.strip().startswith("penalty_amount")]
    assert penalty_amount[1:3] == ["100.0%", "50.0%"]
    assert "As a page: " in lines[-1]


def test_a_score_is_told_in_words_and_in_json(graded_city):
    arguments = ["score", str(graded_city.city.folder), "E07"]
    in_words = CliRunner().invoke(cli, [*arguments, "--language", "en"], obj=graded_city.settings)
    as_json = CliRunner().invoke(cli, [*arguments, "--json"], obj=graded_city.settings)

    assert in_words.output.startswith("E07 as of 2020-12-31: ")
    assert len(in_words.output.splitlines()) == 21
    assert '"entity_id": "E07"' in as_json.output


def test_a_score_tells_what_would_change_the_grade_when_asked(graded_city):
    arguments = ["score", str(graded_city.city.folder), "E07", "--what-if"]
    in_words = CliRunner().invoke(cli, [*arguments, "--language", "en"], obj=graded_city.settings)
    as_json = CliRunner().invoke(cli, [*arguments, "--json"], obj=graded_city.settings)

    outlook = json.loads(as_json.output)["what_would_change"]
    assert outlook["sentence_en"] in in_words.output.splitlines()
    for way in outlook["ways"] or [outlook["best"]]:
        for step in way["steps"]:
            assert step["sentence_en"] in in_words.output


def test_the_errors_of_a_command_are_ours():
    assert issubclass(NotFoundError, serving.commands.QianfenError)
