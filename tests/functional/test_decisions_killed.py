"""A process killed while it keeps decisions leaves those that were kept whole, and loses none."""

from __future__ import annotations

import multiprocessing
import random
from pathlib import Path

from data.city import load_city
from data.linking.decisions import Decision, add_decisions, read_decisions
from data.settings import Settings

KILLS = 30
TOTAL = 4000


def keep_many(folder: str, var: str, acknowledged) -> None:
    """Keep decisions one after the other, and say of each that it is kept."""
    city, settings = load_city(folder), Settings.from_environment({"QIANFEN_VAR": var})
    for number in range(len(read_decisions(city, settings)), TOTAL):
        add_decisions(city, settings, [Decision(f"名{number}", "", "reject", "", "李雷", "因" * 200, "2020-03-01")])
        acknowledged.value = number + 1


def test_decisions_are_whole_after_every_kill(tmp_path: Path, write_city):
    folder, moments = write_city(), random.Random(20261126)
    city, settings = load_city(str(folder)), Settings.from_environment({"QIANFEN_VAR": str(tmp_path / "var")})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["data.linking.decisions", "tests.functional.test_decisions_killed"])
    # Without a lock: who is killed holding one keeps it for ever.
    acknowledged = context.Value("i", 0, lock=False)

    for _ in range(KILLS):
        process = context.Process(target=keep_many, args=(str(folder), str(tmp_path / "var"), acknowledged))
        process.start()
        process.join(moments.uniform(0.05, 0.5))
        process.kill()
        process.join()

        kept = read_decisions(city, settings)
        assert [decision.name for decision in kept] == [f"名{number}" for number in range(len(kept))]
        # One may be kept already of which the process could not tell any more.
        assert acknowledged.value <= len(kept) <= acknowledged.value + 1

    assert len(read_decisions(city, settings)) > KILLS / 2
