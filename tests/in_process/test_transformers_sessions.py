"""Whole sessions of scripts/infer.py over a model in its own process: nothing lost, nothing asked twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import orjson
import pytest
from local_models import Bench, film, responses

pytestmark = pytest.mark.transformers

STRATEGIES = ("base", "two_step", "structured_reasoning")
KILLS = 4


def cells(bench: Bench, clips: int = 5) -> list[Path]:
    parts = [film(bench.media, f"clip{number}", range(7 * number, 7 * number + 6)) for number in range(clips)]
    return [bench.cell(strategy, parts) for strategy in STRATEGIES]


def without_torch(folder: Path) -> dict[str, str]:
    """An environment in which torch cannot be imported."""
    (folder / "torch.py").write_text("raise ImportError('torch is not to be imported')\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_several_cells_are_asked_clip_by_clip_and_a_finished_session_loads_nothing(
    weights: Path, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, weights)
    made = cells(bench)
    bench.infer(made)
    written = {cell: (cell / "responses.jsonl").read_bytes() for cell in made}
    answers = [response for cell in made for response in responses(cell)]
    assert len(answers) == 15
    assert {answer["outcome"] for answer in answers} <= {"ok", "truncated"}
    assert len({answer["text"] for answer in answers}) > 10
    assert sum(answer["usage"]["cached_tokens"] > 0 for answer in answers) == 10
    for cell in made:
        (cell / "responses.jsonl").unlink()
    said = bench.infer(made, env=without_torch(tmp_path))
    assert "asked 0, reused 15" in said
    assert {cell: (cell / "responses.jsonl").read_bytes() for cell in made} == written
    assert len(set(bench.answered())) == len(bench.answered()) == 15


def test_cell_by_cell_the_answers_are_the_same(weights: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("together", "apart"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name, weights, {"temperature": 0.9, "top_p": 0.9, "max_tokens": 10})
        made = cells(bench, clips=2)
        for group in [made] if name == "together" else [[cell] for cell in reversed(made)]:
            bench.infer(group)
        texts.append([[response["text"] for response in responses(cell)] for cell in made])
    assert texts[0] == texts[1]


def test_a_new_strategy_asks_only_its_own_cell(weights: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path, weights)
    *before, added = cells(bench, clips=3)
    bench.infer(before)
    assert len(bench.answered()) == 6
    said = bench.infer([*before, added])
    assert "asked 3 (" in said and "reused 6" in said
    assert len(set(bench.answered())) == len(bench.answered()) == 9


def test_kill_9_at_random_moments_loses_and_doubles_nothing(weights: Path, tmp_path: Path) -> None:
    moments = random.Random(8)
    bench = Bench(tmp_path, weights, {"temperature": 0, "min_tokens": 60, "max_tokens": 61})
    made = cells(bench, clips=12)
    seen = 0
    for _ in range(KILLS):
        with bench.start(made, start_new_session=True) as process:
            until = time.monotonic() + 60
            while len(bench.answered()) <= seen and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(moments.uniform(0, 0.3))
            os.killpg(process.pid, signal.SIGKILL)
        assert len(bench.answered()) > seen, "the session was killed before it had answered anything"
        seen = len(bench.answered())
    assert seen < 36, "the kills came too late to prove anything"
    bench.infer(made)
    assert len(set(bench.answered())) == len(bench.answered()) == 36
    assert [len(responses(cell)) for cell in made] == [12, 12, 12]


def test_a_signal_ends_a_long_answer(weights: Path, tmp_path: Path) -> None:
    """Each answer takes minutes: only the check between layers lets the session end in time."""
    bench = Bench(tmp_path, weights, {"temperature": 0, "min_tokens": 7000, "max_tokens": 7001})
    made = cells(bench, clips=2)
    with bench.start(made) as process:
        assert process.stderr is not None
        lease = bench.journals.joinpath(*made[0].parts[-5:])
        until = time.monotonic() + 60
        while not lease.exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(5)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 143, said
    assert "stopped by SIGTERM; run again to go on" in said


def test_the_session_records_what_ran(weights: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path, weights)
    made = cells(bench, clips=2)
    bench.infer(made, env={**os.environ, "OMP_NUM_THREADS": "1"})
    [version] = {response["model_version"] for cell in made for response in responses(cell)}
    for cell in made:
        path = bench.journals.joinpath(*cell.parts[-5:], "session.json")
        record = orjson.loads(path.read_bytes())
        assert record["identity"]["weights"].startswith(version.removeprefix("sha256:"))
        assert record["model_versions"] == {version: 2}
        facts = record["backend"]
        assert facts["prefix"]["requests"] == 6
        assert 0.4 < facts["prefix"]["reused_tokens"] / facts["prefix"]["prompt_tokens"] < 0.7
        assert (facts["device"], facts["threads"]) == ("cpu", 1)
        assert facts["parameters"] > 500_000
        assert set(facts["versions"]) >= {"torch", "transformers"}
