"""Which code a result hangs on: the module that makes it, and what that imports, one after the other.

Where such code changes, the result is made again. A list kept by hand forgets.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from data.files import source_fingerprint

_CHANGES_NO_VALUE = (
    "training.code",
    # They bring results to MLflow, or say which model is in force.
    "training.kept_runs",
    "training.mlflow_flavour",
    "training.mlflow_session",
    "training.registry",
    "training.champions",
    # Whatever its code, it gives exact TreeSHAP.
    "training.shap_tables",
)


@cache
def code_of(module: str, packages: tuple[str, ...] = ("training",), without: tuple[str, ...] = ()) -> str:
    """Return a fingerprint of a module and of all that it imports from `packages`, directly or not.

    `without` names modules, or packages, that change no value of this result beside those that never do.
    """
    return source_fingerprint(*modules_of(module, packages, without))


def modules_of(module: str, packages: tuple[str, ...] = ("training",), without: tuple[str, ...] = ()) -> list[str]:
    """Return the modules of `code_of`, by name."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or _lies_in(name, (*_CHANGES_NO_VALUE, *without)):
            continue
        found.add(name)
        # Importing a module runs the package above it too.
        others = (name.rpartition(".")[0], *_imported(name))
        waiting += [other for other in others if _lies_in(other, packages) and _is_module(other)]
    return sorted(found)


def _imported(module: str) -> Iterator[str]:
    """Yield what a module imports, also within functions: modules, and names that may be modules."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_module(name: str) -> bool:
    """Say whether a name is a module, and not what one holds."""
    above, _, _ = name.rpartition(".")
    package = find_spec(above) if above else None
    is_inside = not above or (package is not None and package.submodule_search_locations is not None)
    return is_inside and find_spec(name) is not None


def _lies_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
