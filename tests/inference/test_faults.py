"""Fault scripts over real HTTP, each resumed until all is answered: nothing lost, doubled or mistaken.

Every sample asks for its own name and the server repeats it, so an answer that went to the wrong sample
shows. The server fails as its script says, one fault a request in the order of their arrival.
"""

import errno
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from session_cells import Bench, request, responses

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.files import digest
from aqa.inference import journal
from aqa.inference.scheduler import Limits
from aqa.inference.session import Plan, run
from openai_faults import Fault
from openai_server import Server, echo

SAMPLES = 12
CONCURRENCY = 4


def status(*numbers, **fields):
    return [Fault("status", status=number, **fields) for number in numbers]


def error_200(code):
    return [Fault("error_in_200", body={"error": {"message": "scripted", "code": code}})]


def cut(reason, text):
    body = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return [Fault("message", body=body)]


ALL_SORTS = [
    *(Fault(kind) for kind in ("reset", "truncate", "malformed", "html", "empty_choices", "no_message")),
    *(Fault(kind) for kind in ("no_reason", "abort", "duplicate_id", "content_filter", "refusal")),
    *status(429, 500, 502, 503, 504, 408, 409, 400, 413, 422),
]

SCRIPTS = {
    "429 in a burst, with Retry-After": status(*[429] * 12, headers={"Retry-After": "0.01"}),
    "429 again and again, without": status(*[429] * 40),
    "503 while a server starts": status(*[503] * 20),
    "500 here and there": [fault for _ in range(6) for fault in (Fault("duplicate_id"), *status(500))],
    "500 for all": status(*[500] * 50),
    "bad gateways": status(502, 504, 502, 504, 502, 504, 408, 409, 425, 499),
    "connections are reset": [Fault("reset")] * 10,
    "answers break off": [Fault("truncate")] * 10,
    "JSON breaks off": [Fault("malformed")] * 10,
    "a login page instead of JSON": [Fault("html")] * 10,
    "an answer that does not end": [Fault("huge")] * 2,
    "hangs": [Fault("hang", seconds=30)] * 5,
    "slow drips": [Fault("drip", seconds=0.05)] * 5,
    "the same id for every answer": [Fault("duplicate_id")] * 30,
    "no choices": [Fault("empty_choices")] * 10,
    "no message, no reason, given up": [Fault(k) for k in ("no_message", "no_reason", "abort")] * 4,
    "errors inside of 200": [*error_200(503), *error_200(500), *error_200(429), *error_200("overloaded")] * 3,
    "content filters": [Fault("content_filter")] * 3 + [Fault("refusal")] * 2,
    "filters before the model": status(
        *[400] * 3, body={"error": {"message": "no", "code": "content_filter"}}
    ),
    "requests that are too long": status(400, 413, 422),
    "answers that are cut": cut("length", "half an") * 3,
    "answers that are empty": cut("stop", None) * 2 + cut("stop", "") * 2,
    "a key that expires": [*status(500), *[Fault("duplicate_id")] * 3, *status(401, 401, 401, 401)],
    "redirects": [Fault("redirect")] * 3,
    "all sorts": ALL_SORTS,
    "all sorts, backwards": ALL_SORTS[::-1],
}

FINAL = {
    "content_filter": "refused",
    "refusal": "refused",
    ("status", 400): "rejected",
    ("status", 413): "rejected",
    ("status", 422): "rejected",
}
"""Faults that are answers: the outcome of the request that meets one. After all others it is asked again."""


def final(fault):
    if fault.kind == "message":
        return "truncated" if fault.body["finish_reason"] == "length" else "empty"
    if fault.kind == "status" and fault.body is not None:
        return "refused"
    return FINAL.get(fault.kind) or FINAL.get((fault.kind, fault.status))


@dataclass
class World:
    """A server, cells of a model that it serves, and sessions over them. `cell` is the first."""

    bench: Bench
    server: Server
    settings: str
    cells: list = field(default_factory=list)
    sessions: int = 0

    @property
    def cell(self):
        return self.cells[0]

    def add_cell(self, word):
        names = [f"{word}-{i:02d}" for i in range(SAMPLES)]
        asked = [request(name, name, settings=self.settings, clips=[]) for name in names]
        self.cells.append(self.bench.cell(asked, word))
        return self.cells[-1]

    def session(self, **limits):
        """Run a session over all cells; return the error that it ended with, if any."""
        self.sessions += 1
        plan = Plan(
            model_id=self.bench.model,
            model_file=self.bench.model_file,
            cells=self.cells,
            journals=self.bench.journals,
            media=self.bench.folder,
            seed=1,
            limits=Limits(attempts=2, backoff_s=0.002, **limits),
        )
        try:
            run(plan)
        except UserError as error:
            return str(error)
        return None

    def asked(self):
        return Counter(received.texts[-1] for received in self.server.received if received.texts)


