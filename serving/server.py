"""Starting the service: BentoML's server in a process of its own, stopped with ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from data.city import load_city
from data.errors import StorageError
from data.settings import PROJECT_ROOT, Settings
from serving.entity_change import dates_to_work_out
from serving.scoring import Scorer


def run_service(settings: Settings, city_name: str, host: str, port: int, progress: Callable[[str], None]) -> None:
    """Serve a city until stopped.

    Raises
    ------
    NotReadyError, ArtifactError
        Before anything starts, where the city has nothing to serve or the champion is not fit to.
    StorageError
        Where the server stops by itself.
    """
    city = load_city(city_name)
    # What would fail in the worker fails here, with its message.
    scorer = Scorer(city, settings)
    version = scorer.model.model_version
    day = scorer.snapshot(None).as_of_date
    progress(f"Serving {city.title}: grades as of {day}, model {version}. Stop with Ctrl-C.")
    progress(f"Review pages: http://{host}:{port}/  Scores: POST http://{host}:{port}/v1/score")
    if dates := dates_to_work_out(city, settings):
        progress(
            "This version has not worked out what moved since the grading before, and the pages say so. "
            f"Run `qianfen movement {city_name} --from {dates[0]} --to {dates[1]}`; the service goes on meanwhile."
        )
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving.service:RiskGrades",
        "--host",
        host,
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=_environment(settings, str(city.folder)), start_new_session=True
    ) as server:

        def stop(_number: int, _frame: FrameType | None) -> None:
            os.killpg(server.pid, signal.SIGTERM)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        code = server.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
    if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
        raise StorageError(f"The server ended with code {code}. Is port {port} in use? Give another with --port.")


def _environment(settings: Settings, city: str) -> dict[str, str]:
    """What the worker finds: our settings, and BentoML without tracking or a log line for each request."""
    ours = {
        "QIANFEN_CITY": city,
        "QIANFEN_VAR": str(settings.var),
        "QIANFEN_DATABASE_URL": settings.database_url,
        "QIANFEN_THREADS": str(settings.threads),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(settings.var / "bentoml"),
    }
    return {**os.environ, **ours}
