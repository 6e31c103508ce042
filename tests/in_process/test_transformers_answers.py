"""What a model in this process answers: the same whatever else is asked, and ended where it should be."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from local_models import GREEDY, SCRIPTS, ask, film, frames_of, model_file, opened, request
from safetensors.torch import load_file, save_file

from aqa import models
from aqa.errors import UserError
from aqa.models import Context
from aqa.models._transformers_engine import _Penalty
from tiny_qwen3vl import CHAT_TEMPLATE

pytestmark = pytest.mark.transformers

QUESTIONS = ("Judge the squat.", "Is it right?", "Answer True or False.", "Which score from 0 to 10?")
SAMPLED = {"temperature": 1.0, "top_p": 0.95, "top_k": 50, "max_tokens": 12}


def media_major(folder: Path) -> list[Any]:
    clips = [film(folder, f"clip{number}", range(10 * number, 10 * number + 6)) for number in range(3)]
    clips.append(film(folder, "still", [99]))
    return [
        request(clip, question, key=f"{clip.file} {question}")
        for clip, question in itertools.product(clips, QUESTIONS)
    ]


def texts(replies: list[Any]) -> list[str]:
    return [reply.text for reply in replies]


def test_answers_are_those_of_plain_generation(weights: Path, tmp_path: Path) -> None:
    engine = opened(model_file(weights, video="video"), tmp_path)
    asked = [*media_major(tmp_path), request("No clip at all?")]
    for one in asked:
        clips = frames_of(tmp_path, one)
        answer = engine.answer(one, clips, lambda: False)
        prompt = engine._prompts.prepare(one.messages, clips)
        with torch.inference_mode():
            plain = engine._model.generate(
                input_ids=prompt.ids,
                attention_mask=torch.ones_like(prompt.ids),
                **prompt.inputs,
                do_sample=False,
                max_new_tokens=GREEDY["max_tokens"],
            )
        new = plain[0, prompt.ids.shape[1] :]
        assert answer.text == engine._tokenizer.decode(new, skip_special_tokens=True)
        assert answer.completion_tokens == len(new)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_reused_prefix_changes_no_answer(
    weights: Path, tmp_path: Path, dtype: str, sampling: dict[str, Any]
) -> None:
    asked = media_major(tmp_path)
    settings = {"video": "video", "dtype": dtype}
    reused = ask(model_file(weights, sampling, **settings), tmp_path, *asked)
    computed = ask(model_file(weights, sampling, reuse_prefix=False, **settings), tmp_path, *asked)
    assert texts(reused) == texts(computed)
    assert len(set(texts(reused))) > len(asked) / 2
    assert not any(reply.usage.cached_tokens for reply in computed)
    first = [number % len(QUESTIONS) == 0 for number in range(len(asked))]
    assert [reply.usage.cached_tokens == 0 for reply in reused] == first


def test_the_order_of_requests_changes_no_answer_and_every_request_has_its_own_draws(
    weights: Path, tmp_path: Path
) -> None:
    asked = media_major(tmp_path)
    model = model_file(weights, SAMPLED, video="video")
    forward = texts(ask(model, tmp_path, *asked))
    assert texts(ask(model, tmp_path, *reversed(asked))) == forward[::-1]
    assert texts(ask(model, tmp_path, asked[5])) == [forward[5]]
    again = request(*asked[5].messages[0].content[:1], QUESTIONS[1], key="a repeat")
    assert texts(ask(model, tmp_path, again)) != [forward[5]]
    other = model_file(weights, {**SAMPLED, "seed": 7}, video="video")
    assert texts(ask(other, tmp_path, asked[5])) != [forward[5]]


def test_what_sampling_leaves_out_is_the_weights_own(weights: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(weights, tmp_path / "own"))
    path = copy / "generation_config.json"
    own = {"do_sample": True, "temperature": 5.0, "top_k": 20, "repetition_penalty": 1.3}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))
    sent = opened(model_file(copy, {"top_k": 3, "max_tokens": 4}), tmp_path).sent
    assert sent["generation"].items() >= {"do_sample": True, "temperature": 5.0, "top_k": 3}.items()
    assert sent["generation"]["repetition_penalty"] == 1.3
    greedy = opened(model_file(copy, {"temperature": 0}), tmp_path).sent["generation"]
    assert greedy["do_sample"] is False and "temperature" not in greedy


# How answers end


def test_an_answer_at_the_token_limit_is_truncated(weights: Path, tmp_path: Path) -> None:
    [reply] = ask(model_file(weights, {"temperature": 0, "max_tokens": 3}), tmp_path, request("Go on."))
    assert (reply.outcome, reply.finish_reason, reply.usage.completion_tokens) == ("truncated", "length", 3)
    assert reply.error == "the answer was cut at the token limit"
    [longer] = ask(model_file(weights, {"temperature": 0, "max_tokens": 5}), tmp_path, request("Go on."))
    assert longer.text.startswith(reply.text.rstrip("\ufffd"))


def test_what_does_not_fit_the_context_is_rejected_with_the_numbers(weights: Path, tmp_path: Path) -> None:
    long, short = request("again " * 400), request("Hi")
    model = model_file(weights, {"temperature": 0}, context=200)
    rejected, answered = ask(model, tmp_path, long, short)
    assert rejected.outcome == "rejected"
    assert rejected.error.endswith("tokens of the prompt do not fit the context of 200 tokens")
    assert answered.usage.prompt_tokens + answered.usage.completion_tokens <= 200
    limited = model_file(weights, {"temperature": 0, "max_tokens": 190}, context=200)
    [reply] = ask(limited, tmp_path, short)
    assert reply.outcome == "rejected" and "and 190 of the answer do not fit" in reply.error


def test_an_answer_ends_at_its_end_token_or_before_a_stop_text(weights: Path, tmp_path: Path) -> None:
    [whole] = ask(model_file(weights, {"temperature": 0, "max_tokens": 40}), tmp_path, request("Go on."))
    stop = next(text for text in (whole.text[at : at + 2] for at in range(6, 30)) if text.isprintable())
    model = model_file(weights, {"temperature": 0, "max_tokens": 40, "stop": stop})
    [cut] = ask(model, tmp_path, request("Go on."))
    assert cut.text == whole.text.split(stop)[0]
    assert (cut.finish_reason, whole.finish_reason) == ("stop", "length")
    eos = Path(shutil.copytree(weights, tmp_path / "eos"))
    path = eos / "generation_config.json"
    engine = opened(model_file(weights), tmp_path)
    ids = engine._prompts.prepare(request("Go on.").messages, []).ids
    with torch.inference_mode():
        plain = engine._model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=9
        )
    last = int(plain[0, -1])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": [last]}))
    [ended] = ask(model_file(eos, {"temperature": 0, "max_tokens": 40}), tmp_path, request("Go on."))
    assert ended.finish_reason == "stop"
    assert ended.usage.completion_tokens == plain[0, ids.shape[1] :].tolist().index(last) + 1


def test_reasoning_is_taken_out_as_over_http(weights: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(weights, tmp_path / "think"))
    [plain] = ask(model_file(copy), tmp_path, request("Go on."))
    (copy / "chat_template.jinja").write_text(CHAT_TEMPLATE + "{{ opening }}")
    model = model_file(copy, think_tags="closing", chat_template_kwargs={"opening": ""})
    [reply] = ask(model, tmp_path, request("Go on."))
    assert (reply.text, reply.outcome) == ("", "truncated")
    assert reply.reasoning == plain.text.strip()


def test_penalties_are_openais(weights: Path, tmp_path: Path) -> None:
    prompt, answer = [1, 2, 2], [5, 5, 5, 6]
    scores = torch.arange(8, dtype=torch.float32)[None]
    got = _Penalty(presence=0.5, frequency=0.25, start=3)(torch.tensor([prompt + answer]), scores)
    counts = [answer.count(token) for token in range(8)]
    expected = [token - 0.5 * (count > 0) - 0.25 * count for token, count in enumerate(counts)]
    assert got.tolist() == [expected]
    sampling = {"temperature": 0, "max_tokens": 20, "presence_penalty": 2.0, "frequency_penalty": 2.0}
    [plain] = ask(model_file(weights, {"temperature": 0, "max_tokens": 20}), tmp_path, request("Go on."))
    [varied] = ask(model_file(weights, sampling), tmp_path, request("Go on."))
    assert varied.text != plain.text


def test_a_cancelled_request_ends_and_the_next_is_answered(weights: Path, tmp_path: Path) -> None:
    """The first would go on for thousands of tokens; until it ends, the second cannot begin."""
    first, second = (request(film(tmp_path, name, range(6)), "Judge.") for name in ("a", "b"))

    async def run() -> tuple[Any, Any, int]:
        model = model_file(weights, {"temperature": 0, "min_tokens": 7000, "max_tokens": 7001}, video="video")
        async with models.create(model, Context(tmp_path, 1), "tiny.yaml") as backend:
            endless = asyncio.create_task(backend.ask(first))
            await asyncio.sleep(0.5)
            endless.cancel()
            [ended] = await asyncio.gather(endless, return_exceptions=True)
            backend._engine._sampling = {"max_tokens": 4}
            backend._engine._generation.min_new_tokens = None
            return ended, await backend.ask(second), backend.facts()["prefix"]["requests"]

    ended, reply, finished = asyncio.run(run())
    assert isinstance(ended, asyncio.CancelledError)
    [alone] = ask(model_file(weights, {"temperature": 0, "max_tokens": 4}, video="video"), tmp_path, second)
    assert (reply.text, reply.usage) == (alone.text, alone.usage)
    assert finished == 1


def test_too_little_memory_says_what_to_do(weights: Path, tmp_path: Path) -> None:
    script = f"""
