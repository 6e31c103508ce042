"""Whatever Vertex AI, its network or its credentials do: the outcome is right and nothing leaks."""

import json
import re
from pathlib import Path

import pytest
from vertex_bench import request
from vertex_server import TOKEN
from vertex_wire import Fault

from aqa.errors import UserError
from aqa.models import TransientError
from aqa.models._vertex_answers import clean


def ask(vertex, bench, kind, **fault):
    vertex.script = [Fault(kind, **fault)]
    return bench.ask_one(request(bench.clip("v"), "?"), timeout_s=fault.get("seconds", 5) / 2 + 0.3)


@pytest.mark.parametrize(
    ("kind", "outcome", "reason", "error"),
    [
        (
            "blocked",
            "refused",
            "PROHIBITED_CONTENT",
            r"the prompt was blocked \(PROHIBITED_CONTENT: Not allowed\.\)",
        ),
        ("safety", "refused", "SAFETY", r"stopped by the provider \(SAFETY\)"),
        ("budget", "truncated", "MAX_TOKENS", r"thinking used up the token limit \(65535 tokens\)"),
        ("empty", "ok", "STOP", r"no text \(finish reason STOP\)"),
        ("cut", "truncated", "MAX_TOKENS", r"the answer was cut at the token limit"),
        ("other", "refused", "OTHER", r"no text \(finish reason OTHER\)"),
    ],
)
def test_answers_without_a_usable_text_are_told_apart(vertex, bench, kind, outcome, reason, error):
    reply = ask(vertex, bench, kind)
    assert reply.outcome == outcome
    assert reply.finish_reason == reason
    assert re.match(error, reply.error)
    assert (reply.text == "") == (kind != "cut")
    assert reply.usage.prompt_tokens > 280
    assert reply.model_version == vertex.version


def test_a_blocked_prompt_is_not_charged_for_an_answer(vertex, bench):
    assert ask(vertex, bench, "blocked").usage.completion_tokens == 0
    assert ask(vertex, bench, "budget").usage.completion_tokens == 65535


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504])
def test_overload_and_faults_of_the_server_are_transient_and_free(vertex, bench, status):
    with pytest.raises(TransientError, match=f"HTTP {status}: scripted {status}") as caught:
        ask(vertex, bench, "status", status=status)
    assert caught.value.throttled == (status in (429, 503))
    assert caught.value.unbilled
    assert len(vertex.received) == 1, "the SDK does not retry by itself"


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7),
        (
            {"Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            {},
            9,
        ),
        (
            {},
            {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]},
            34.5,
        ),
        ({"Retry-After": "soon"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_server_says_when_to_come_back(vertex, bench, headers, error, seconds):
    with pytest.raises(TransientError) as caught:
        ask(vertex, bench, "status", status=429, headers=headers, error=error)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("reset", "connection failed"),
        ("truncate", "connection failed"),
        ("malformed", "the answer is not valid JSON"),
        ("html", "the answer is not valid JSON"),
        ("no_candidates", "the answer has no candidates"),
    ],
)
def test_broken_answers_are_transient_and_may_have_to_be_paid(vertex, bench, kind, cause):
    with pytest.raises(TransientError, match=cause) as caught:
        ask(vertex, bench, kind)
    assert not caught.value.unbilled
    assert vertex.paid["?"] == 1, "sent once, by us alone"


@pytest.mark.parametrize(("kind", "seconds"), [("hang", 1.0), ("drip", 0.1)])
def test_a_server_that_never_ends_is_given_up(vertex, bench, kind, seconds):
    with pytest.raises(TransientError, match=r"no complete answer within|no answer in time") as caught:
        ask(vertex, bench, kind, seconds=seconds)
    assert caught.value.throttled


def test_no_server_is_transient_and_free(vertex, bench, monkeypatch):
    with pytest.raises(TransientError, match="connection failed") as caught:
        bench.ask_one(request("?"), base_url="http://127.0.0.1:9")
    assert caught.value.unbilled


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (400, {"message": "Unable to process input image.", "status": "INVALID_ARGUMENT"}, "rejected"),
        (400, {"message": "The input token count (1050000) exceeds the maximum."}, "rejected"),
        (413, {}, "rejected"),
    ],
)
def test_what_can_never_be_accepted_is_rejected(vertex, bench, status, error, outcome):
    reply = ask(vertex, bench, "status", status=status, error=error)
    assert reply.outcome == outcome
    assert reply.error.startswith(f"HTTP {status}: ")
    assert reply.sent["model"] == "gemini-3.1-pro-preview"


@pytest.mark.parametrize(
    ("status", "error", "step"),
    [
        (400, {"message": "Unknown name \"topK\" at 'generation_config'"}, "change `sampling` or `options`"),
        (400, {"message": "Thinking level HIGH is not supported"}, "change `sampling` or `options`"),
        (400, {"message": "x", "status": "FAILED_PRECONDITION"}, "change `sampling` or `options`"),
        (401, {}, "gcloud auth application-default login"),
        (403, {"message": "Permission 'aiplatform.endpoints.predict' denied"}, "roles/aiplatform.user"),
    ],
)
def test_what_every_request_would_meet_stops_with_the_next_step(vertex, bench, status, error, step):
    with pytest.raises(UserError, match=step) as caught:
        ask(vertex, bench, "status", status=status, error=error)
    assert str(caught.value).startswith("test.yaml: model 'gemini-3.1-pro-preview' in project 'test-project'")


def test_a_wrong_model_or_project_is_named(vertex, bench):
    with pytest.raises(UserError, match=r"HTTP 404: .*correct `options.model`, `options.project`"):
        bench.ask_one(request("?"), model="gemini-99")
    with pytest.raises(UserError, match=r"project 'another': HTTP 404"):
        bench.ask_one(request("?"), project="another")


def test_a_redirect_is_not_followed(vertex, bench):
    with pytest.raises(UserError, match="HTTP 302"):
        ask(vertex, bench, "redirect")


def test_credentials_that_are_refused_stop_with_the_next_step(vertex, bench, tmp_path, monkeypatch):
    path = Path(tmp_path / "account.json")
    account = json.loads(path.read_text()) | {"token_uri": f"{vertex.url}/no-token"}
    path.write_text(json.dumps(account))
    with pytest.raises(UserError, match=r"credentials are not accepted .*gcloud auth application-default"):
        bench.ask_one(request("?"))


def test_the_token_is_fetched_once_for_many_requests(vertex, bench):
    replies = bench.ask(*(request(f"q{number}", name=f"s{number}") for number in range(40)))
    assert all(reply.outcome == "ok" for reply in replies)
    assert vertex.tokens_given == 1
    assert vertex.paid_online == 40


def test_no_reply_holds_a_token_or_media(vertex, bench):
    echoed = f"bad request Bearer {TOKEN} {TOKEN} " + "QUJD" * 400
    reply = ask(vertex, bench, "status", status=400, error={"message": echoed})
    assert TOKEN not in reply.error
    assert "QUJDQUJD" not in reply.error
    assert reply.error == "HTTP 400: bad request *** *** …"
    assert len(clean("word " * 1000)) == 500
