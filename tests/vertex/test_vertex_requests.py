"""What reaches Vertex AI: the paper's parameters, exactly the frames of each clip, and nothing else."""

import asyncio
import subprocess
import sys

import pytest
import yaml
from vertex_bench import BUCKET, PAPER, ROOT, model_file, request
from vertex_server import PROJECT

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.models import Context
from aqa.models._vertex_requests import generation_config
from aqa.records import MediaPart, Message, TextPart


def test_a_request_says_what_the_paper_says(vertex, bench):
    reply = bench.ask_one(request(bench.clip("a", kind="image", frames=1), "How deep?", system="Be brief."))
    [received] = vertex.received
    assert received.config == {
        "temperature": 1.0,
        "topP": 0.95,
        "topK": 64,
        "candidateCount": 1,
        "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True},
    }
    assert (received.roles, received.texts, received.system) == (["user"], ["How deep?"], "Be brief.")
    assert reply.text == "answer to How deep?"
    assert reply.reasoning.startswith("I look at the knees.")
    assert (reply.outcome, reply.finish_reason) == ("ok", "STOP")
    assert reply.model_version == "gemini-3.1-pro-preview-2026-10"
    assert reply.sent == {"model": "gemini-3.1-pro-preview", "location": "global", **PAPER}


def test_usage_counts_thoughts_as_output_and_what_was_cached(vertex, bench):
    usage = bench.ask_one(request("12345678")).usage
    assert usage.prompt_tokens == 2
    assert usage.completion_tokens == 5 + 21  # ceil(18 / 4) of the answer, 84 / 4 of the thoughts
    assert (usage.reasoning_tokens, usage.cached_tokens) == (21, 3)


@pytest.mark.parametrize("frames", [1, 2, 3, 16, 97])
def test_the_provider_sees_every_frame_once_and_counts_them(vertex, bench, frames):
    reply = bench.ask_one(request(bench.clip("v", frames=frames), "?"))
    [received] = vertex.received
    assert received.clips == [("video/mp4", "inline", frames)]
    assert received.tokens["VIDEO"] == 70 * frames
    assert (reply.sent["frames"], reply.sent["frames_counted"]) == (frames, frames)
    assert reply.sent["fps"] == [4.0 if frames > 1 else 1.0]


@pytest.mark.parametrize("rate", [0.3, 1.0, 2.0, 23.976, 24.0])
def test_frames_arrive_at_their_rate(vertex, bench, rate):
    part = bench.clip("v", frames=9)
    times = tuple(number / rate for number in range(9))
    bench.ask_one(request(part.model_copy(update={"timestamps": times}), "?"))
    assert vertex.received[0].clips == [("video/mp4", "inline", 9)]


def test_a_video_faster_than_the_provider_samples_is_never_sent(vertex, bench):
    times = tuple(number / 30 for number in range(4))
    part = bench.clip("v").model_copy(update={"timestamps": times})
    with pytest.raises(UserError, match=r"30 frames a second, but the provider samples at most 24"):
        bench.ask_one(request(part, "?"))
    assert not vertex.received


def test_a_frame_that_the_provider_did_not_count_is_flagged(vertex, bench, caplog):
    vertex.frames_seen = lambda frames: frames - 1

    async def asked():
        context = Context(media=bench.media, seed=1)
        async with models.create(model_file(), context, "test.yaml") as backend:
            reply = await backend.ask(request(bench.clip("v", frames=4), "?"))
            return reply, backend.facts()

    reply, facts = asyncio.run(asked())
    assert reply.outcome == "ok"
    assert (reply.sent["frames"], reply.sent["frames_counted"]) == (4, 3)
    assert facts["frames_counted"] == {"wrong": 1}
    assert facts["sdk"]["google-cloud-aiplatform"] == "2.7.0"
    assert "4 frames were sent, but the tokens that the provider counted are those of 3" in caplog.text


def test_history_is_plain_turns(vertex, bench):
    turns = (
        Message(role="user", content=(bench.clip("a"), TextPart(text="first"))),
        Message(role="assistant", content=(TextPart(text="7"),)),
    )
    bench.ask_one(request(bench.clip("b", first=9), "second", turns=turns))
    [received] = vertex.received
    assert received.roles == ["user", "model", "user"]
    assert received.texts == ["first", "7", "second"]
    assert [frames for _, _, frames in received.clips] == [4, 4]


def test_large_media_are_staged_once_under_names_that_say_nothing_and_deleted(vertex, bench, storage):
    seen = []
    vertex.answer = lambda received: str(seen.extend(storage.names()))
    small, large = bench.clip("squat-anna", frames=2), bench.clip("squat-ben", frames=30, first=50, size=160)
    limit = 0.03
    replies = bench.ask(
        request(small, large, "one", name="a"), request(large, "two", name="b"), inline_mb=limit
    )
    assert [reply.outcome for reply in replies] == ["ok", "ok"]
    clips = [clip for received in vertex.received for clip in received.clips]
    assert {(where == "inline", frames) for _, where, frames in clips} == {(True, 2), (False, 30)}
    places = {where for _, where, frames in clips if frames == 30}
    assert len(places) == 1
    assert places.pop().startswith(f"gs://{BUCKET}/vlm-aqa/online-")
    assert len(set(seen)) == 1
    assert not any(word in seen[0] for word in ("squat", "anna", "ben", large.sha256))
    assert storage.names() == []


