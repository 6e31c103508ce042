"""Frames and times arrive: read back from the prompt that a real vLLM made of a request (design, decision 5).

Qwen3-VL joins two neighbouring frames into one temporal patch and writes the mean of their times before
it; an odd last frame is paired with itself.
"""

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest
from tiny_server import options

from aqa import models
from aqa.config import ModelFile
from aqa.files import digest_file
from aqa.media.store import write_clip
from aqa.models import Context
from aqa.models._encodings import Encoder
from aqa.models.openai import _body
from aqa.records import MediaPart
from openai_requests import jpeg, request
from tiny_qwen3vl import TEMPORAL_PATCH, TOKEN_SIDE

pytestmark = pytest.mark.vllm

SIDE = 4 * TOKEN_SIDE
TOKENS = 16
"""Of a picture, or of a pair of frames: (128 / 32) ** 2."""

FPS_2 = tuple(0.5 * n for n in range(9))
ON_25 = (0.0, 0.52, 1.0, 1.52, 2.0, 2.52, 3.0)
"""Two a second out of 25: the first frame at or after each half second."""
NTSC = tuple(round(n * 1001 / 30000, 6) for n in range(31))
THINNED = tuple(round(i * 299 / 39 + 1e-9) / 30 for i in range(40))
"""40 of 300 frames at 30 a second, evenly spaced by number."""
SLOW = (0.0, 4.0, 8.0, 12.0)
TWO = (0.0, 0.5)
SERIES = {"fps-2": FPS_2, "on-25": ON_25, "ntsc": NTSC, "thinned": THINNED, "slow": SLOW, "two": TWO}


def clip(folder: Path, name: str, times: tuple[float, ...], kind: str = "video") -> MediaPart:
    path = folder / f"{name}.zip"
    write_clip(path, [jpeg(n, SIDE) for n in range(len(times))])
    return MediaPart(
        kind=kind, file=path.name, sha256=digest_file(path), width=SIDE, height=SIDE, timestamps=times
    )


def expected(times: tuple[float, ...]) -> np.ndarray:
    """The times of the temporal patches."""
    padded = [*times, *times[-1:] * (-len(times) % TEMPORAL_PATCH)]
    return np.asarray(padded).reshape(-1, TEMPORAL_PATCH).mean(axis=1)


def model(weights, **more):
    sampling = {"max_tokens": 1, "temperature": 0.0}
    return ModelFile(title="T", backend="vllm", sampling=sampling, options=options(weights, **more))


def render(weights, media: Path, requests, **more):
    """Ask a managed server; return what it made of each request: the prompt's text, and its reply."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights)
    extra = {"return_token_ids": True}

    async def run():
        file = model(weights, extra_body=extra, **more)
        async with models.create(file, Context(media=media, seed=0), "tiny") as backend:
            rendered = []
            for asked in requests:
                reply = await backend.ask(asked)
                body = await raw(backend, media, asked, file)
                rendered.append((tokenizer.decode(body["prompt_token_ids"]), body, reply))
            return rendered

    return asyncio.run(run())


async def raw(backend, media, asked, file):
    """Send the very same body once more, and return the server's whole answer."""
    import aiohttp

    from aqa.media.store import read_frames

    client, server = backend._client, backend._server
    encode = Encoder(file.options["video"], times=file.options.get("frame_times", False))
    parts = [part for m in asked.messages for part in m.content if isinstance(part, MediaPart)]
    encoded = [encode(part, read_frames(media / part.file)) for part in parts]
    video = any(part.kind == "video" for part in parts)
    body = b"".join(_body(client._heads[video], asked.messages, encoded))
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.address}/chat/completions", data=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


def times_in(prompt: str) -> list[float]:
    return [float(time) for time in re.findall(r"<(\d+\.\d) seconds><\|vision_start\|>", prompt)]


def pads(prompt: str) -> list[int]:
    """Return how many visual tokens each stretch of the prompt has."""
    blocks = re.findall(r"<\|vision_start\|>((?:<\|(?:video|image)_pad\|>)+)<\|vision_end\|>", prompt)
    return [block.count("_pad|>") for block in blocks]


def test_a_video_file_keeps_every_frame_and_its_time_to_a_tenth_of_a_second(weights, tmp_path):
    clips = {name: clip(tmp_path, name, times) for name, times in SERIES.items()}
    requests = [request(part, "How well?") for part in clips.values()]
    requests.append(request(clips["fps-2"], "How well?", clips["ntsc"], "And now?"))
    *single, pair = render(weights, tmp_path, requests, video="video_url")
    for times, (prompt, body, reply) in zip(SERIES.values(), single, strict=True):
        patches = expected(times)
        assert pads(prompt) == [TOKENS] * len(patches), "every frame, and none twice"
        assert np.abs(np.asarray(times_in(prompt)) - patches).max() <= 0.1
        assert reply.usage.prompt_tokens == body["usage"]["prompt_tokens"] == len(body["prompt_token_ids"])
    prompt, _, _ = pair
    both = np.concatenate([expected(FPS_2), expected(NTSC)])
    assert pads(prompt) == [TOKENS] * len(both)
    assert np.abs(np.asarray(times_in(prompt)) - both).max() <= 0.1
    assert prompt.index("How well?") < prompt.index("And now?")


def test_frames_as_jpeg_are_all_kept_and_images_count_one_by_one(weights, tmp_path):
    long, still = clip(tmp_path, "long", FPS_2 * 5), clip(tmp_path, "still", (0.0,), "image")
    requests = [request(long, "How well?"), request(still, still, "Which is better?")]
    (video, _, answered), (images, _, _) = render(weights, tmp_path, requests, video="video_url_jpeg")
    assert pads(video) == [TOKENS] * 23, "45 frames in pairs: more than the 32 that vLLM keeps by itself"
    assert pads(images) == [TOKENS, TOKENS]
    assert answered.usage.prompt_tokens > 23 * TOKENS


def test_frames_as_images_stand_behind_their_times(weights, tmp_path):
    part = clip(tmp_path, "frames", SLOW)
    asked = request(part, "How well?")
    ((prompt, _, _),) = render(weights, tmp_path, [asked], video="frames", frame_times=True)
    assert pads(prompt) == [TOKENS] * 4
    assert times_in(prompt) == list(SLOW)
