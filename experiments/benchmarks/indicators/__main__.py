"""`python -m experiments.benchmarks.indicators <side> <task>`: do one side's work and print what it took.

Nothing but the side's own libraries is imported, so that peak memory is its own. The clock starts after that import.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

from experiments.benchmarks.indicators import Task

if __name__ == "__main__":
    side = importlib.import_module(f"experiments.benchmarks.indicators.{sys.argv[1]}")
    task = Task.from_json(sys.argv[2])
    started, used = time.perf_counter(), time.process_time()
    side.write_indicators(task)
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - used}))