def test_media_above_the_limit_need_a_bucket(vertex, bench, monkeypatch):
    monkeypatch.delenv("AQA_STAGING_BUCKET")
    with pytest.raises(UserError, match=r"need a bucket of Cloud Storage; set options.bucket, or AQA_STAG"):
        bench.ask_one(request(bench.clip("v"), "?"), inline_mb=0.0001)


def test_a_bucket_that_is_not_there_is_named(vertex, bench):
    with pytest.raises(UserError, match=r"bucket gs://elsewhere: .*; create it, or name another"):
        bench.ask_one(request(bench.clip("v"), "?"), inline_mb=0.0001, bucket="elsewhere")


@pytest.mark.parametrize(
    ("sampling", "cause"),
    [
        ({"temprature": 1.0}, "unknown sampling parameter 'temprature'; did you mean 'temperature'?"),
        ({"n": 1}, "unknown sampling parameter 'n'"),
        ({"top_k": 0.5}, "sampling.top_k is 0.5; a integer is expected"),
        ({"candidate_count": 2}, r"sampling.candidate_count is 2; it must lie in \[1, 1\]"),
        ({"thinking_level": "hihg"}, "sampling.thinking_level is 'hihg'; did you mean 'high'?"),
        ({"media_resolution": "HIGH"}, "sampling.media_resolution is 'HIGH'"),
    ],
)
def test_an_unknown_parameter_or_value_is_an_error_before_anything_starts(sampling, cause):
    with pytest.raises(UserError, match=cause.replace("?", r"\?")):
        models.create(model_file(sampling), Context(media=ROOT, seed=1), "m.yaml")


def test_an_unknown_option_is_an_error():
    with pytest.raises(UserError, match=r"m.yaml: options: unknown key 'buckt'; did you mean 'bucket'\?"):
        models.create(model_file(buckt="x"), Context(media=ROOT, seed=1), "m.yaml")


def test_every_parameter_reaches_the_provider_under_its_own_name(vertex, bench):
    sampling = {
        **PAPER,
        **{"seed": 7, "max_output_tokens": 4096, "media_resolution": "high"},
        **{"presence_penalty": 0.1, "frequency_penalty": 0.2},
    }
    bench.ask_one(request("?"), sampling=sampling)
    [received] = vertex.received
    assert received.config == generation_config(sampling)
    assert received.config["mediaResolution"] == "MEDIA_RESOLUTION_HIGH"
    assert received.config["maxOutputTokens"] == 4096


def test_a_configured_seed_grows_with_each_repeat(vertex, bench):
    asked = [
        request("?", name=name).model_copy(update={"repeat": repeat}) for repeat, name in enumerate("ab")
    ]
    replies = [bench.ask_one(one, sampling={"seed": 7}) for one in asked]
    assert [received.config["seed"] for received in vertex.received] == [7, 8]
    assert [reply.sent["seed"] for reply in replies] == [7, 8]


def test_the_identity_is_what_can_change_an_answer():
    def identity(**options):
        return models.create(model_file(**options), Context(media=ROOT, seed=1)).identity()

    same = identity()
    for options in (
        {"project": "other"},
        {"bucket": "b"},
        {"mode": "batch"},
        {"inline_mb": 1},
        {"timeout_s": 5, "poll_s": 9},
    ):
        assert identity(**options) == same
    assert identity(model="gemini-4") != same
    assert identity(sampling={**PAPER, "thinking_level": "low"}) != same


def test_a_model_is_created_without_any_package_of_google():
    code = (
        "import sys; sys.modules['google'] = sys.modules['aiohttp'] = None\n"
        "sys.path.insert(0, 'scripts')\n"
        "from pathlib import Path; from aqa import models; from aqa.config import load_model\n"
        "file = load_model('gemini-3.1-pro', (Path('config/models'),))\n"
        "backend = models.create(file, models.Context(media=Path('.'), seed=1))\n"
        "print(backend.identity()['model'], 'google.genai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["gemini-3.1-pro-preview", "False"], done.stderr


def test_the_models_file_is_the_papers_setting():
    file = ModelFile.model_validate(
        yaml.safe_load((ROOT / "config" / "models" / "gemini-3.1-pro.yaml").read_text())
    )
    assert (file.backend, file.sampling, file.thinking) == ("vertex", PAPER, True)


def test_no_project_and_no_credentials_are_said_with_the_next_step(vertex, bench, monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"no usable credentials .*`gcloud auth application-default login`"):
        bench.ask_one(request("?"))
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(UserError, match=r"no project; set options.project, or GOOGLE_CLOUD_PROJECT"):
        bench.ask_one(request("?"))


def test_the_account_is_the_project_that_pays(monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)

    def account(**options):
        return models.create(model_file(**options), Context(media=ROOT, seed=1)).account

    assert account(project=PROJECT) == f"vertex-{PROJECT}"
    assert account(project="example.com:old") == "vertex-example.com_old"


def test_a_damaged_clip_is_never_sent(vertex, bench):
    part = bench.clip("v")
    (bench.media / part.file).write_bytes(b"changed")
    with pytest.raises(UserError, match="is not what the requests name"):
        bench.ask_one(request(part, "?"))
    assert isinstance(part, MediaPart)
    assert not vertex.received
