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
    before = _files(demo_settings.var / "cities")

    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()

    target = demo_settings.var / "notebooks" / f"{path.name.removesuffix('.nb.py')}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 2
    assert _files(demo_settings.var / "cities") == before


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 6


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of what a city is made of: a notebook reads it only."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
