"""The backend `numpy` without torch: what it refuses, how answers end, and that each depends on itself alone.

That its numbers are those of transformers is shown in tests/in_process/test_numpy_parity.py.
"""

import asyncio
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_checkpoint import make, model_file

import openai_requests
from aqa import models
from aqa.errors import UserError
from aqa.files import digest
from aqa.models import Context
from aqa.models._numpy_engine import choose

QUESTIONS = ("Judge the squat.", "Is it right?", "Answer True or False.")
SAMPLED = {"temperature": 1.0, "top_p": 0.95, "top_k": 50, "max_tokens": 8}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return make(tmp_path_factory.mktemp("weights") / "small")


def film(folder, name, seeds):
    frames = [openai_requests.jpeg(seed, 64) for seed in seeds]
    return openai_requests.clip(folder, name, frames, "video" if len(frames) > 1 else "image")


def asked(folder):
    clips = [film(folder, "a", range(4)), film(folder, "b", range(9, 12)), film(folder, "still", [50])]
    return [
        openai_requests.request(clip, question).model_copy(update={"key": digest(clip.file + question)})
        for clip in clips
        for question in QUESTIONS
    ]


def texts(model, folder, requests):
    replies = openai_requests.ask_all(model, folder, requests)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return [reply.text for reply in replies]


@pytest.mark.parametrize("sampling", [None, SAMPLED], ids=["greedy", "sampled"])
def test_an_answer_depends_on_its_request_alone(weights, tmp_path, sampling):
    requests = asked(tmp_path)
    model = model_file(weights, sampling)
    forward = texts(model, tmp_path, requests)
    assert texts(model, tmp_path, requests[::-1]) == forward[::-1]
    assert texts(model_file(weights, sampling, reuse_prefix=False), tmp_path, requests) == forward
    assert texts(model, tmp_path, requests[4:5]) == forward[4:5]
    assert len(set(forward)) > 4, "the answers do not depend on what is seen"


def test_the_clip_is_computed_once_for_all_questions_about_it(weights, tmp_path):
    requests = asked(tmp_path)
    replies = openai_requests.ask_all(model_file(weights), tmp_path, requests)
    reused = [reply.usage.cached_tokens > 0 for reply in replies]
    assert reused == [number % len(QUESTIONS) > 0 for number in range(len(requests))]
    assert all(reply.usage.prompt_tokens > reply.usage.cached_tokens for reply in replies)


def test_repeats_of_a_request_draw_for_themselves(weights, tmp_path):
    first = asked(tmp_path)[0]
    again = first.model_copy(update={"key": digest("again"), "repeat": 1})
    one, other = texts(model_file(weights, SAMPLED), tmp_path, [first, again])
    assert one != other
    assert texts(model_file(weights, {**SAMPLED, "seed": 3}), tmp_path, [first]) != [one]


def test_an_answer_at_the_limit_is_truncated_and_a_prompt_beyond_the_context_is_rejected(weights, tmp_path):
    request = asked(tmp_path)[0]
    [cut] = openai_requests.ask_all(
        model_file(weights, {"temperature": 0, "max_tokens": 1}), tmp_path, [request]
    )
    assert (cut.outcome, cut.usage.completion_tokens) == ("truncated", 1)
    [long] = openai_requests.ask_all(model_file(weights, context=20), tmp_path, [request])
    assert long.outcome == "rejected"
    assert "do not fit the context of 20 tokens" in long.error


@pytest.mark.parametrize(
    ("sampling", "options", "said"),
    [
        ({"temperatur": 0}, {}, "temperature"),
        ({"repetition_penalty": 1.1}, {}, "does not know sampling.repetition_penalty"),
        ({}, {"video": "video", "frame_times": True}, "frame_times"),
        ({}, {"dtype": "bfloat16"}, "dtype"),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_anything_is_loaded(tmp_path, sampling, options, said):
    with pytest.raises(UserError, match=said):
        models.create(model_file(tmp_path, sampling, **options), Context(tmp_path, 0), "my.yaml")


def opened(model, folder):
    async def run():
        async with models.create(model, Context(folder, 0), "my.yaml") as backend:
            return backend.facts()

    return asyncio.run(run())


def test_facts_name_the_weights_and_the_versions(weights, tmp_path):
    facts = opened(model_file(weights), tmp_path)
    assert facts["model_type"] == "qwen3_vl"
    assert set(facts["versions"]) == {"python", "numpy", "tokenizers", "safetensors", "pillow"}


def change(folder, name, **values):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: change(folder, "config.json", model_type="llava"), "is a llava"),
        (lambda folder: change(folder, "config.json", text_config={}), "do not fit"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: not valid JSON"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x10" * 64), "as safetensors"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "no tokenizer"),
        (lambda folder: (folder / "chat_template.jinja").write_text("{% if %}"), "chat template is damaged"),
        (lambda folder: (folder / "chat_template.jinja").write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda folder: change(folder, "generation_config.json", eos_token_id=None), "names no eos_token_id"),
        (
            lambda folder: change(folder, "generation_config.json", repetition_penalty=1.5),
            "asks for repetition_penalty 1.5, which this backend does not do",
        ),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "no settings of the image processor"),
    ],
)
def test_a_damaged_model_gets_one_line_that_names_the_file(weights, tmp_path, damage, said):
    copy = shutil.copytree(weights, tmp_path / "copy")
    damage(copy)
    with pytest.raises(UserError, match=said) as error:
        opened(model_file(copy), tmp_path)
    assert "copy" in str(error.value)


