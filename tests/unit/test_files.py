"""Files are whole or not there."""

from __future__ import annotations

import errno

import pytest

from data.errors import BusyError, StorageError
from data.files import atomic_folder, fingerprint, held, read_json, write_atomically, write_json


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    final = tmp_path / "final"

    with atomic_folder(final) as beside:
        (beside / "a").write_text("1")
        assert not final.exists()

    assert (final / "a").read_text() == "1"


def test_a_folder_that_failed_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "final"):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    # No process has a number this large.
    (tmp_path / ".final.99999999.partial").mkdir()

    with atomic_folder(tmp_path / "final"):
        pass

    assert [p.name for p in tmp_path.iterdir()] == ["final"]


def test_a_built_folder_is_never_replaced(tmp_path):
    for text in ("first", "second"):
        with atomic_folder(tmp_path / "final") as beside:
            (beside / "a").write_text(text)

    assert (tmp_path / "final" / "a").read_text() == "first"


def test_a_full_disk_is_explained(tmp_path):
    with pytest.raises(StorageError, match="disk is full"), atomic_folder(tmp_path / "final"):
        raise OSError(errno.ENOSPC, "no space")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    write_json(path, {"b": 1})

    assert read_json(path) == {"b": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{")

    with pytest.raises(StorageError, match="a.json must be JSON, it is damaged"):
        read_json(path)


def test_a_fingerprint_depends_on_content_not_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_a_lock_is_held_by_one_at_a_time_and_let_go(tmp_path):
    lock = tmp_path / "city" / ".lock"

    with held(lock), pytest.raises(BusyError, match="city is held by process [0-9]+"), held(lock):
        pass

    with held(lock):
        pass
