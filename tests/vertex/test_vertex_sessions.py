"""Whole sessions on Vertex AI through scripts/infer.py: nothing lost, nothing paid twice, nothing leaked."""

import base64
import json
import os
import re
import signal

import pytest
from vertex_bench import responses
from vertex_server import PROJECT, TOKEN, wait_until
from vertex_wire import Fault

from aqa.errors import UserError
from aqa.models._vertex_batch import Jobs


def texts(number, prefix=""):
    return [f"{prefix}q{position:02d}" for position in range(number)]


def paid_once(vertex, asked):
    assert vertex.paid == dict.fromkeys(asked, 1)


def test_a_session_online_answers_all_and_a_second_one_asks_nothing(vertex, bench):
    bench.model()
    cell = bench.cell(4)
    said = bench.infer(cell)
    assert [response["text"] for response in responses(cell)] == [f"answer to {t}" for t in texts(4)]
    assert "4 ok" in said
    paid_once(vertex, texts(4))
    bench.infer(cell)
    assert vertex.paid_online == 4


def test_journals_hold_costs_and_facts_but_no_secret_and_no_media(vertex, bench, key_text):
    bench.model()
    cell = bench.cell(2)
    bench.run(cell)
    answers = [line for line in bench.lines(cell) if line["kind"] == "answer"]
    for answer in answers:
        usage = answer["response"]["usage"]
        cost = (usage["prompt_tokens"] - 3) * 2e-6 + 3 * 0.2e-6 + usage["completion_tokens"] * 12e-6
        assert answer["cost_usd"] == pytest.approx(cost, abs=1e-9)
        assert answer["sent"]["frames"] == answer["sent"]["frames_counted"] == 4
    record = (bench.journal(cell) / "session.json").read_text()
    assert '"google-genai": "2.' in record
    assert f"vertex-{PROJECT}" in record
    written = bench.written()
    assert TOKEN.encode() not in written
    assert key_text.splitlines()[5].encode() not in written
    for path in bench.media.glob("*.zip"):
        assert base64.b64encode(path.read_bytes()[200:260]) not in written
    assert not re.search(rb"[A-Za-z0-9+/_-]{200,}", written)


def test_transient_faults_are_asked_again_and_paid_once(vertex, bench):
    bench.model(timeout_s=5)
    cell = bench.cell(6, media=False)
    vertex.script = [Fault(status=429, headers={"Retry-After": "0"}), Fault(status=503), Fault(status=500)]
    bench.run(cell)
    paid_once(vertex, texts(6))


def test_one_wrong_request_does_not_hold_up_the_others(vertex, bench):
    bench.model()
    cell = bench.cell(3, media=False)
    vertex.script = [Fault(status=400, error={"message": "Unable to process input video."})]
    bench.run(cell)
    outcomes = sorted(response["outcome"] for response in responses(cell))
    assert outcomes == ["ok", "ok", "rejected"]


def test_a_cap_in_money_stops_before_it_is_passed(vertex, bench):
    bench.model(sampling={"max_output_tokens": 1000})
    cell = bench.cell(5, media=False)
    with pytest.raises(UserError, match=r"inference.max_cost_usd is 0.0124"):
        bench.run(cell, usd=0.0124)
    assert vertex.paid_online < 5
    bench.run(cell)
    paid_once(vertex, texts(5))


# Batches


def test_a_batch_is_shuffled_staged_without_names_and_joined_by_label(vertex, bench, storage):
    bench.model(mode="batch")
    cell = bench.cell(7)
    staged = []
    vertex.on_create = lambda: staged.extend(storage.names())
    said = bench.infer(cell)
    assert [response["text"] for response in responses(cell)] == [f"answer to {t}" for t in texts(7)]
    assert "7 requests are in the batch projects/987654" in said
    assert vertex.paid_online == 0
    paid_once(vertex, texts(7))
    assert len(staged) == 1 + 4, "each clip is staged once"
    assert not any("clip" in name or "q0" in name for name in staged)
    assert storage.names() == [], "and deleted at the end"
    bench.infer(cell)
    assert (vertex.created, vertex.paid_online) == (1, 0)


