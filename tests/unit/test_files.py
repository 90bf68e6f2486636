"""Files are whole or not there."""

from __future__ import annotations

import errno

import pytest

from data.errors import BusyError, StorageError
from data.files import (
    abandoned,
    atomic_folder,
    fingerprint,
    held,
    read_json,
    read_sealed,
    remove_folder,
    write_atomically,
    write_json,
    write_sealed,
)


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


def test_every_single_changed_bit_of_a_sealed_file_is_found(tmp_path):
    path = tmp_path / "manifest.json"
    content = {"name": "某某", "share": {"a": 0.25, "b": 9.5}, "n": 7, "none": None, "list": ["x", -1.5]}
    write_sealed(path, content)
    written = path.read_bytes()
    assert read_sealed(path) == content

    for position in range(len(written) * 8):
        changed = bytearray(written)
        changed[position // 8] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(StorageError, match="manifest.json must be"):
            read_sealed(path)


def test_a_file_without_a_seal_and_one_that_was_edited_are_refused_with_the_remedy(tmp_path):
    path = tmp_path / "manifest.json"
    write_json(path, {"n": 1})
    with pytest.raises(StorageError, match=f"Remove {tmp_path} and run the step again"):
        read_sealed(path)

    write_sealed(path, {"n": 1})
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(StorageError, match="Ask the archive"):
        read_sealed(path, "Ask the archive.")


def test_a_folder_is_removed_whole_and_what_a_kill_leaves_of_it_is_hidden(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("1")
    remove_folder(tmp_path / "first")
    assert [p.name for p in tmp_path.iterdir()] == ["second"]

    def killed(_folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("data.files.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_folder(tmp_path / "second")

    [left] = tmp_path.iterdir()
    assert left.name.startswith(".second.")
    # The process that left it is still alive: us.
    assert abandoned(tmp_path) == []
    left.rename(tmp_path / ".second.99999999.partial")
    assert [p.name for p in abandoned(tmp_path)] == [".second.99999999.partial"]
