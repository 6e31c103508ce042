"""Media of requests: read and encoded once, in bounded memory, never the wrong ones."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa import models
from aqa.errors import UserError
from aqa.media.store import write_clip
from aqa.models import Context
from aqa.models._clips import Clips
from aqa.records import MediaPart
from openai_requests import ask, ask_all, clip, jpeg, model_file, request
from openai_server import Server, ServerProcess, server_fixture  # noqa: F401

# Media in memory


def test_a_clip_is_encoded_once_for_all_its_requests(server: Server, tmp_path: Path) -> None:
    part = clip(tmp_path, "a", [jpeg(seed) for seed in range(8)])

    async def run() -> int:
        async with models.create(model_file(server.url), Context(tmp_path, 1)) as backend:
            await asyncio.gather(*(backend.ask(request(part, f"Prompt {n}")) for n in range(6)))
            await backend.ask(request(part, part, "Again"))
            return int(backend.encodings)  # type: ignore[attr-defined]

    assert asyncio.run(run()) == 1
    assert len(server.received) == 7


def test_clips_that_are_changed_missing_or_torn_stop_with_the_reason(server: Server, tmp_path: Path) -> None:
    part = clip(tmp_path, "a", [jpeg(1)], "image")
    write_clip(tmp_path / "a.zip", [jpeg(2)])
    with pytest.raises(UserError, match="is not what the requests name"):
        ask(model_file(server.url), tmp_path, request(part, "Judge."))
    (tmp_path / "a.zip").unlink()
    with pytest.raises(UserError, match="run the media stage again"):
        ask(model_file(server.url), tmp_path, request(part, "Judge."))
    fine = clip(tmp_path, "b", [jpeg(1)] * 3)
    short = fine.model_copy(update={"timestamps": (0.0, 0.5)})
    with pytest.raises(UserError, match="3 frames, but the request says 2"):
        ask(model_file(server.url), tmp_path, request(short, "Judge."))
    torn = clip(tmp_path, "c", [b"not an image"])
    with pytest.raises(UserError, match="neither JPEG nor PNG"):
        ask(model_file(server.url), tmp_path, request(torn, "Judge."))
    assert server.received == []


def test_a_broken_clip_does_not_hold_up_the_others(server: Server, tmp_path: Path) -> None:
    good = clip(tmp_path, "good", [jpeg(1)], "image")
    bad = replace_digest(clip(tmp_path, "bad", [jpeg(2)], "image"))
    mixed = [request(bad if n % 3 == 0 else good, f"{n}") for n in range(12)]
    outcomes = ask_all(model_file(server.url, cache_mb=1), tmp_path, mixed)
    assert [isinstance(outcome, UserError) for outcome in outcomes] == [n % 3 == 0 for n in range(12)]


def replace_digest(part: MediaPart) -> MediaPart:
    """The same part, naming other content."""
    return part.model_copy(update={"sha256": "1" * 64})


def test_memory_stays_bounded_at_concurrency_64_with_16_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    head = jpeg(1)
    parts = []
    for number in range(64):
        frames = [head + noise.bytes(100_000) for _ in range(16)]
        parts.append(clip(tmp_path, f"c{number}", frames))
    media_mb = sum((tmp_path / part.file).stat().st_size for part in parts) >> 20
    with ServerProcess("--no-decode", "--delay", "0.15") as url:
        tracemalloc.start()
        replies = ask_all(model_file(url, cache_mb=16), tmp_path, [request(part, "Judge.") for part in parts])
        peak_mb = tracemalloc.get_traced_memory()[1] >> 20
        tracemalloc.stop()
    assert [reply.outcome for reply in replies] == ["ok"] * 64
    assert media_mb > 90
    assert peak_mb < 50


def test_a_request_larger_than_the_whole_cache_runs_alone(server: Server, tmp_path: Path) -> None:
    big = [jpeg(n) + bytes(400_000) for n in range(4)]
    requests = [request(clip(tmp_path, f"c{n}", big), "Judge.") for n in range(3)]
    server.rules.decode = False
    replies = ask_all(model_file(server.url, cache_mb=1), tmp_path, requests)
    assert [reply.outcome for reply in replies] == ["ok"] * 3
    assert server.most_in_flight == 1


def test_the_clip_used_longest_ago_makes_room_and_is_encoded_again_when_needed(tmp_path: Path) -> None:
    a, b, c = (clip(tmp_path, name, [jpeg(n) + bytes(300_000)]) for n, name in enumerate("abc"))

    async def run() -> tuple[list[int], int]:
        clips = Clips(tmp_path, lambda part, frames: b"".join(frames), limit=800_000)
        counts = []
        for part in (a, b, a, c, a, b):
            async with clips.hold([part]):
                counts.append(clips.encodings)
        clips.close()
        return counts, clips.stored_bytes

    counts, left = asyncio.run(run())
    assert counts == [1, 2, 2, 3, 3, 4]
    assert left == 0


def test_a_request_that_is_cancelled_while_it_waits_blocks_nobody(tmp_path: Path) -> None:
    a, b, c = (clip(tmp_path, name, [jpeg(n) + bytes(300_000)]) for n, name in enumerate("abc"))

    async def run() -> int:
        clips = Clips(tmp_path, lambda part, frames: b"".join(frames), limit=500_000)
        release = asyncio.Event()

        async def hold(part: MediaPart) -> None:
            async with clips.hold([part]):
                await release.wait()

        first, second, third = (asyncio.create_task(hold(part)) for part in (a, b, c))
        await asyncio.sleep(0.05)
        second.cancel()
        release.set()
        await asyncio.wait_for(asyncio.gather(first, third), 5)
        assert second.cancelled()
        clips.close()
        return clips.encodings

    assert asyncio.run(run()) == 2


@settings(max_examples=40, deadline=None)
@given(
    wanted=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=25),
    cancelled=st.sets(st.integers(0, 24)),
)
def test_whatever_is_asked_and_cancelled_everybody_else_is_served_within_the_limit(
    clip_folder: tuple[Path, list[MediaPart]], wanted: list[list[int]], cancelled: set[int]
) -> None:
    folder, parts = clip_folder
    limit = 45_000

    async def run() -> None:
        clips = Clips(folder, lambda part, frames: b"".join(frames), limit=limit)

        async def use(numbers: list[int]) -> list[bytes]:
            async with clips.hold([parts[number] for number in numbers]) as encoded:
                assert clips.stored_bytes <= limit
                await asyncio.sleep(0)
                return [data[-1:] for data in encoded]

        tasks = [asyncio.create_task(use(numbers)) for numbers in wanted]
        await asyncio.sleep(0)
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        for number, (numbers, result) in enumerate(zip(wanted, results, strict=True)):
            if number not in cancelled:
                assert result == [bytes([value]) for value in numbers]
        assert clips.stored_bytes <= limit
        clips.close()

    asyncio.run(run())


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[MediaPart]]:
    """Six clips of one frame of about 10 kB; the last byte is the clip's number."""
    folder = tmp_path_factory.mktemp("clips")
    return folder, [clip(folder, f"c{n}", [bytes(10_000) + bytes([n])], "image") for n in range(6)]