def test_a_batch_costs_half_and_says_so(vertex, bench):
    bench.model(mode="batch")
    cell = bench.cell(2)
    bench.run(cell)
    [intent] = bench.intents(cell)
    assert intent["settled"]
    assert intent["account"] == f"vertex-{PROJECT}"
    for answer in bench.lines(cell):
        usage = answer["response"]["usage"]
        cost = (usage["prompt_tokens"] - 3) * 2e-6 + 3 * 0.2e-6 + usage["completion_tokens"] * 12e-6
        assert answer["cost_usd"] == pytest.approx(cost / 2, abs=1e-9)
        assert answer["sent"]["batch"] == intent["job"]
        assert answer["sent"]["frames_counted"] == 4
        assert answer["cost_usd"] < intent["reserved"][answer["response"]["key"]]
    assert re.fullmatch(r"[0-9a-f]{64}", intent["name"])
    record = json.loads((bench.journal(cell) / "session.json").read_text())
    assert record["backend"]["frames_counted"] == {"right": 2}
    assert not re.search(rb"[A-Za-z0-9+/_-]{200,}", bench.written())


def test_both_modes_ask_the_same(vertex, bench):
    seen = []
    vertex.answer = lambda received: str(seen.append((received.config, received.roles, received.clips[0][2])))
    for mode in ("online", "batch"):
        bench.model(mode=mode)
        bench.run(bench.cell(1, strategy=mode))
    online, batch = seen
    assert online == batch


@pytest.mark.parametrize("rows", ["next_run", "online"])
def test_failed_rows_are_asked_again_when_the_user_wants(vertex, bench, rows):
    bench.model(mode="batch", failed_rows=rows)
    cell = bench.cell(6, media=False)
    vertex.bad_rows = {"q01": 'Error: {"error": {"code": 503, "message": "overloaded"}}'}
    vertex.lost_rows = {"q02"}
    vertex.bad_rows["q03"] = 'Bad Request: {"error": {"code": 400, "message": "no", "status": "INVALID"}}'
    vertex.job_state = "JOB_STATE_PARTIALLY_SUCCEEDED"
    if rows == "online":
        bench.run(cell)
        assert vertex.paid_online == 2
    else:
        with pytest.raises(UserError, match="1 of 1 cells are incomplete"):
            bench.run(cell)
        causes = [line["cause"] for line in bench.lines(cell) if line["kind"] == "attempt"]
        assert sorted(cause.partition(" ")[0] for cause in causes) == ["batch", "the"]
        assert vertex.paid_online == 0
        vertex.bad_rows, vertex.lost_rows = {}, set()
        bench.run(cell)
        assert [job.rows for job in vertex.jobs] == [6, 2]
    outcomes = {response["sample_id"]: response["outcome"] for response in responses(cell)}
    assert outcomes.pop("q03") == "rejected"
    assert set(outcomes.values()) == {"ok"}
    paid_once(vertex, [text for text in texts(6) if text != "q03"])


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
def test_a_job_that_ends_badly_frees_its_requests(vertex, bench, state):
    bench.model(mode="batch")
    cell = bench.cell(3, media=False)
    vertex.job_state = f"JOB_STATE_{state}"
    with pytest.raises(UserError):
        bench.run(cell)
    assert {line["cause"] for line in bench.lines(cell)} == {
        f"the batch has no row for it ({state.lower()}{': Internal error occurred.' * (state == 'FAILED')})"
    }
    vertex.job_state = "JOB_STATE_SUCCEEDED"
    bench.run(cell)
    paid_once(vertex, texts(3))
    assert vertex.created == 2


def test_a_paused_job_is_named_and_keeps_its_requests(vertex, bench):
    bench.model(mode="batch")
    cell = bench.cell(3, media=False)
    vertex.job_state = "JOB_STATE_PAUSED"
    for _ in range(2):
        with pytest.raises(UserError, match=r"paused by somebody: projects/987654\S+1000; resume or cancel"):
            bench.run(cell)
    vertex.jobs[0].state = "JOB_STATE_SUCCEEDED"
    bench.run(cell)
    assert vertex.created == 1
    paid_once(vertex, texts(3))


