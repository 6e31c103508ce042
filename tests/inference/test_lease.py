"""Leases: one session at a time, also across hosts, crashes and recycled process ids."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from aqa.errors import UserError
from aqa.inference import lease
from aqa.inference.lease import Fenced, Leases

SOON = 0.5


def write(folder, generation=1, **changes):
    """Write the lease of a session that lives here and now, with changes."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = lease._myself().model_dump() | changes
    path = folder / f"lease-{generation}.json"
    temporary = folder / "temporary"
    temporary.write_text(json.dumps(fields))
    temporary.replace(path)
    return path


def newest(folder):
    return max(folder.glob("lease-*.json"), key=lambda path: int(path.stem.split("-")[1]))


def content(folder):
    return json.loads(newest(folder).read_text())


def take(folder, stale_after=SOON):
    """Take a lease and give it back; return the seconds that taking it took."""
    start = time.monotonic()
    with Leases([folder], stale_after):
        return time.monotonic() - start


def test_a_lease_names_its_holder_while_held_and_is_given_back(tmp_path):
    with Leases([tmp_path / "a"], SOON):
        held = content(tmp_path / "a")
        assert (held["pid"], held["state"]) == (os.getpid(), "held")
    assert content(tmp_path / "a")["state"] == "released"


def test_a_lease_is_given_back_after_an_error_too(tmp_path):
    with pytest.raises(ZeroDivisionError), Leases([tmp_path], SOON):
        _ = 1 / 0
    assert content(tmp_path)["state"] == "released"


def test_the_counter_moves_while_the_lease_is_held(tmp_path):
    with Leases([tmp_path], SOON):
        first = content(tmp_path)["counter"]
        time.sleep(SOON)
        assert content(tmp_path)["counter"] > first


def test_a_released_lease_is_taken_at_once_with_the_next_generation(tmp_path):
    write(tmp_path, 7, state="released")
    assert take(tmp_path, stale_after=30) < 5
    assert newest(tmp_path).name == "lease-8.json"


def test_a_live_session_is_named_and_refuses_others_without_a_long_wait(tmp_path):
    start = time.monotonic()
    with Leases([tmp_path], 5), pytest.raises(UserError, match=f"host .* \\(pid {os.getpid()}\\)") as caught:
        take(tmp_path, stale_after=30)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10


def test_a_session_whose_process_is_gone_is_stale_at_once(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    write(tmp_path, pid=process.pid, started=lease._started(process.pid) or 1)
    process.wait()
    assert take(tmp_path, stale_after=30) < 5


def test_a_zombie_is_gone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        started = lease._started(process.pid) or 1
        process.stdout.read()
        while lease._started(process.pid) is not None:
            time.sleep(0.01)
        write(tmp_path, pid=process.pid, started=started)
        assert take(tmp_path, stale_after=30) < 5


def test_a_recycled_process_id_is_told_by_its_start_time(tmp_path):
    write(tmp_path, started=lease._myself().started - 1)
    assert take(tmp_path, stale_after=30) < 5


@pytest.mark.parametrize("elsewhere", [{"host": "other"}, {"boot": "other"}, {"namespace": "pid:[1]"}])
def test_elsewhere_only_a_counter_that_stands_still_is_stale(tmp_path, elsewhere):
    write(tmp_path, pid=2**22 + 1, **elsewhere)
    assert take(tmp_path) >= SOON


def test_elsewhere_a_counter_that_moves_is_alive(tmp_path):
    write(tmp_path, host="other")
    ended = threading.Event()

    def beat():
        counter = 0
        while not ended.wait(0.1):
            counter += 1
            write(tmp_path, host="other", counter=counter)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(UserError, match="host other"):
            take(tmp_path, stale_after=30)
    finally:
        ended.set()
        thread.join()


def test_clocks_are_never_compared(tmp_path):
    path = write(tmp_path, host="other")
    os.utime(path, (0, 0))
    assert take(tmp_path) >= SOON


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}'])
def test_an_unreadable_lease_counts_as_held_until_it_stands_still(tmp_path, text):
    (tmp_path / "lease-3.json").write_text(text)
    assert take(tmp_path) >= SOON
    assert newest(tmp_path).name == "lease-4.json"


def test_only_one_of_two_takes_over(tmp_path, monkeypatch):
    free = lease.wait_until_free(sorted([tmp_path]), SOON)
    with Leases([tmp_path], SOON):
        monkeypatch.setattr(lease, "wait_until_free", lambda folders, stale: free)
        with pytest.raises(UserError, match="is asking these requests"):
            take(tmp_path)
        assert content(tmp_path)["state"] == "held"


def test_all_or_none(tmp_path):
    with Leases([tmp_path / "b"], SOON):
        with pytest.raises(UserError), Leases([tmp_path / "c", tmp_path / "a", tmp_path / "b"], 30):
            pass
        for name in "ac":
            folder = tmp_path / name
            assert not folder.exists() or content(folder)["state"] == "released"


def test_dead_sessions_on_many_folders_are_waited_for_together(tmp_path):
    folders = [tmp_path / str(i) for i in range(8)]
    for folder in folders:
        write(folder, host="other")
    start = time.monotonic()
    with Leases(folders, SOON):
        assert time.monotonic() - start < 3 * SOON


def test_a_holder_that_finds_a_higher_generation_is_fenced_at_once(tmp_path):
    with Leases([tmp_path], 60) as leases:
        leases.check(tmp_path)
        write(tmp_path, 2, host="other", pid=7)
        with pytest.raises(Fenced, match=r"host other \(pid 7\) took over"):
            leases.check(tmp_path)
    assert content(tmp_path)["state"] == "held", "the other's lease is not touched"


def test_a_holder_that_writes_nothing_is_told_too(tmp_path):
    told = threading.Event()
    with Leases([tmp_path], SOON) as leases:
        leases.on_lost = told.set
        write(tmp_path, 2, host="other")
        assert told.wait(5)
        with pytest.raises(Fenced):
            leases.check(tmp_path)


def test_a_holder_that_cannot_renew_its_lease_stops_before_others_may_take_it(tmp_path, monkeypatch):
    told = threading.Event()
    with Leases([tmp_path], SOON) as leases:
        leases.on_lost = told.set
        monkeypatch.setattr(
            leases, "_replace", lambda folder, state: (_ for _ in ()).throw(OSError(28, "full"))
        )
        assert told.wait(5)
        with pytest.raises(Fenced, match="cannot be renewed"):
            leases.check(tmp_path)


def test_a_full_disk_refuses_a_lease_in_one_line(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from aqa.inference.lease import Leases; "
        "from aqa.errors import UserError; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try:\n    Leases([Path(sys.argv[1])]).__enter__()\n"
        "except UserError as error:\n    print(error)"
    )
    path = {**os.environ, "PYTHONPATH": "scripts"}
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}: the lease cannot be written (File too large); nothing was asked\n"
    assert "Traceback" not in done.stderr