def test_what_asks_for_nothing_in_the_weights_defaults_is_no_obstacle(weights, tmp_path):
    copy = shutil.copytree(weights, tmp_path / "copy")
    change(
        copy, "generation_config.json", repetition_penalty=1.0, num_beams=1, min_length=0, bad_words_ids=None
    )
    assert opened(model_file(copy), tmp_path)["model_type"] == "qwen3_vl"


def test_a_context_beyond_the_models_is_refused(weights, tmp_path):
    with pytest.raises(UserError, match=r"context: the model reads \d+ tokens at most"):
        opened(model_file(weights, context=10_000_000), tmp_path)


@pytest.mark.parametrize("token", ["<|video_pad|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"])
def test_the_models_own_tokens_for_media_in_a_text_are_refused_by_name(weights, tmp_path, token):
    clip = film(tmp_path, "a", range(4))
    for video in ("video", "frames"):
        request = openai_requests.request(clip, f"bare {token} here")
        [reply] = openai_requests.ask_all(model_file(weights, video=video), tmp_path, [request])
        assert isinstance(reply, UserError)
        assert f"the model's own token {token}" in str(reply)


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{% for i in range(10**7) %}{% endfor %}", "{{ messages[99].role.x }}"]
)
def test_a_template_that_fails_is_told_from_a_defect(weights, tmp_path, template):
    copy = shutil.copytree(weights, tmp_path / "copy")
    (copy / "chat_template.jinja").write_text(template)
    with pytest.raises(UserError, match="chat template refuses"):
        texts(model_file(copy), tmp_path, asked(tmp_path)[:1])


def test_a_missing_tensor_is_never_a_random_number(weights, tmp_path):
    from safetensors.numpy import load_file, save_file

    copy = shutil.copytree(weights, tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    del tensors["model.visual.merger.norm.bias"]
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(UserError, match=r"lack the tensor model\.visual\.merger\.norm\.bias"):
        opened(model_file(copy), tmp_path)


def test_a_template_cannot_reach_the_machine(weights, tmp_path):
    copy = shutil.copytree(weights, tmp_path / "copy")
    (copy / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(UserError, match="chat template refuses"):
        texts(model_file(copy), tmp_path, asked(tmp_path)[:1])


@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=40),
    st.floats(0.1, 3),
    st.integers(0, 12),
    st.floats(0.05, 1),
    st.floats(0, 0.5),
)
def test_only_tokens_that_the_filters_keep_are_drawn(logits, temperature, top_k, top_p, min_p):
    """Against the definitions, token by token."""
    settings = {"do_sample": True, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    scaled = np.array(logits, np.float32).astype(np.float64) / temperature
    order = sorted(range(len(logits)), key=lambda token: (-scaled[token], token))
    kept = order[: top_k or None]
    chances = np.exp(scaled[kept] - scaled[kept].max())
    chances /= chances.sum()
    allowed, before = set(), 0.0
    for token, chance in zip(kept, chances, strict=True):
        if before < top_p + 1e-9 and chance >= min_p * chances[0] - 1e-9:
            allowed.add(token)
        before += chance
    generator = np.random.default_rng(0)
    drawn = {choose(np.array(logits, np.float32), settings, generator) for _ in range(20)}
    assert drawn <= allowed


def test_draws_follow_the_likelihoods():
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    generator = np.random.default_rng(1)
    settings = {"do_sample": True, "temperature": 1.0}
    drawn = np.bincount([choose(logits, settings, generator) for _ in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(drawn, [0.5, 0.3, 0.2], atol=0.03)
    assert choose(logits, {"do_sample": False}, generator) == 0