def test_a_stop_between_submit_and_fetch_goes_on_by_name(vertex, bench):
    bench.model(mode="batch")
    cell = bench.cell(4, media=False)
    vertex.job_looks = 10**6
    with bench.start(cell) as process:
        wait_until(lambda: bench.intents(cell) and bench.intents(cell)[0]["state"] == "created")
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(30) == 143
    vertex.jobs[0].looks = 0
    bench.run(cell)
    assert vertex.created == 1
    paid_once(vertex, texts(4))


def test_a_kill_between_create_and_the_record_of_its_name_pays_nothing_twice(vertex, bench, storage):
    bench.model(mode="batch")
    cell = bench.cell(4)
    processes = []
    vertex.on_create = lambda: os.killpg(processes[0].pid, signal.SIGKILL)
    with bench.start(cell) as process:
        processes.append(process)
        assert process.wait(60) == -signal.SIGKILL
    [intent] = bench.intents(cell)
    assert (intent["state"], intent["job"]) == ("creating", None)
    vertex.on_create = None
    bench.run(cell)
    assert vertex.created == 1
    paid_once(vertex, texts(4))
    assert storage.names() == []


def test_a_job_whose_creation_was_not_confirmed_is_not_created_again(vertex, bench):
    bench.model(mode="batch")
    cell = bench.cell(2, media=False)
    vertex.job_script = [Fault(), Fault(""), Fault("reset")]  # The listing, once more, and `create`.
    bench.run(cell)
    assert vertex.created == 1
    paid_once(vertex, texts(2))


def test_a_job_that_is_listed_late_is_found(vertex, bench, monkeypatch):
    bench.model(mode="batch")
    cell = bench.cell(2, media=False)

    async def create(jobs, name, folder):
        await created(jobs, name, folder)
        raise KeyboardInterrupt

    created = Jobs.create
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "create", create)
        with pytest.raises(KeyboardInterrupt):
            bench.run(cell)
    vertex.listed_late = 1
    bench.run(cell)
    assert vertex.created == 1
    paid_once(vertex, texts(2))


def test_an_intent_without_a_job_is_forgotten_and_asked_again(vertex, bench, storage):
    bench.model(mode="batch")
    cell = bench.cell(3)
    vertex.job_script = [Fault(status=403)]
    with pytest.raises(UserError, match=r"batch jobs in projects/test-project/locations/global.*HTTP 403"):
        bench.run(cell)
    assert [intent["state"] for intent in bench.intents(cell)] == ["intended"]
    assert storage.names() != []
    bench.model(mode="online")
    bench.run(cell)
    assert bench.intents(cell) == []
    assert storage.names() == []
    assert vertex.created == 0
    paid_once(vertex, texts(3))


def test_a_switch_to_online_in_the_middle_of_a_batch_pays_nothing_twice(vertex, bench):
    bench.model(mode="batch", batch_requests=3)
    cell = bench.cell(5, media=False)
    vertex.job_state = "JOB_STATE_PAUSED"
    with pytest.raises(UserError, match="paused"):
        bench.run(cell)
    assert [len(intent["reserved"]) for intent in bench.intents(cell)] == [3, 2] or vertex.created == 2
    vertex.jobs[0].state = vertex.jobs[1].state = "JOB_STATE_SUCCEEDED"
    vertex.jobs[0].looks = 2
    vertex.bad_rows = {"q00": "Error: code 503"}
    bench.model(mode="online")
    bench.run(cell)
    assert vertex.paid_online == 1, "what failed in the batch, and nothing else"
    paid_once(vertex, texts(5))


def test_new_questions_are_asked_online_while_a_batch_is_live(vertex, bench):
    bench.model(mode="batch")
    cell = bench.cell(2, media=False)
    vertex.job_state = "JOB_STATE_PAUSED"
    with pytest.raises(UserError, match="paused"):
        bench.run(cell)
    bench.model(mode="online")
    bench.cell(4, media=False)
    with pytest.raises(UserError, match="paused"):
        bench.run(cell)
    assert vertex.paid == {"q02": 1, "q03": 1}
    vertex.jobs[0].state = "JOB_STATE_SUCCEEDED"
    bench.run(cell)
    paid_once(vertex, texts(4))


