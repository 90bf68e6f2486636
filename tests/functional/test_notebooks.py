"""The notebooks run from top to bottom; what they show lies in var/notebooks/ of the test's own folder."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.nb.py"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_pictures(path, demo_settings, monkeypatch):
    # The kernel is an entry point of its own: it reads the environment.
    monkeypatch.setenv("QIANFEN_VAR", str(demo_settings.var))
    monkeypatch.setenv("QIANFEN_CITY", "synthetic")
    notebook = jupytext.read(path)

    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()

    target = demo_settings.var / "notebooks" / f"{path.name.removesuffix('.nb.py')}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 2


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 2
