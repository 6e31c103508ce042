"""Backend `openai` against a real HTTP server: what is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from aqa import models
from aqa.errors import UserError
from aqa.files import dumps
from aqa.models import Context
from openai_faults import Fault
from openai_requests import SECRET, ask, clip, digests, jpeg, model_file, request
from openai_server import Server, ServerProcess, server_fixture  # noqa: F401

# The test server itself


def test_the_official_client_understands_the_server(server: Server) -> None:
    server.rules.reasoning = "I look at the hips."
    client = openai.OpenAI(base_url=server.url, api_key="x", max_retries=0)
    assert [model.id for model in client.models.list()] == ["test-model"]
    answer = client.chat.completions.create(model="test-model", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == '{"answer": "A"}'
    assert answer.usage is not None and answer.usage.prompt_tokens == 5
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="other", messages=[{"role": "user", "content": "Hi"}])
    server.script = [Fault(status=429, headers={"Retry-After": "2"})]
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="test-model", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.response.headers["Retry-After"] == "2"


# What is sent


@pytest.mark.parametrize("kind", ["frames", "video_url_jpeg"])
def test_frames_arrive_byte_identical_and_in_order(server: Server, tmp_path: Path, kind: str) -> None:
    server.rules.trust_request_mm_kwargs = True
    frames = [jpeg(seed) for seed in range(40)]
    reply = ask(model_file(server.url, video=kind), tmp_path, request(clip(tmp_path, "a", frames), "Judge."))
    assert reply.outcome == "ok"
    [received] = server.received
    assert [digest for part in received.frames for digest in part] == digests(frames)
    assert received.parts[-1] == "text"
    sent_as = "video_url" if kind == "video_url_jpeg" else "image_url"
    assert received.parts[:-1] == [sent_as] * (1 if kind == "video_url_jpeg" else 40)
    assert ("media_io_kwargs" in received.parameters) == (kind == "video_url_jpeg")


def test_a_server_that_keeps_all_frames_by_itself_is_sent_no_request_level_setting(
    server: Server, tmp_path: Path
) -> None:
    server.rules.video_frames = -1
    frames = [jpeg(seed) for seed in range(40)]
    model = model_file(server.url, video="video_url_jpeg", keep_frames="server")
    assert ask(model, tmp_path, request(clip(tmp_path, "a", frames), "Judge.")).outcome == "ok"
    assert server.received[0].frames == [digests(frames)]
    assert "media_io_kwargs" not in server.received[0].parameters


def test_the_mp4_has_exactly_the_frames_at_their_times_and_no_other_stream(
    server: Server, tmp_path: Path
) -> None:
    import av
    import cv2

    frames = [jpeg(seed) for seed in range(9)]
    ask(model_file(server.url, video="video_url"), tmp_path, request(clip(tmp_path, "a", frames), "Judge."))
    [received] = server.received
    assert received.parts == ["video_url", "text"]
    (tmp_path / "sent.mp4").write_bytes(received.media[0])
    with av.open(str(tmp_path / "sent.mp4"), "r") as container:
        assert [stream.type for stream in container.streams] == ["video"]
        decoded = list(container.decode(video=0))
    assert [frame.time for frame in decoded] == pytest.approx([0.25 * number for number in range(9)])
    originals = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in frames]
    for number, frame in enumerate(decoded):
        seen = frame.to_ndarray(format="bgr24").astype(int)
        differences = [np.abs(seen - original.astype(int)).mean() for original in originals]
        assert int(np.argmin(differences)) == number
        assert differences[number] < 10


def test_the_order_of_media_and_text_is_that_of_the_messages(server: Server, tmp_path: Path) -> None:
    first = clip(tmp_path, "a", [jpeg(1)], "image")
    second = clip(tmp_path, "b", [jpeg(2), jpeg(3)])
    text = 'Judge "this" \\ ü 😀\n'
    ask(model_file(server.url), tmp_path, request(first, "then", second, text, system="Think."))
    [received] = server.received
    assert received.roles == ["system", "user"]
    assert received.parts == ["text", "image_url", "text", "image_url", "image_url", "text"]
    assert received.texts == ["Think.", "then", text]
    assert [part[0] for part in received.frames] == digests([jpeg(1), jpeg(2), jpeg(3)])


def test_frame_times_and_detail_are_written_on_demand(server: Server, tmp_path: Path) -> None:
    video = clip(tmp_path, "a", [jpeg(1), jpeg(2)])
    ask(model_file(server.url, frame_times=True, detail="low"), tmp_path, request(video, "Judge."))
    assert server.received[0].texts == ["<0.0 seconds>", "<0.2 seconds>", "Judge."]
    assert server.received[0].parts == ["text", "image_url", "text", "image_url", "text"]


def test_every_parameter_arrives_exactly_and_is_recorded(server: Server, tmp_path: Path) -> None:
    sampling = {
        "temperature": 0.7,
        "top_p": 0.95,
        "top_k": 20,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": -0.5,
        "frequency_penalty": 0.25,
        "seed": 7,
        "max_tokens": 4096,
        "stop": "END",
        "n": 1,
        "skip_special_tokens": True,
    }
    extra = {"chat_template_kwargs": {"enable_thinking": True}, "structured_outputs": {"json": {}}}
    reply = ask(model_file(server.url, sampling, extra_body=extra), tmp_path, request("Judge."))
    expected = {"model": "test-model", **sampling, **extra}
    assert dumps(server.received[0].parameters) == dumps(expected)
    assert dumps(reply.sent) == dumps(expected)
    assert type(server.received[0].parameters["top_k"]) is int


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"temprature": 0.7}, "unknown sampling parameter 'temprature'; did you mean 'temperature'?"),
        ({"n": 2}, "sampling.n is 2"),
        ({"temperature": "1e-1"}, "a number is expected"),
        ({"top_k": 20.0}, "a integer is expected"),
        ({"seed": True}, "a integer is expected"),
        ({"top_p": 1.5}, r"must lie in \[0, 1\]"),
        ({"temperature": float("nan")}, "must lie in"),
    ],
)
def test_a_wrong_sampling_parameter_is_refused_before_anything_is_asked(
    tmp_path: Path, sampling: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        models.create(model_file("http://127.0.0.1:1/v1", sampling), Context(tmp_path, 1), "test.yaml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra_body": {"temperature": 1}}, "move it to `sampling`"),
        ({"extra_body": {"messages": []}}, "ours to set"),
        ({"vidoe": "frames"}, "unknown key 'vidoe'; did you mean 'video'?"),
        ({"video": "frame"}, "did you mean 'frames'?"),
        ({"base_url": "localhost:8000"}, "must look like https://host/v1"),
        ({"base_url": "http://host:port/v1"}, "not an address"),
        ({"base_url": "https://me:pass@host/v1"}, "holds a password"),
        (
            {"video": "video_url_jpeg", "extra_body": {"media_io_kwargs": {"video": {"num_frames": 8}}}},
            "must be -1",
        ),
    ],
)
def test_a_wrong_option_is_refused_with_cause_and_place(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    url = options.pop("base_url", "http://127.0.0.1:1/v1")
    with pytest.raises(UserError, match=message) as caught:
        models.create(model_file(url, **options), Context(tmp_path, 1), "test.yaml")
    assert str(caught.value).startswith("test.yaml: ")
    assert "pass@" not in str(caught.value)


def test_the_identity_has_what_changes_answers_and_nothing_else(tmp_path: Path) -> None:
    def identity(sampling: dict[str, Any] | None = None, url: str = "http://a/v1", **options: Any) -> Any:
        backend = models.create(model_file(url, sampling, **options), Context(tmp_path, 1), "test.yaml")
        return dumps(backend.identity())

    base = identity()
    assert identity(url="https://b:9/v1") == base
    assert identity(timeout_s=5, api_key_env="OTHER", remote=False, cache_mb=9) == base
    different = [
        identity({"temperature": 0.5}),
        identity(model="other"),
        identity(revision="abc"),
        identity(serve={"dtype": "float16"}),
        identity(video="video_url"),
        identity(frame_times=True),
        identity(detail="low"),
        identity(think_tags="closing"),
        identity(extra_body={"chat_template_kwargs": {"enable_thinking": True}}),
    ]
    assert len({base, *different}) == 10


def test_rendering_needs_neither_address_nor_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    backend = models.create(model_file(None, api_key_env="NOT_SET"), Context(tmp_path, 1), "test.yaml")
    assert backend.identity()["model"] == "test-model"
    assert backend.remote
    with pytest.raises(UserError, match=r"set options\.base_url, or OPENAI_BASE_URL"):
        ask(model_file(None), tmp_path, request("Hi"))
    with pytest.raises(UserError, match="environment variable NOT_SET is not set"):
        ask(model_file("http://127.0.0.1:1/v1", api_key_env="NOT_SET"), tmp_path, request("Hi"))


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://localhost/v1", False),
        ("http://10.0.0.5:8000/v1", True),
        ("https://api.openai.com/v1", True),
        ("http://127.0.0.1.example.com/v1", True),
    ],
)
def test_a_host_other_than_this_machine_is_remote_unless_stated(
    tmp_path: Path, url: str, remote: bool
) -> None:
    context = Context(tmp_path, 1)
    assert models.create(model_file(url), context).remote is remote
    assert models.create(model_file(url, remote=not remote), context).remote is not remote


def test_address_and_key_come_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rules.api_key = SECRET
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert ask(model_file(None), tmp_path, request("Hi")).outcome == "ok"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(model_file(None, api_key_env="MINE"), tmp_path, request("Hi"), {"MINE": SECRET}).text
    with pytest.raises(UserError, match=r"HTTP 401: Unauthorized; set the API key"):
        ask(model_file(None), tmp_path, request("Hi"))


def test_a_configured_seed_grows_with_each_repeat(server: Server, tmp_path: Path) -> None:
    one = request("How deep?")
    for repeat in range(3):
        asked = one.model_copy(update={"repeat": repeat})
        reply = ask(model_file(server.url, {"seed": 7, "temperature": 0.5}), tmp_path, asked)
        assert reply.sent["seed"] == 7 + repeat
        ask(model_file(server.url, {"temperature": 0.5}), tmp_path, asked)
    parameters = [received.parameters for received in server.received]
    assert [sent["seed"] for sent in parameters[::2]] == [7, 8, 9]
    assert all("seed" not in sent for sent in parameters[1::2])
    assert {sent["temperature"] for sent in parameters} == {0.5}