def test_a_batch_of_another_project_is_not_asked_again(vertex, bench):
    bench.model(mode="batch")
    cell = bench.cell(2, media=False)
    vertex.job_state = "JOB_STATE_PAUSED"
    with pytest.raises(UserError, match="paused"):
        bench.run(cell)
    bench.model(project="another")
    with pytest.raises(UserError, match=r"a batch is live in projects/test-project.*go back until"):
        bench.run(cell)


def test_jobs_are_split_at_the_limits_of_the_provider(vertex, bench):
    bench.model(mode="batch", batch_requests=2)
    cell = bench.cell(5, media=False)
    bench.run(cell)
    assert sorted(job.rows for job in vertex.jobs) == [1, 2, 2]
    paid_once(vertex, texts(5))
    bench.model(mode="batch", batch_mb=0.0009)
    second = bench.cell(4, strategy="two", media=False)
    bench.run(second)
    assert sum(job.rows for job in vertex.jobs[3:]) == 4
    assert all(job.rows < 3 for job in vertex.jobs[3:])


def test_all_cells_of_a_session_wait_at_once(vertex, bench):
    bench.model(mode="batch", session="model")
    cells = [bench.cell(2, strategy=name, media=False) for name in ("base", "two")]
    created = []
    vertex.on_create = lambda: created.append(len([job for job in vertex.jobs if job.written]))
    bench.run(*cells)
    assert created == [0, 0], "both are created before either is waited for"
    assert vertex.paid == dict.fromkeys([*texts(2), *texts(2, "two ")], 1)


def test_a_cap_holds_for_batches_over_sessions(vertex, bench):
    bench.model(mode="batch", sampling={"max_output_tokens": 1000})
    cell = bench.cell(4, media=False)
    with pytest.raises(UserError, match=r"inference.max_requests is 3"):
        bench.run(cell, requests=3)
    assert [job.rows for job in vertex.jobs] == [2], "as many as fit, by halves"
    with pytest.raises(UserError, match=r"inference.max_requests is 3"):
        bench.run(cell, requests=3)
    assert [job.rows for job in vertex.jobs] == [2, 1]
    bench.run(cell)
    paid_once(vertex, texts(4))


def test_live_batches_count_against_the_cap_of_online_requests(vertex, bench):
    bench.model(mode="batch", sampling={"max_output_tokens": 1000})
    cell = bench.cell(2, media=False)
    vertex.job_state = "JOB_STATE_PAUSED"
    with pytest.raises(UserError, match="paused"):
        bench.run(cell)
    reserved = sum(bench.intents(cell)[0]["reserved"].values())
    assert reserved == pytest.approx(2 * 0.006, rel=0.1)
    bench.model(sampling={"max_output_tokens": 1000})
    other = bench.cell(1, strategy="two", media=False)
    with pytest.raises(UserError, match=r"inference.max_cost_usd is 0.02\b"):
        bench.run(other, usd=0.02)
    assert vertex.paid_online == 0


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_a_kill_while_rows_are_journaled_repeats_none(vertex, bench, storage, monkeypatch, kept):
    bench.model(mode="batch")
    cell = bench.cell(5, media=False)

    async def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "clear", kill)
        with pytest.raises(KeyboardInterrupt):
            bench.run(cell)
    [segment] = bench.journal(cell).glob("segment-*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:kept]) + (lines[kept][:50] if kept < 5 else b""))
    bench.run(cell)
    assert [response["outcome"] for response in responses(cell)] == ["ok"] * 5
    assert vertex.created == 1
    paid_once(vertex, texts(5))
    second = [path for path in bench.journal(cell).glob("segment-*.jsonl") if path != segment]
    assert sum(path.read_bytes().count(b"\n") for path in second) == 5 - kept
    [intent] = bench.intents(cell)
    assert (intent["state"], intent["settled"], storage.names()) == ("collected", True, [])
