"""What a result hangs on is found through imports, however deep, and nothing else is."""

from __future__ import annotations

import sys

import pytest

from training.code import code_of, modules_of


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A package whose modules may be written anew; returns how."""
    home = tmp_path / "toycode"
    (home / "inner").mkdir(parents=True)

    def write(name, text):
        (home / name).write_text(text, encoding="utf-8")
        code_of.cache_clear()

    for name, text in {
        "__init__.py": "",
        "top.py": "import json\n\nfrom toycode import middle\n",
        "middle.py": "def work():\n    from toycode.inner.deep import VALUE\n\n    return VALUE\n",
        "inner/__init__.py": "",
        "inner/deep.py": "VALUE = 1\n",
        "aside.py": "VALUE = 1\n",
    }.items():
        write(name, text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "toycode"]:
        del sys.modules[name]
    code_of.cache_clear()


def test_imports_are_followed_also_those_within_functions(toy):
    assert modules_of("toycode.top", ("toycode",)) == [
        "toycode", "toycode.inner", "toycode.inner.deep", "toycode.middle", "toycode.top",
    ]  # fmt: skip
    assert modules_of("toycode.top", ("toycode",), ("toycode.inner",)) == ["toycode", "toycode.middle", "toycode.top"]


def test_code_changes_with_what_is_imported_and_not_with_what_is_not(toy):
    before = code_of("toycode.top", ("toycode",))

    toy("aside.py", "VALUE = 2\n")
    assert code_of("toycode.top", ("toycode",)) == before
    toy("inner/deep.py", "VALUE = 2\n")
    assert code_of("toycode.top", ("toycode",)) != before


def test_a_training_hangs_on_its_trees_and_weights_and_not_on_mlflow():
    found = modules_of("training.runs")

    assert {"training.fitting", "training.model", "training.inspection_chance", "training.scale"} <= set(found)
    assert not {"training.registry", "training.mlflow_session", "training.tuning", "lightgbm"} & set(found)


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ModuleNotFoundError):
        modules_of("training.nowhere")
