"""Whole sessions with a real vLLM: it is started, killed, started again, and never left behind."""

import json
import os
import signal
from pathlib import Path

import pytest
from managed_sessions import QUESTION, Managed, outcomes, responses, running, wait_until
from tiny_server import options

from aqa.inference import journal
from aqa.scoring.parse import parse

pytestmark = pytest.mark.vllm

START_S = 300
"""Patience with a server on a busy machine."""


def bench(folder, weights, max_tokens=24, **more):
    sampling = {"max_tokens": max_tokens, "temperature": 0.0}
    return Managed(folder, sampling=sampling, options=options(weights, **more))


def processes(session):
    """The processes of the server: number -> the name that vLLM gives it."""
    found = {}
    for record in session.records():
        for pid, _ in json.loads(record.read_text())["processes"]:
            if running(pid):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def named(session, name):
    """The process of that name, once the record has it."""
    wait_until(lambda: any(name in line for line in processes(session).values()))
    return next(pid for pid, line in processes(session).items() if name in line)


def answered(session, cells):
    total = 0
    for cell in cells:
        keys = {json.loads(line)["key"] for line in (cell / "requests.jsonl").read_text().splitlines()}
        folder = session.folder.joinpath("journals", *cell.parts[-5:])
        total += len(journal.read(folder, keys).answers)
    return total


def noise(cell):
    """The outcomes of a cell that noise answered: it ends by itself, or at the limit."""
    found = outcomes(cell)
    assert set(found) <= {"ok", "truncated"}
    return found.total()


def test_a_server_killed_three_times_every_sample_answered_once_and_a_new_strategy_alone(weights, tmp_path):
    session = bench(tmp_path, weights, max_tokens=128, video="video_url")
    images, videos = session.clips(40), session.clips(15, frames=4, side=96)
    cells = [
        session.cell(images),
        session.cell(images, "two_step"),
        session.cell(videos, "structured_reasoning"),
    ]
    process = session.start(cells)
    for number, victim in enumerate(("api_server", "EngineCore", "VLLM::Worker")):
        wait_until(lambda number=number: answered(session, cells) >= 10 + 25 * number, START_S)
        os.kill(named(session, victim), signal.SIGKILL)
    said = process.communicate(timeout=2 * START_S)[1]
    assert process.returncode == 0, said
    assert [noise(cell) for cell in cells] == [40, 40, 15]
    assert said.count("starting it again") == 3
    about = session.record(cells[0])
    assert about["version"] == "0.32.0"
    assert len(about["restarts"]) == 3
    assert about["mm_cache_hits"] > 0, "both questions about an image use what was made of it"
    assert session.records() == []

    before = answered(session, cells)
    assert "asked 0, reused 95" in session.infer(cells)
    added = session.cell(images[:5], "visual_grounding")
    said = session.infer([*cells, added], timeout=START_S)
    assert said.count("starting the model server") == 1
    assert "asked 5 (" in said and "reused 95" in said
    assert noise(added) == 5
    assert answered(session, cells) == before


def test_nothing_of_vllm_is_left_10_s_after_kill_9_of_a_session(weights, tmp_path):
    session = bench(tmp_path, weights, max_tokens=512)
    process = session.start([cell := session.cell(session.clips(200))])
    wait_until(lambda: answered(session, [cell]) >= 1, START_S)
    named(session, "VLLM::Worker")
    alive = processes(session)
    assert len(alive) >= 3
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not any(map(running, alive)), 10)
    wait_until(lambda: session.records() == [], 10)


def test_guided_answers_are_in_the_right_form_even_from_noise(weights, tmp_path):
    session = bench(tmp_path, weights, max_tokens=64, guided=True)
    cell = session.cell(session.clips(6))
    session.infer([cell], timeout=START_S)
    finished = [r for r in responses(cell) if r["outcome"] == "ok"]
    assert finished
    for response in finished:
        (value,) = parse(response["text"], (QUESTION,)).values()
        assert value is None or 0 <= value <= 10
        assert list(json.loads(response["text"])) == ["score"]


def test_a_flag_that_vllm_does_not_know_is_told_with_its_words(weights, tmp_path):
    session = bench(tmp_path, weights, serve={"no-such-flag": 1})
    said = session.infer([session.cell(session.clips(1))], status=1, timeout=START_S)
    assert "the model server did not start" in said.splitlines()[-1]
    assert "unrecognized arguments: --no-such-flag" in said
    assert "Traceback" not in said.splitlines()[-1]