import resource, sys
sys.path[:0] = [{str(SCRIPTS)!r}, {str(SCRIPTS.parent / "tests")!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
from local_models import model_file, opened, request
engine = opened(model_file({str(weights)!r}, attention="eager"), Path({str(tmp_path)!r}))
asked = request("1" * 7000)
engine.answer(request("warm up"), [], lambda: False)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
from aqa.errors import UserError
try:
    print(engine.answer(asked, [], lambda: False))
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("out of memory on cpu"), done.stdout + done.stderr
    assert "set options.context" in done.stdout


# Weights


def test_weights_that_lack_a_tensor_are_refused(weights: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(weights, tmp_path / "torn"))
    tensors = load_file(copy / "model.safetensors")
    gone = next(name for name in tensors if "layers.1.mlp.up_proj" in name)
    del tensors[gone]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"the weights lack 1 tensors.*layers\.1\.mlp\.up_proj"):
        opened(model_file(copy), tmp_path)


def test_damaged_weights_a_missing_template_and_an_absent_device_are_told(
    weights: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(weights, tmp_path / "damaged"))
    (damaged / "model.safetensors").write_bytes((weights / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(UserError, match="cannot load the model"):
        opened(model_file(damaged), tmp_path)
    bare = Path(shutil.copytree(weights, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="no chat template"):
        opened(model_file(bare), tmp_path)
    with pytest.raises(UserError, match=r"options\.device: .* has no cuda:63"):
        opened(model_file(weights, device="cuda:63"), tmp_path)
    with pytest.raises(UserError, match="Qwen2VLImageProcessorPil has no such setting"):
        opened(model_file(weights, image_processor={"szie": 3}), tmp_path)


COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = """
import os, pathlib
pathlib.Path(os.environ["AQA_RAN"]).touch()
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
class OddConfig(Qwen3VLConfig):
    model_type = "qwen3_vl"
class Odd(Qwen3VLForConditionalGeneration):
    config_class = OddConfig
"""


def hub(weights: Path, cache: Path, code: str | None = None) -> None:
    """Lay out a cache of the hub that holds one commit of one repository."""
    snapshot = cache / "models--someone--tiny" / "snapshots" / COMMIT
    shutil.copytree(weights, snapshot)
    if code is not None:
        config = json.loads((snapshot / "config.json").read_text())
        config["auto_map"] = {"AutoConfig": f"{code}.OddConfig", "AutoModelForImageTextToText": f"{code}.Odd"}
        (snapshot / "config.json").write_text(json.dumps(config | {"model_type": "odd_vl"}))
        (snapshot / "odd.py").write_text(CODE)


def load_from_hub(cache: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Open the model of a cache in a process of its own, since the hub's library reads its settings once."""
    values = {"revision": COMMIT, "local_files_only": True, **options}
    script = f"""
import sys
sys.path[:0] = [{str(SCRIPTS)!r}, {str(SCRIPTS.parent / "tests")!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
from local_models import ask, model_file, request
from aqa.errors import UserError
try:
    [reply] = ask(model_file("someone/tiny", **{values!r}), Path("."), request("Hi"))
    print(reply.model_version)
except UserError as error:
    print(error)
"""
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HOME": str(cache / "home")}
    environment |= {"HF_MODULES_CACHE": str(cache / "modules"), "AQA_RAN": str(cache / "ran")}
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=cache,
    )


def test_a_commit_of_the_hub_is_loaded_and_recorded(weights: Path, tmp_path: Path) -> None:
    hub(weights, tmp_path)
    assert load_from_hub(tmp_path).stdout.strip() == COMMIT
    other = "f" * 40
    missing = load_from_hub(tmp_path, revision=other)
    assert missing.stdout.startswith(f"test.yaml: someone/tiny at {other} cannot be fetched"), missing.stderr


def test_code_of_a_repository_runs_only_if_trusted_and_pinned(weights: Path, tmp_path: Path) -> None:
    hub(weights, tmp_path, code="odd")
    refused = load_from_hub(tmp_path)
    assert "cannot load the model" in refused.stdout, refused.stderr
    assert not (tmp_path / "ran").exists()
    trusted = load_from_hub(tmp_path, trust_remote_code=True)
    assert (tmp_path / "ran").exists(), trusted.stdout + trusted.stderr


def test_code_of_another_repository_is_never_run(weights: Path, tmp_path: Path) -> None:
    hub(weights, tmp_path, code="someone/else--odd")
    refused = load_from_hub(tmp_path, trust_remote_code=True)
    assert "takes code from another repository (someone/else--odd" in refused.stdout, refused.stderr
