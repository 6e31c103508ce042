"""Backend `openai` against a real HTTP server: what becomes of every answer."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.files import dumps
from aqa.models import Context, TransientError, _chat, _transport
from openai_faults import Fault
from openai_requests import SECRET, ask, ask_all, clip, faulty, jpeg, model_file, request
from openai_server import Server, ServerProcess, server_fixture  # noqa: F401

# What becomes of answers


def test_an_answer_carries_text_reasoning_usage_and_version(server: Server, tmp_path: Path) -> None:
    server.rules.reasoning = "I look at the hips and knees."
    reply = ask(model_file(server.url), tmp_path, request("Judge."))
    assert (reply.outcome, reply.text, reply.error) == ("ok", '{"answer": "A"}', None)
    assert reply.reasoning == "I look at the hips and knees."
    assert (reply.finish_reason, reply.model_version) == ("stop", "test-model")
    assert reply.usage.model_dump() == {
        "prompt_tokens": 6,
        "completion_tokens": 4,
        "reasoning_tokens": 7,
        "cached_tokens": 3,
    }


def test_the_older_reasoning_field_and_content_in_parts_are_read(server: Server, tmp_path: Path) -> None:
    message = {"content": [{"type": "text", "text": "A"}], "reasoning_content": "Because."}
    reply = faulty(server, tmp_path, "message", body={"message": message})
    assert (reply.text, reply.reasoning) == ("A", "Because.")


def test_an_answer_at_the_token_limit_is_truncated(server: Server, tmp_path: Path) -> None:
    reply = ask(model_file(server.url, {"max_tokens": 2}), tmp_path, request("Judge."))
    assert (reply.outcome, reply.text, reply.finish_reason) == ("truncated", '{"answer', "length")
    assert reply.error == "the answer was cut at the token limit"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("content_filter", "stopped by the provider's content filter"),
        ("refusal", "I cannot judge people."),
    ],
)
def test_an_answer_that_was_held_back_is_refused(
    server: Server, tmp_path: Path, kind: str, error: str
) -> None:
    reply = faulty(server, tmp_path, kind)
    assert (reply.outcome, reply.error) == ("refused", error)


@pytest.mark.parametrize("content", [None, "", " \n", []])
@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("stop", "ok"), ("tool_calls", "ok"), ("length", "truncated"), ("content_filter", "refused")],
)
def test_an_empty_answer_is_the_models_own_unless_the_server_cut_it_or_held_it_back(
    server: Server, tmp_path: Path, content: Any, reason: str, outcome: str
) -> None:
    body = {"message": {"content": content}, "finish_reason": reason}
    reply = faulty(server, tmp_path, "message", body=body)
    assert (reply.outcome, reply.text.strip(), reply.finish_reason) == (outcome, "", reason)
    assert reply.error, "why there is nothing to read is said in every case"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "content_filter", "message": "filtered"}}),
        (400, {"error": {"message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
        (403, {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}}),
    ],
)
def test_an_input_that_a_provider_filters_is_refused(
    server: Server, tmp_path: Path, status: int, body: Any
) -> None:
    assert faulty(server, tmp_path, status=status, body=body).outcome == "refused"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_can_never_be_accepted_is_rejected(
    server: Server, tmp_path: Path, status: int
) -> None:
    reply = faulty(server, tmp_path, status=status)
    assert (reply.outcome, reply.error) == ("rejected", f"HTTP {status}: scripted {status}")


def test_the_servers_own_refusals_are_rejected_with_its_words(server: Server, tmp_path: Path) -> None:
    server.rules.max_images = 2
    server.rules.context = 600
    model = model_file(server.url, {"max_tokens": 500})
    broken = jpeg(1)[:200]
    cases = {
        "At most 2 image": request(clip(tmp_path, "many", [jpeg(1)] * 3), "Judge."),
        "Failed to load image": request(clip(tmp_path, "broken", [broken], "image"), "Judge."),
        "maximum context length is 600 tokens": request("Judge. " * 100),
    }
    for words, one in cases.items():
        reply = ask(model, tmp_path, one)
        assert reply.outcome == "rejected"
        assert words in reply.error


def test_a_servers_long_message_is_cut_and_holds_no_media(server: Server, tmp_path: Path) -> None:
    detail = [{"msg": "bad", "input": "data:image/jpeg;base64," + "A" * 100_000}, "B " * 5000]
    reply = faulty(server, tmp_path, status=422, body={"detail": detail})
    assert len(reply.error) < 600
    assert "AAAA" not in reply.error


@pytest.mark.parametrize(
    ("status", "body", "step"),
    [
        (401, None, "set the API key"),
        (402, None, "add credit"),
        (403, None, "may not use this model"),
        (404, None, "correct `options.model`"),
        (405, None, "correct `options.base_url`"),
        (429, {"error": {"code": "insufficient_quota", "message": "no credit"}}, "add credit"),
        (400, {"error": {"code": "unsupported_parameter", "message": "top_k"}}, "change `sampling`"),
        (400, {"error": {"message": "Unrecognized request argument supplied: top_k"}}, "change `sampling`"),
    ],
)
def test_what_the_user_must_mend_stops_with_model_address_and_next_step(
    server: Server, tmp_path: Path, status: int, body: Any, step: str
) -> None:
    with pytest.raises(UserError) as caught:
        faulty(server, tmp_path, status=status, body=body)
    text = str(caught.value)
    assert text.startswith(f"test.yaml: model 'test-model' at {server.url}/chat/completions: HTTP {status}: ")
    assert step in text


def test_a_wrong_model_name_stops(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The model `tset` does not exist"):
        ask(model_file(server.url, model="tset"), tmp_path, request("Judge."))


def test_processor_settings_without_the_servers_flag_stop_and_name_it(server: Server, tmp_path: Path) -> None:
    model = model_file(server.url, extra_body={"mm_processor_kwargs": {"fps": 2}})
    with pytest.raises(UserError, match="--trust-request-mm-kwargs"):
        ask(model, tmp_path, request("Judge."))


def test_a_redirect_is_not_followed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"HTTP 307.*correct `options\.base_url`"):
        faulty(server, tmp_path, "redirect")
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_an_overload_or_a_servers_fault_is_transient(server: Server, tmp_path: Path, status: int) -> None:
    with pytest.raises(TransientError, match=f"HTTP {status}: scripted {status}") as caught:
        faulty(server, tmp_path, status=status, headers={"Retry-After": "2.5"})
    assert caught.value.retry_after == 2.5
    assert caught.value.throttled == (status in {429, 503})


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("reset", "connection failed|broke off"),
        ("truncate", "broke off"),
        ("malformed", "not valid JSON"),
        ("html", "is text/html, not JSON"),
        ("huge", "larger than 32 MB"),
        ("empty_choices", "no choices"),
        ("no_message", "no message"),
        ("no_reason", "neither text nor a finish reason"),
        ("abort", "gave up"),
    ],
)
def test_an_answer_that_is_not_complete_is_transient(
    server: Server, tmp_path: Path, kind: str, cause: str
) -> None:
    with pytest.raises(TransientError, match=cause):
        faulty(server, tmp_path, kind)


@pytest.mark.parametrize("fault", [Fault(kind="hang"), Fault(kind="drip", seconds=0.15)])
def test_a_server_that_hangs_or_drips_is_left_after_the_timeout(
    server: Server, tmp_path: Path, fault: Fault
) -> None:
    server.script = [fault]
    with pytest.raises(TransientError, match=r"no complete answer within 0\.4 s"):
        ask(model_file(server.url, timeout_s=0.4), tmp_path, request("Judge."))


def test_a_server_that_is_not_there_is_transient(tmp_path: Path) -> None:
    with Server() as server:
        url = server.url
    with pytest.raises(TransientError, match="connection failed"):
        ask(model_file(url), tmp_path, request("Judge."))


def test_errors_inside_an_answer_with_status_200_count_as_what_they_are(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(TransientError) as caught:
        faulty(server, tmp_path, "error_in_200", body={"error": {"code": 429, "message": "busy"}})
    assert caught.value.throttled
    with pytest.raises(TransientError, match="HTTP 502: provider failed"):
        faulty(server, tmp_path, "error_in_200", body={"error": {"message": "provider failed"}})
    reply = faulty(server, tmp_path, "error_in_200", body={"error": {"code": 400, "message": "too long"}})
    assert reply.outcome == "rejected"


def test_answers_with_the_same_id_go_to_their_own_requests(server: Server, tmp_path: Path) -> None:
    server.answer = lambda body: body["messages"][0]["content"]
    server.script = [Fault(kind="duplicate_id") for _ in range(8)]
    replies = ask_all(model_file(server.url), tmp_path, [request(f"text {n}") for n in range(8)])
    assert [reply.text for reply in replies] == [f"text {n}" for n in range(8)]


def test_the_key_appears_in_no_message_record_or_log(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model = model_file(server.url, api_key_env="MINE")
    server.answer = lambda body: f"Your key is {SECRET}."
    reply = ask(model, tmp_path, request("Judge."), {"MINE": SECRET})
    assert server.received[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert reply.text == "Your key is ***."
    texts = [repr(reply), repr(Context(tmp_path, 1, secrets={"MINE": SECRET}))]
    for status in (400, 401, 500):
        server.script = [Fault(status=status, body={"error": {"message": f"Incorrect key {SECRET}"}})]
        [outcome] = ask_all(model, tmp_path, [request("Judge.")], {"MINE": SECRET})
        texts.append(repr(outcome))
    assert all("***" in text for text in texts[2:])
    assert SECRET not in "".join([*texts, caplog.text])


# Thinking in the text


@pytest.mark.parametrize(
    ("text", "tags", "cut", "expected"),
    [
        ("<think>why</think>\n\nA", "pair", False, ("why", "A")),
        ("  <think>\nwhy\n</think>A", "pair", False, ("why", "A")),
        ("<think>why", "pair", True, ("why", "")),
        ("why</think>A", "pair", False, ("", "why</think>A")),
        ("why</think>A", "closing", False, ("why", "A")),
        ("still thinking", "closing", True, ("still thinking", "")),
        ("A", "closing", False, ("", "A")),
        ("A <think>b</think>", "pair", False, ("", "A <think>b</think>")),
        ("<think>why</think>A", "none", False, ("", "<think>why</think>A")),
    ],
)
def test_reasoning_is_taken_out_of_the_text(text: str, tags: Any, cut: bool, expected: Any) -> None:
    assert _chat.split_thinking(text, tags, cut=cut) == expected


def test_only_reasoning_and_no_answer_is_an_empty_answer(server: Server, tmp_path: Path) -> None:
    server.answer = lambda body: "<think>why</think>"
    reply = ask(model_file(server.url), tmp_path, request("Judge."))
    assert (reply.outcome, reply.text, reply.reasoning) == ("ok", "", "why")
    assert reply.error == "only reasoning (finish reason stop)"


# Waiting as the server asks


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
        ({"Retry-After-Ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert _transport.retry_after(headers, now=100.0) == seconds


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_retry_after_breaks_the_reader(value: str) -> None:
    seconds = _transport.retry_after({"Retry-After": value}, now=0.0)
    assert seconds is None or seconds >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 600) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "error", "message", "content", "code", "finish_reason", "usage", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(body=JSON, status=st.sampled_from([200, 200, 200, 302, 400, 404, 429, 500]))
def test_no_body_breaks_the_reader(body: Any, status: int) -> None:
    answer = _chat.Answer(status, "application/json", dumps(body))
    try:
        reply = _chat.read(answer, think_tags="pair", sent={})
    except (TransientError, UserError) as error:
        assert str(error)
        return
    assert reply.outcome in {"ok", "truncated", "refused", "rejected"}
    assert reply.text.strip() or reply.outcome != "ok"


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    for status in (200, 400, 500):
        try:
            _chat.read(_chat.Answer(status, "application/json", body), think_tags="pair", sent={})
        except (TransientError, UserError) as error:
            assert str(error)


# Servers that answer before they have read the request


def test_an_answer_that_comes_before_the_body_was_read_is_heard(tmp_path: Path) -> None:
    error = b'{"error": {"message": "Request body is too large"}}'
    head = b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(error) + error)
        await writer.drain()
        writer.close()

    async def run() -> _chat.Answer:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        async with server, _transport.Transport(url, {}, timeout_s=5, direct=True) as transport:
            return await transport.post([b"x" * 8_000_000])

    answer = asyncio.run(run())
    assert (answer.status, answer.body) == (413, error)
