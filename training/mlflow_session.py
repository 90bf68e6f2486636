"""A session with MLflow: pointed at our server, quick to say where nothing answers, and nothing logged twice."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from sqlalchemy.exc import SQLAlchemyError

from data.city import City
from data.errors import RegistryError
from data.settings import Settings

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SECONDS_TO_ANSWER = 5


def registered_name(city: City) -> str:
    """Return the name of a city's registered model, and of its experiment."""
    return f"qianfen-{city.name}"


def logged_once(
    city: City, settings: Settings, tag: tuple[str, str], run_name: str, write: Callable[[Any], None],
    tags: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Return the id of the run that bears a tag; it is made, and `write` fills it, unless that was done.

    Parameters
    ----------
    tag : (name, value)
        Stands for what is logged.
    write : callable
        Takes the module mlflow; the run is active.
    tags : mapping, optional
        Others that the run gets.

    Raises
    ------
    RegistryError
        Where MLflow does not take it.
    """
    with mlflow_session(settings) as mlflow:
        home = set_experiment(mlflow, city, settings)
        # A run that was killed before it ended is logged again.
        done = f"tags.{tag[0]} = '{tag[1]}' and attributes.status = 'FINISHED'"
        if found := mlflow.MlflowClient().search_runs([home], done, max_results=1):
            return str(found[0].info.run_id)
        with mlflow.start_run(run_name=run_name, tags={tag[0]: tag[1], **(tags or {})}) as run:
            write(mlflow)
            return str(run.info.run_id)


def set_experiment(mlflow: Any, city: City, settings: Settings) -> str:
    """Make the city's experiment the active one, and return its id."""
    name = registered_name(city)
    if mlflow.get_experiment_by_name(name) is None:
        local = settings.mlflow_uri.startswith("sqlite:")
        location = (settings.var / "mlflow" / "artifacts" / city.name).as_uri() if local else None
        mlflow.create_experiment(name, artifact_location=location)
    return str(mlflow.set_experiment(name).experiment_id)


@contextmanager
def mlflow_session(settings: Settings) -> Iterator[Any]:
    """Import MLflow, which is slow and talks much, and point it at our server for as long as the block runs.

    What it cannot do becomes a RegistryError.
    """
    # MLflow reads these when it is imported: no telemetry, no progress bars over ours, and minutes of trying again are
    # too long where it is away.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    _require_answer(settings.mlflow_uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            if settings.mlflow_uri.startswith("sqlite:///"):
                Path(settings.mlflow_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(settings.mlflow_uri)
            mlflow.set_registry_uri(settings.mlflow_uri)
            yield mlflow
        except (mlflow.exceptions.MlflowException, SQLAlchemyError, OSError) as error:
            raise _refused(_said(error, settings.mlflow_uri)) from error


def _require_answer(uri: str) -> None:
    """Raise RegistryError where nothing listens: MLflow itself would try a database again for two minutes."""
    address = urlsplit(uri)
    port = address.port or _PORTS.get(address.scheme.split("+")[0])
    # Through a proxy, or with several hosts, a connection of ours says nothing.
    if port is None or not address.hostname or "," in address.hostname or getproxies().get(address.scheme):
        return
    try:
        socket.create_connection((address.hostname, port), timeout=_SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise _refused(f"nothing answers at {address.hostname}:{port} ({error.strerror or error})") from error


def _refused(said: str) -> RegistryError:
    return RegistryError(
        f"MLflow must be reachable and take what it is given, it does not: {said}. "
        "See that QIANFEN_MLFLOW_URI is right, MLflow is up and has space, and run again."
    )


def _said(error: Exception, uri: str) -> str:
    # MLflow tells a connection that failed by its own name, with the one that requests gave it behind.
    if isinstance(error.__context__, OSError) and (host := urlsplit(uri).hostname):
        return f"no answer came from {host}"
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
