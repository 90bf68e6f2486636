"""Where things are: one frozen object, read from `QIANFEN_*` once, at the entry point."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.errors import ConfigurationError, did_you_mean

PROJECT_ROOT = Path(__file__).resolve().parent.parent

ENGINES = ("duckdb", "spark")
"""What can work out indicators; the first needs nothing beside Qianfen. docs/scale-out.md"""

_VARIABLES = {
    "QIANFEN_VAR": "folder for everything that is built (default: var/ in the project)",
    "QIANFEN_REAL_DATA": "folder with the real records (default: ../shared/data beside the project, if there)",
    "QIANFEN_DATABASE_URL": "operational database, as an SQLAlchemy URL (default: SQLite under QIANFEN_VAR)",
    "QIANFEN_MLFLOW_URI": "MLflow tracking server (default: SQLite and local files under QIANFEN_VAR)",
    "QIANFEN_STUDIES_URL": "where studies keep their trials, as an SQLAlchemy URL (default: SQLite under QIANFEN_VAR)",
    "QIANFEN_ENGINE": "what works out the indicators: duckdb on one machine, spark past it (default: duckdb)",
    "QIANFEN_THREADS": "threads for DuckDB and LightGBM (default: all cores)",
    "QIANFEN_HOST": "address the service listens on (default: 127.0.0.1)",
    "QIANFEN_PORT": "port the service listens on (default: 3000)",
    "QIANFEN_CITY": "city that a worker of the service answers for (set by `qianfen serve`)",
}


@dataclass(frozen=True)
class Settings:
    """Where the records, the built files, the database and MLflow are.

    Attributes
    ----------
    var : Path
        Folder for everything that is built; nothing else is written to.
    real_data : Path or None
        Folder with the real records; None where there is none.
    database_url : str
        SQLAlchemy URL of the operational database.
    mlflow_uri : str
        MLflow tracking URI.
    studies_url : str
        SQLAlchemy URL where studies keep their trials.
    engine : {"duckdb", "spark"}
        What works out the indicators.
    threads : int
        Threads for DuckDB and LightGBM.
    host, port
        Where the service listens.
    city : str
        The city that the service answers for: a name under experiments/ or a path.
    """

    var: Path
    real_data: Path | None
    database_url: str
    mlflow_uri: str
    studies_url: str
    engine: str
    threads: int
    host: str
    port: int
    city: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read `QIANFEN_*`; an unknown name or a wrong value raises ConfigurationError."""
        for name in environment:
            if name.startswith("QIANFEN_") and name not in _VARIABLES:
                raise ConfigurationError(
                    f"{name} is not a setting of Qianfen.{did_you_mean(name, _VARIABLES)} "
                    f"Known are: {', '.join(_VARIABLES)}."
                )
        var = Path(environment.get("QIANFEN_VAR", PROJECT_ROOT / "var")).resolve()
        return cls(
            var=var,
            real_data=_real_data(environment),
            database_url=environment.get("QIANFEN_DATABASE_URL", f"sqlite:///{var / 'qianfen.db'}"),
            mlflow_uri=environment.get("QIANFEN_MLFLOW_URI", f"sqlite:///{var / 'mlflow' / 'mlflow.db'}"),
            studies_url=environment.get("QIANFEN_STUDIES_URL", f"sqlite:///{var / 'studies.db'}"),
            engine=_engine(environment),
            threads=_positive(environment, "QIANFEN_THREADS", os.cpu_count() or 1),
            host=environment.get("QIANFEN_HOST", "127.0.0.1"),
            port=_positive(environment, "QIANFEN_PORT", 3000),
            city=environment.get("QIANFEN_CITY", "synthetic"),
        )


def _real_data(environment: Mapping[str, str]) -> Path | None:
    """Find the real records: the one place that knows where they may be."""
    if "QIANFEN_REAL_DATA" in environment:
        folder = Path(environment["QIANFEN_REAL_DATA"]).resolve()
        if not folder.is_dir():
            raise ConfigurationError(f"QIANFEN_REAL_DATA must be a folder, got {folder}. Correct or unset it.")
        return folder
    beside = PROJECT_ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


def _engine(environment: Mapping[str, str]) -> str:
    engine = environment.get("QIANFEN_ENGINE", ENGINES[0])
    if engine not in ENGINES:
        raise ConfigurationError(f"QIANFEN_ENGINE must be {' or '.join(ENGINES)}, got '{engine}'.")
    return engine


def _positive(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise ConfigurationError(f"{name} must be a positive whole number, got '{text}'.")
    return int(text)
