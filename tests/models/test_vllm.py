"""Backend `vllm` before anything is started: flags, identity, guided answers, counters."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.models import Context, _serve
from aqa.models._metrics import Counts, read_counts
from aqa.models.vllm import schema
from aqa.records import Question
from openai_requests import request

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def backend(resources=None, sampling=None, **options):
    file = ModelFile(
        title="T",
        backend="vllm",
        resources=resources,
        sampling=sampling or {},
        options={"model": "org/tiny", **options},
    )
    return models.create(file, Context(media=Path(), seed=0), "tiny.yaml")


def identity(**fields):
    return backend(**fields).identity()


def command(**fields):
    return backend(**fields)._arguments()


def test_flags_are_a_list_of_arguments_and_never_a_shells():
    written = command(
        serve={
            "tensor_parallel_size": 8,
            "enable-expert-parallel": True,
            "enable-prefix-caching": False,
            "limit-mm-per-prompt": {"image": 32, "video": 4},
            "allowed-origins": ["a", "b"],
            "dtype": "bfloat16; rm -rf $HOME",
        }
    )
    assert {"--tensor-parallel-size=8", "--enable-expert-parallel", "--no-enable-prefix-caching"} <= set(
        written
    )
    assert '--limit-mm-per-prompt={"image": 32, "video": 4}' in written
    assert "--dtype=bfloat16; rm -rf $HOME" in written
    assert written[written.index("--allowed-origins") + 1 :][:2] == ["a", "b"]


def test_every_frame_that_is_sent_is_kept():
    assert '--media-io-kwargs={"video": {"num_frames": -1}}' in command(video="video_url_jpeg")
    assert '--mm-processor-kwargs={"do_sample_frames": false}' in command(video="video_url")
    kept = command(video="video_url", serve={"mm-processor-kwargs": {"max_pixels": 1000}})
    assert '--mm-processor-kwargs={"max_pixels": 1000, "do_sample_frames": false}' in kept


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"serve": {"host": "0.0.0.0"}},
            "options.serve.host is ours to set: the server listens on 127.0.0.1",
        ),
        ({"serve": {"api_key": "x"}}, "a random one is made for every session"),
        ({"serve": {"hos": "0.0.0.0"}}, "options.serve.hos is ours to set"),
        ({"serve": {"ssl-keyfile": "k"}}, "ours to set"),
        ({"serve": {"trust-remote-code": True}}, "set options.trust_remote_code"),
        ({"serve": {"revision": "main"}}, "set options.revision"),
        ({"serve": {"max_num_seqs": 1, "max-num-seqs": 2}}, "the flag is there twice"),
        ({"serve": {"dtype": "--host"}}, "options.serve.dtype is '--host'; expected"),
        ({"serve": {"dtype": None}}, "options.serve.dtype is None; expected"),
        ({"serve": {"x y": 1}}, "'x y' is not the long name of a flag"),
        ({"serve": {"tensor-parallel-size": "8"}}, "a number above 0 is expected"),
        ({"serve": {"media-io-kwargs": {"video": {"fps": 2}}}, "video": "video_url"}, "fps is ours to set"),
        ({"serve": {"media-io-kwargs": "x"}, "video": "video_url"}, "must be a mapping"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "0"}}, "CUDA_VISIBLE_DEVICES is not yours to set"),
        ({"trust_remote_code": True, "revision": "main"}, "it must be the commit that you have reviewed"),
        ({"resources": {"gpu": 4}, "serve": {"tensor-parallel-size": 8}}, "resources.gpu is 4, but"),
        ({"model": "--host"}, "'model' is '--host'"),
        ({"sampling": {"temprature": 1}}, "did you mean 'temperature'"),
        ({"extra_body": {"messages": []}}, "extra_body.messages is ours to set"),
        ({"gided": True}, "did you mean 'guided'"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_starts(fields, said):
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        backend(**fields)
    assert str(caught.value).startswith("tiny.yaml: ")
    assert "\n" not in str(caught.value)


def test_remote_code_needs_a_reviewed_commit_at_the_latest_when_the_server_starts():
    with pytest.raises(UserError, match="review it, then state the commit"):
        backend(trust_remote_code=True)._check_machine()
    pinned = backend(trust_remote_code=True, revision=COMMIT)
    pinned._check_machine()
    assert {f"--revision={COMMIT}", f"--code-revision={COMMIT}", "--trust-remote-code"} <= set(
        pinned._arguments()
    )


def test_too_few_gpus_are_told_before_weights_are_loaded(monkeypatch):
    eight = backend(serve={"tensor-parallel-size": 4, "data-parallel-size": 2})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    with pytest.raises(UserError, match=r"needs 8 GPUs, but CUDA_VISIBLE_DEVICES is '0,1,2,3'"):
        eight._check_machine()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    eight._check_machine()


CHANGES = [
    {"revision": "v1"},
    {"serve": {"dtype": "float16"}},
    {"serve": {"quantization": "fp8"}},
    {"serve": {"chat-template": "mine.jinja"}},
    {"serve": {"mm-processor-kwargs": {"max_pixels": 1}}},
    {"serve": {"max-model-len": 1000}},
    {"serve": {"some-future-flag": 1}},
    {"video": "video_url"},
    {"guided": True},
    {"sampling": {"temperature": 0.5}},
    {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
    {"think_tags": "closing"},
]


def test_what_can_change_an_answer_is_part_of_the_identity():
    found = [identity(), *(identity(**change) for change in CHANGES)]
    assert all(a != b for n, a in enumerate(found) for b in found[:n])


@pytest.mark.parametrize(
    "fields",
    [
        {"serve": {"tensor-parallel-size": 8, "data-parallel-size": 2, "api-server-count": 4}},
        {"serve": {"gpu-memory-utilization": 0.5, "max-num-seqs": 1, "limit-mm-per-prompt": {"image": 1}}},
        {"serve": {"mm_processor_cache_gb": 1, "data-parallel-backend": "ray"}},
        {"command": ["/elsewhere/python", "-m", "x"], "environment": {"A": "b"}, "start_s": 1, "restarts": 0},
        {"resources": {"gpu": 1}, "timeout_s": 1, "cache_mb": 1},
    ],
)
def test_where_and_how_fast_is_not(fields):
    assert identity(**fields) == identity()


def test_a_job_gets_what_the_models_file_asks_for_in_the_backends_own_environment():
    file = ModelFile(title="T", backend="vllm", resources={"gpu": 8, "threads": 16, "slurm_partition": "a"})
    needed = models.needs(file)
    assert (needed.environment, needed.threads, needed.light) == ("vllm.yaml", 16, False)
    assert needed.resources == {"mem_mb": 2000, "runtime": 1440, "gpu": 8, "slurm_partition": "a"}
    assert models.needs(ModelFile(title="T", backend="openai")).environment is None


@pytest.mark.parametrize("threads", [0, "many"])
def test_a_number_of_threads_that_is_none_is_refused(threads):
    with pytest.raises(UserError, match=r"tiny.yaml: resources.threads is"):
        backend(resources={"threads": threads})


def test_a_managed_model_is_local_and_named_by_its_backend(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://example.org/v1")
    model = backend()
    assert model.remote is False
    assert model.account is None
    assert model.identity()["backend"] == "vllm"
    assert model.identity()["serve"] == {"generation-config": "vllm"}


def test_the_python_with_vllm_may_be_another(monkeypatch):
    monkeypatch.setenv("VLLM_PYTHON", "/opt/vllm/bin/python")
    assert backend()._command()[:3] == ["/opt/vllm/bin/python", "-m", "vllm.entrypoints.cli.main"]
    assert backend(command=["/mine"])._command() == ["/mine"]


def test_guided_answers_follow_the_questions():
    questions = (
        Question(item="knees", text="?", options=("true", "false")),
        Question(item="back", text="?", options=("straight", "bent")),
        Question(item="", text="?", minimum=-5, maximum=5),
    )
    made = schema(request("?").model_copy(update={"questions": questions}))
    assert made["properties"] == {
        "knees": {"type": "boolean"},
        "back": {"type": "string", "enum": ["straight", "bent"]},
        "score": {"type": "number", "minimum": -5, "maximum": 5},
    }
    assert made["required"] == ["knees", "back", "score"]
    assert made["additionalProperties"] is False


METRICS = """\
# HELP vllm:prefix_cache_hits_total Prefix cache hits, in terms of number of cached tokens.
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="a b"} 1000.0
vllm:prefix_cache_queries_total{engine="1",model_name="a b"} 1e+03
vllm:prefix_cache_hits_total{engine="0",model_name="a b"} 500.0
vllm:prefix_cache_hits_created{engine="0",model_name="a b"} 1.79e+09
vllm:external_prefix_cache_hits_total{engine="0"} 7.0
vllm:mm_cache_queries_total 4.0
"""


def test_counters_are_summed_over_engines_and_servers():
    counts = read_counts(METRICS)
    assert counts == Counts(prefix_cache_queries=2000, prefix_cache_hits=500, mm_cache_queries=4)
    assert (counts + counts).report()["prefix_cache_share"] == 0.25
    assert Counts().report()["mm_cache_share"] is None


@given(st.text())
def test_any_metrics_can_be_read(text):
    assert isinstance(read_counts(text), Counts)


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.none(), st.text(), st.integers(), st.booleans())))
def test_flags_are_refused_in_one_line_or_become_arguments_that_begin_with_their_name(serve):
    try:
        flags = _serve.check(serve, "x")
    except UserError as error:
        assert str(error).startswith("x: ")
        assert "\n" not in str(error)
    else:
        assert all(re.match(r"--(no-)?[a-z]", argument) for argument in _serve.arguments(flags))
