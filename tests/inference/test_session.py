"""Sessions: ask what is missing, in media-major order, and finish every cell that can be finished."""

import logging
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from scripted import failing, outcomes, start
from session_cells import SETTINGS, Bench, answer, endpoint, request, responses, sha

import aqa.models
from aqa.errors import UserError
from aqa.files import write_jsonl
from aqa.inference import journal
from aqa.models.base import Reply, TransientError
from aqa.records import Usage

SCRIPT = Path(__file__).parents[2] / "scripts" / "infer.py"


def test_responses_come_in_the_order_of_the_requests_and_hold_no_clock(bench, backend):
    requests = [request(name, item="", repeat=i) for i, name in enumerate("dbca")]
    cell = bench.cell(requests)
    start(bench, [cell])
    assert [r["sample_id"] for r in responses(cell)] == list("dbca")
    assert responses(cell)[1] == {
        **{"key": requests[1].key, "sample_id": "b", "item": "", "repeat": 1, "outcome": "ok", "text": "5"},
        **{"reasoning": "", "finish_reason": None, "model_version": None, "error": None},
        "usage": {
            **{"prompt_tokens": 7, "completion_tokens": 1, "reasoning_tokens": None, "cached_tokens": None}
        },
    }


def test_all_requests_about_a_clip_come_one_after_another_over_all_cells(bench, backend):
    first = bench.cell([request(name, "base", clips=[name]) for name in "abc"], "base")
    second = bench.cell([request(name, "guided", clips=[name]) for name in "cab"], "guided")
    third = bench.cell([request(name, "shown", clips=["example", name]) for name in "ab"], "shown")
    start(bench, [first, second, third])
    base = [(name, strategy) for name in "abc" for strategy in ("base", "guided")]
    assert backend.asked == [*base, ("a", "shown"), ("b", "shown")]


def test_a_complete_session_opens_no_backend_and_takes_no_lease(bench, backend):
    cell = bench.cell([request(name) for name in "abc"])
    start(bench, [cell])
    leases = sorted(bench.journal(cell).glob("lease-*"))
    (cell / "responses.jsonl").unlink()
    tally = start(bench, [cell])
    assert (tally.asked, tally.reused, backend.opened) == (0, 3, 1)
    assert sorted(bench.journal(cell).glob("lease-*")) == leases
    assert outcomes(cell) == ["ok"] * 3


def test_only_what_is_missing_is_asked(bench, backend):
    start(bench, [bench.cell([request(name) for name in "ab"])])
    backend.asked.clear()
    cell = bench.cell([request(name) for name in "cabd"])
    tally = start(bench, [cell])
    assert [name for name, _ in backend.asked] == ["c", "d"]
    assert tally.reused == 2
    assert outcomes(cell) == ["ok"] * 4


def test_a_cell_without_requests_gets_an_empty_file(bench, backend):
    cell = bench.cell([])
    start(bench, [cell])
    assert responses(cell) == []
    assert backend.opened == 0


def test_failures_are_asked_again_by_the_next_session_and_rejections_are_not(bench, backend, caplog):
    broken, whole = bench.cell([request(n) for n in "abcd"], "base"), bench.cell([request("e")], "other")

    def script(request):
        if request.sample_id == "b":
            raise TransientError("HTTP 500")
        if request.sample_id == "c":
            return Reply("rejected", error="HTTP 400: too long")
        return Reply("ok", "5")

    backend.script = script
    with caplog.at_level(logging.ERROR), pytest.raises(UserError, match="1 of 2 cells are incomplete"):
        start(bench, [broken, whole])
    assert f"{broken}: 1 of 4 requests failed: HTTP 500 (1)" in caplog.text
    assert not (broken / "responses.jsonl").exists()
    assert outcomes(whole) == ["ok"], "a cell that can be finished is"
    backend.asked.clear()
    backend.script = failing()
    start(bench, [broken, whole])
    assert backend.asked == [("b", "base")]
    assert outcomes(broken) == ["ok", "ok", "rejected", "ok"]
    assert responses(broken)[2]["error"] == "HTTP 400: too long"


@pytest.mark.parametrize(("share", "accepted"), [(0.0, False), (0.24, False), (0.25, True), (1.0, True)])
def test_a_share_of_failures_may_be_accepted(bench, backend, share, accepted):
    backend.script = failing("b")
    cell = bench.cell([request(name) for name in "abcd"])
    if accepted:
        start(bench, [cell], accept_failed=share)
        assert outcomes(cell) == ["ok", "failed", "ok", "ok"]
        assert responses(cell)[1]["error"] == "HTTP 500"
    else:
        with pytest.raises(UserError):
            start(bench, [cell], accept_failed=share)
        assert not (cell / "responses.jsonl").exists()