@pytest.fixture
def world(tmp_path):
    with Server(answer=echo) as server:
        bench = Bench(tmp_path)
        options = {"model": "test-model", "base_url": server.url}
        bench.write_model(CONCURRENCY, backend="openai", **options)
        file = ModelFile(title="T", backend="openai", options=options)
        identity = models.create(file, models.Context(media=tmp_path, seed=1)).identity()
        world = World(bench, server, digest(identity))
        world.add_cell("sample")
        yield world


def check(world, outcomes):
    """Everything is answered once, in order, by its own answer; and a further session asks nothing."""
    written = responses(world.cell)
    assert [r["sample_id"] for r in written] == [f"sample-{i:02d}" for i in range(SAMPLES)]
    for response in written:
        if response["outcome"] == "ok" and response["text"]:
            assert response["text"] == response["sample_id"], "an answer of another sample"
    shown = Counter(
        "empty" if r["outcome"] == "ok" and not r["text"] else r["outcome"]
        for r in written
        if r["outcome"] != "ok" or not r["text"]
    )
    assert shown == outcomes
    lines = [line for s in journal.segments(world.bench.journal(world.cell)) for line in s.open("rb")]
    answers = Counter(key for line in lines for key in _answered(line))
    assert set(answers.values()) == {1}, "an answer is in the journal twice"
    before = len(world.server.received)
    assert world.session() is None
    assert len(world.server.received) == before, "a finished cell was asked again"
    assert responses(world.cell) == written


def _answered(line):
    try:
        record = journal.Answer.model_validate_json(line)
    except ValueError:
        return
    yield record.response.key


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_every_fault_script_ends_with_every_answer(world, script):
    world.server.script = list(script)
    slow = any(fault.kind in ("hang", "drip") for fault in script)
    if slow:
        options = {"model": "test-model", "base_url": world.server.url, "timeout_s": 0.4}
        world.bench.write_model(CONCURRENCY, backend="openai", **options)
    for _ in range(12):
        if world.session() is None:
            break
    else:
        pytest.fail("twelve sessions were not enough")
    assert not slow or not world.server.script
    met = script[: len(script) - len(world.server.script)]
    check(world, Counter(outcome for fault in met if (outcome := final(fault))))
    again = sum(1 for fault in met if fault.kind != "duplicate_id" and not final(fault))
    repeats = len(world.server.received) - SAMPLES
    assert repeats == again or (slow and repeats > again), "one repeat for each fault that needs one, no more"


def test_a_disk_that_is_full_for_a_while_loses_only_what_was_in_flight(world, monkeypatch):
    room = [1500]
    write = os.write

    def full(file, data):
        if Path(f"/proc/self/fd/{file}").readlink().suffix != ".jsonl":
            return write(file, data)
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, bytes(data)[: room[0]])  # The last write is short, as on a real disk.
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    for more in (1500, 1500, 10**9):
        assert "make room and run again: what was answered before is kept" in world.session()
        room[0] = more
    assert world.session() is None
    check(world, Counter())
    assert len(world.server.received) <= SAMPLES + (world.sessions - 2) * CONCURRENCY


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.thorough, id="every byte"), pytest.param(29, id="some bytes")]
)
def test_a_journal_torn_in_its_last_line_asks_that_request_again_and_no_other(world, step):
    assert world.session() is None
    (segment,) = journal.segments(world.bench.journal(world.cell))
    whole = segment.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    first = responses(world.cell)
    for size in [*range(last, len(whole), step), len(whole) - 1]:
        for other in journal.segments(segment.parent):
            other.unlink()
        segment.write_bytes(whole[:size])
        before = world.asked()
        assert world.session() is None
        again = world.asked() - before
        assert sum(again.values()) == 1
        assert set(again) == {journal.Answer.model_validate_json(whole[last:]).response.sample_id}
        assert responses(world.cell) == first


def test_a_cell_that_always_gets_400_and_one_that_fails_for_now_hold_nobody_up(world):
    """The next session asks what failed for now, and nothing else."""
    long, flaky = (world.add_cell(word) for word in ("long", "flaky"))
    faults = {"long": Fault("status", status=400), "flaky": Fault("status", status=500)}
    world.server.choose = lambda text: faults.get(text.partition("-")[0])
    error = world.session(breaker=10_000)
    assert error.startswith("1 of 3 cells are incomplete"), "only the cell that fails for now"
    assert {r["outcome"] for r in responses(world.cell)} == {"ok"}
    assert {r["outcome"] for r in responses(long)} == {"rejected"}
    assert not (flaky / "responses.jsonl").exists()
    before = world.asked()
    assert {before[f"{word}-{i:02d}"] for word in ("sample", "long") for i in range(SAMPLES)} == {1}
    del faults["flaky"]
    assert world.session() is None
    assert world.asked() - before == Counter(f"flaky-{i:02d}" for i in range(SAMPLES))
    assert {r["outcome"] for r in responses(flaky)} == {"ok"}
    assert [r["text"] for r in responses(flaky)] == [r["sample_id"] for r in responses(flaky)]
