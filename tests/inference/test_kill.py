"""Sessions that are killed, stopped, doubled or suspended lose nothing and repeat next to nothing."""

import os
import random
import resource
import signal
import time

import pytest
from session_cells import Bench, endpoint, request, responses

from aqa.inference import journal
from aqa.inference.ledger import spent_on

CONCURRENCY = 4


def samples(number, word="clip"):
    return [request(f"{word}-{i:03d}") for i in range(number)]


def answered(bench, cell, requests):
    return set(journal.read(bench.journal(cell), {r.key for r in requests}).answers)


KILLS = int(os.environ.get("AQA_KILLS", "200"))
"""Kills of the thorough test."""


@pytest.mark.parametrize("wanted", [8, pytest.param(KILLS, marks=pytest.mark.thorough)])
def test_kill_9_at_random_moments_over_three_cells_repeats_only_what_was_in_flight(tmp_path, wanted):
    """Every third time two sessions start on the cells at once: the one that has the leases asks."""
    moments = random.Random(wanted)
    with endpoint(tmp_path) as server:
        bench = Bench(tmp_path)
        bench.write_model(CONCURRENCY, port=server.port, account="quota")
        killed = 0
        while killed < wanted:  # Cells that are complete meanwhile are followed by others.
            asked = {name: samples(50, f"{name}{killed}") for name in ("base", "two", "shown")}
            cells = {bench.cell(requests, f"{n}-{killed}"): requests for n, requests in asked.items()}
            number = sum(map(len, asked.values()))
            before, begin, done = killed, len(server.received()), set()
            while killed < wanted and len(done) < number:
                start = len(server.received())
                sessions = [bench.start(list(cells)) for _ in range(2 if killed % 3 == 0 else 1)]
                server.wait_for(start + 1)
                time.sleep(moments.uniform(0, 0.06))
                for session in sessions:
                    os.killpg(session.pid, signal.SIGKILL)
                    assert "Traceback" not in session.communicate()[1]
                killed += 1
                sent = server.received()[start:]
                assert len(sent) == len(set(sent)), "two sessions asked the same"
                assert not done & set(sent), "an answer in the journal was asked for again"
                done = {key for cell, requests in cells.items() for key in answered(bench, cell, requests)}
                assert len(set(sent) - done) <= CONCURRENCY
            bench.infer(list(cells))
            for cell, requests in cells.items():
                written = responses(cell)
                assert [r["key"] for r in written] == [r.key for r in requests]
                assert {r["outcome"] for r in written} == {"ok"}
            repeats = len(server.received()) - begin - number
            assert repeats <= (killed - before) * CONCURRENCY
            assert "asked 0, reused 150" in bench.infer(list(cells))
            assert len(server.received()) - begin - number == repeats
        counted = sum(spent_on(folder, "quota").requests for folder in bench.journals.glob("*/*/*/*/*"))
        assert 0 <= counted - len(server.received()) <= killed * CONCURRENCY, "noted before it is sent"


def test_a_finished_cell_sends_nothing_wherever_the_endpoint_is_and_however_many_are_asked(tmp_path):
    requests = samples(12)
    bench = Bench(tmp_path)
    cell = bench.cell(requests)
    with endpoint(tmp_path) as server:
        bench.write_model(CONCURRENCY, port=server.port)
        bench.infer([cell])
    first = (cell / "responses.jsonl").read_bytes()
    (cell / "responses.jsonl").unlink()
    with endpoint(tmp_path, name="elsewhere") as server:
        bench.write_model(16, port=server.port)
        said = bench.infer([cell])
        assert server.received() == []
    assert "asked 0, reused 12" in said
    assert (cell / "responses.jsonl").read_bytes() == first


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_keeps_what_is_finished_and_gives_the_lease_back(tmp_path, number, status):
    requests = samples(200)
    with endpoint(tmp_path) as server:
        bench = Bench(tmp_path)
        bench.write_model(CONCURRENCY, port=server.port)
        cell = bench.cell(requests)
        process = bench.start([cell])
        server.wait_for(8)
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == status
        assert f"stopped by {number.name}" in said.splitlines()[-1]
        assert "Traceback" not in said
        sent = set(server.received())
        assert len(sent) < len(requests)
        assert answered(bench, cell, requests) == sent, "requests in flight were given time to finish"
        bench.infer([cell])
        assert set(server.counts().values()) == {1}


def test_a_second_session_on_the_same_cell_refuses_with_one_line(tmp_path):
    requests = samples(40)
    with endpoint(tmp_path, delay=0.3) as server:
        bench = Bench(tmp_path)
        bench.write_model(CONCURRENCY, port=server.port)
        cell, other = bench.cell(requests), bench.cell(samples(3, "other"), strategy="another")
        first = bench.start([cell], "--stale-after", "2")
        server.wait_for(1)
        said = bench.infer([cell, other], "--stale-after", "2", status=1)
        assert len(said.splitlines()) == 1
        assert f"pid {first.pid}" in said
        assert not bench.journal(other).exists() or journal.segments(bench.journal(other)) == []
        assert first.communicate(timeout=30)[0] is None
        assert first.returncode == 0
        assert set(server.counts().values()) == {1}
        bench.infer([cell, other], "--stale-after", "2")


def test_a_suspended_session_that_lost_its_lease_writes_nothing_more(tmp_path):
    requests = samples(60)
    with endpoint(tmp_path, delay=0.1) as server:
        bench = Bench(tmp_path)
        bench.write_model(CONCURRENCY, port=server.port)
        cell = bench.cell(requests)
        first = bench.start([cell], "--stale-after", "1")
        server.wait_for(6)
        first.send_signal(signal.SIGSTOP)
        time.sleep(0.3)  # Its requests in flight are answered meanwhile, into its socket's buffer.
        (segment,) = journal.segments(bench.journal(cell))
        size = segment.stat().st_size
        bench.infer([cell], "--stale-after", "1")
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=30)[1]
        assert first.returncode == 1
        assert "took over" in said
        assert segment.stat().st_size == size
        assert [r["outcome"] for r in responses(cell)] == ["ok"] * len(requests)
        assert max(server.counts().values()) <= 2


def test_a_full_disk_stops_the_session_cleanly_and_loses_nothing(tmp_path):
    requests = samples(60)

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    with endpoint(tmp_path) as server:
        bench = Bench(tmp_path)
        bench.write_model(CONCURRENCY, port=server.port)
        cell = bench.cell(requests)
        said = bench.infer([cell], status=1, preexec_fn=small_files)
        assert "journal cannot be written" in said
        assert "Traceback" not in said
        sent = len(server.received())
        done = answered(bench, cell, requests)
        assert 5 <= len(done) < len(requests)
        assert sent - len(done) <= 2 * CONCURRENCY
        bench.infer([cell])
        assert [r["key"] for r in responses(cell)] == [r.key for r in requests]
        assert all(server.counts()[key] == 1 for key in done)