def test_accepted_failures_are_asked_again_too(bench, backend):
    backend.script = failing("b")
    cell = bench.cell([request(name) for name in "ab"])
    start(bench, [cell], accept_failed=0.5)
    backend.script = failing()
    start(bench, [cell], accept_failed=0.5)
    assert outcomes(cell) == ["ok", "ok"]


def test_an_error_of_the_user_keeps_answers_and_finishes_complete_cells(bench, backend):
    backend.script = failing("c", error=UserError("no such model 'x'"))
    done = bench.cell([request("a", clips=["1"])], "base")
    half = bench.cell([request(n, "other", clips=[n]) for n in "bc"], "other")
    with pytest.raises(UserError, match="no such model 'x'"):
        start(bench, [done, half], accept_failed=1.0)
    assert outcomes(done) == ["ok"]
    assert not (half / "responses.jsonl").exists()
    backend.asked.clear()
    backend.script = failing()
    start(bench, [done, half])
    assert [name for name, _ in backend.asked] == ["c"]


def test_damaged_lines_of_the_journal_are_reported_and_asked_again(bench, backend, caplog):
    cell = bench.cell([request(name) for name in "abc"])
    start(bench, [cell])
    (segment,) = journal.segments(bench.journal(cell))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"rubbish\n" + lines[2])
    backend.asked.clear()
    start(bench, [cell])
    assert len(backend.asked) == 1
    assert caplog.text.count(f"{segment}, line 2") == 1


def test_two_versions_of_a_model_in_a_cell_are_flagged(bench, backend, caplog):
    versions = iter(["v1", "v1", "v2"])
    backend.script = lambda request: Reply("ok", "5", model_version=next(versions))
    cell = bench.cell([request(name) for name in "abc"])
    start(bench, [cell])
    assert "more than one version of the model: v1 (2), v2 (1)" in caplog.text


def test_the_record_of_a_session_says_what_answered(bench, backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-key")
    cell = bench.cell([request(name) for name in "ab"])
    start(bench, [cell])
    text = (bench.journal(cell) / "session.json").read_text()
    record = orjson.loads(text)
    assert record["model"] == "slow"
    assert record["settings"] == SETTINGS
    assert record["outcomes"] == {"ok": 2}
    assert record["tokens"]["prompt_tokens"] == 14
    assert "secret" not in text


def test_what_the_live_model_said_is_recorded_for_every_session_also_where_requests_failed(bench, backend):
    cell = bench.cell([request(name) for name in "ab"])
    backend.facts = lambda: {"server": "1.0", "reuse": 0.5}
    backend.script = failing("b")
    with pytest.raises(UserError):
        start(bench, [cell])
    path = bench.journal(cell) / "session.json"
    record = orjson.loads(path.read_bytes())
    assert (record["backend"], record["earlier"]) == ({"server": "1.0", "reuse": 0.5}, [])
    assert record["outcomes"] == {"ok": 1, "failed": 1}
    backend.facts = lambda: {"server": "2.0"}
    backend.script = failing()
    start(bench, [cell])
    record = orjson.loads(path.read_bytes())
    assert (record["backend"], record["earlier"]) == ({"server": "2.0"}, [{"server": "1.0", "reuse": 0.5}])
    assert record["outcomes"] == {"ok": 2}
    path.write_bytes(b"{damaged")
    start(bench, [bench.cell([request(name) for name in "abc"])])
    assert orjson.loads(path.read_bytes())["earlier"] == []


def test_everything_that_was_sent_and_said_is_in_the_journal_and_no_secret(bench, backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-key")
    usage = Usage(prompt_tokens=7, completion_tokens=5, reasoning_tokens=4, cached_tokens=1)
    sent = {"model": "m", "temperature": 0.7}
    backend.script = lambda request: Reply("ok", "5", "because", "stop", usage, "m-2026", sent=sent)
    asked = request("a")
    cell = bench.cell([asked])
    start(bench, [cell])
    (segment,) = journal.segments(bench.journal(cell))
    line = orjson.loads(segment.read_bytes())
    assert line["response"] == responses(cell)[0]
    assert line["response"]["key"] == asked.key, "the digest of everything that was asked"
    assert line["response"]["reasoning"] == "because"
    assert line["response"]["finish_reason"] == "stop"
    assert line["response"]["usage"] == usage.model_dump()
    assert (line["response"]["model_version"], line["sent"], line["attempts"]) == ("m-2026", sent, 1)
    assert line["latency_s"] >= 0
    assert b"secret" not in segment.read_bytes()


def test_text_that_utf_8_cannot_hold_is_kept_as_far_as_possible(bench, backend):
    backend.script = lambda request: Reply("ok", 'left \ud800 "5"', reasoning="\udfff")
    cell = bench.cell([request("a")])
    start(bench, [cell])
    assert responses(cell)[0]["text"] == 'left ? "5"'


def test_the_summary_counts_everything(bench, backend, caplog):
    caplog.set_level(logging.INFO)
    start(bench, [bench.cell([request(name) for name in "ab"])])
    start(bench, [bench.cell([request(name) for name in "abc"])])
    assert "asked 1 (1 ok), reused 2 from the journal, tokens 7 in, 1 out" in caplog.text


def test_real_http_retries_failures_in_the_next_run_and_never_a_rejection(tmp_path):
    with endpoint(tmp_path, delay=0.001) as server:
        bench = Bench(tmp_path)
        bench.write_model(4, port=server.port)
        names = [*(f"clip-{i}" for i in range(10)), "fail-1", "reject-1"]
        cell = bench.cell([request(name) for name in names])
        for expected in (1, 2):
            said = bench.infer([cell], "--attempts", "1", status=1)
            assert "1 of 12 requests failed: HTTP 500: out of order (1)" in said
            assert server.counts()[request("fail-1").key] == expected
            assert server.counts()[request("reject-1").key] == 1
            assert len(server.received()) == 11 + expected
        bench.infer([cell], "--attempts", "1", "--accept-failed", "0.1")
        assert outcomes(cell) == [*["ok"] * 10, "failed", "rejected"]


def test_an_endpoint_that_is_not_there_is_one_line_and_no_traceback(tmp_path):
    bench = Bench(tmp_path)
    bench.write_model(4, port=1)
    said = bench.infer([bench.cell([request("a")])], "--attempts", "1", status=1)
    assert "no connection" in said
    assert "Traceback" not in said


def test_a_complete_session_loads_no_heavy_library(tmp_path):
    bench = Bench(tmp_path, model="random")
    bench.model_file.write_text("{title: R, backend: baseline, options: {kind: random}}\n")
    settings = aqa.files.digest({"backend": "baseline", "kind": "random", "seed": 1})
    cell = bench.cell([request(f"clip-{i}", settings=settings) for i in range(1500)])
    command = [sys.executable, "-X", "importtime", str(SCRIPT), *bench.command([cell])[2:]]
    asked = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "numpy" in imported(asked.stderr), "drawing answers needs it"
    reused = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "reused 1,500" in reused.stderr
    assert imported(reused.stderr).isdisjoint({"numpy", "scipy", "aiohttp"})


def imported(report):
    return {line.rpartition("|")[2].strip() for line in report.splitlines() if "import time:" in line}


def test_wrong_arguments_are_refused_before_anything_happens(tmp_path):
    bench = Bench(tmp_path)
    bench.write_model(1, backend="slow", port=1)
    cell = bench.cell([request("a")])
    for wrong in (
        ("--accept-failed", "2"),
        ("--attempts", "0"),
        ("--stale-after", "-1"),
        ("--deadline", "x"),
    ):
        assert "usage" in bench.infer([cell], *wrong, status=2)
    write_jsonl(cell / "samples.jsonl", [{"sample_id": 1}])
    said = bench.infer([cell], "--samples", str(cell / "samples.jsonl"), status=1)
    assert "samples.jsonl, line 1" in said


def test_any_other_answer_supersedes_a_rejection_and_nothing_supersedes_an_answer(tmp_path):
    folder = tmp_path / "journal"
    keys = {sha("a"), sha("b")}

    for both in (("rejected", "ok"), ("ok", "rejected"), ("rejected", "rejected")):
        with journal.Writer(lambda _: None) as writer:
            for name, outcome in zip("ab", both, strict=True):
                writer.append(folder, answer(sha(name), text=f"{name}-{both}", outcome=outcome))
    contents = journal.read(folder, keys)
    assert contents.rejected == set()
    texts = [
        found.response.text for found in journal.fetch(contents.answers[key] for key in (sha("a"), sha("b")))
    ]
    assert texts == ["a-('ok', 'rejected')", "b-('rejected', 'ok')"]


def test_a_rejection_is_final_until_it_is_asked_again_on_request(bench, backend, caplog):
    requests = [request(name) for name in "abc"]
    cell = bench.cell(requests)
    accepted = backend.script
    backend.script = lambda asked: (
        Reply("rejected", error="HTTP 400: at most 1 image") if asked.sample_id != "c" else accepted(asked)
    )
    caplog.set_level(logging.WARNING, logger="aqa")
    logging.getLogger("aqa").propagate = True
    start(bench, [cell])
    assert outcomes(cell) == ["rejected", "rejected", "ok"]
    assert "2 of 3 requests were rejected for good" in caplog.text
    assert "HTTP 400: at most 1 image" in caplog.text
    backend.asked.clear()
    start(bench, [cell])
    assert backend.asked == []
    backend.script = accepted
    start(bench, [cell], ask_rejected=True)
    assert [sample for sample, _ in backend.asked] == ["a", "b"]
    assert outcomes(cell) == ["ok", "ok", "ok"]
    start(bench, [cell])
    assert outcomes(cell) == ["ok", "ok", "ok"]
    assert len(backend.asked) == 2
