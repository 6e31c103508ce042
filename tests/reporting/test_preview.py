"""The preview shows exactly what would be sent, and keeps what would not apart."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets import load_wording
from aqa.errors import UserError
from aqa.files import digest, digest_file, write_jsonl
from aqa.inference import comparisons
from aqa.media.store import write_clip
from aqa.records import Clip, Media, MediaPart, Message, Pair, Question, Request, Sample, TextPart
from aqa.reporting.preview import MAX_FRAMES, SIDE, choose, visible, write_preview

SCRIPT = Path(__file__).parents[2] / "scripts" / "preview.py"
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)></pre>{{ 7*7 }}'
QUESTION = Question(item="knees", text="Do they cave in?", options=("true", "false"), correct="false")
IDENTITY = {"backend": "openai", "model": "m", "sampling": {"temperature": 0.7}}
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Collects tags, and the text inside each `pre`, exactly as a browser would show it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "pre":
            self.texts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "pre":
            first = not self.texts[-1]
            self.texts[-1] += data.removeprefix("\n") if first else data

    def images(self) -> list[np.ndarray]:
        sources = [attributes["src"] or "" for tag, attributes in self.tags if tag == "img"]
        assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
        content = [base64.b64decode(source.partition(",")[2]) for source in sources]
        return [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in content]


def clip(media: Path, name: str, frames: int, size: tuple[int, int] = (320, 180)) -> Clip:
    """Write a clip whose frames grow lighter."""
    width, height = size
    levels = [round(40 + 200 * number / max(1, frames - 1)) for number in range(frames)]
    pictures = [
        cv2.imencode(".jpg", np.full((height, width, 3), level, np.uint8))[1].tobytes() for level in levels
    ]
    file = media / "gym" / "original" / "native" / "clips" / f"{name}.zip"
    write_clip(file, pictures)
    return Clip(
        sample_id=name,
        file=f"gym/original/native/clips/{name}.zip",
        sha256=digest_file(file),
        width=width,
        height=height,
        frame_indices=tuple(range(frames)),
        timestamps=tuple(number / 2 for number in range(frames)),
    )


def part(made: Clip) -> MediaPart:
    return MediaPart(
        kind="video" if len(made.timestamps) > 1 else "image",
        file=made.file or "",
        sha256=made.sha256 or "",
        width=made.width,
        height=made.height,
        timestamps=made.timestamps,
    )


def sample(name: str, **changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "sample_id": name,
        "exercise": "squat",
        "subject": f"p-{name}",
        "split": "test",
        "media": Media(path=f"{name}.mp4", kind="video"),
        "questions": (QUESTION,),
        "truth": {"knees": "true"},
    }
    return Sample.model_validate(fields | changes)


def request(name: str, *messages: Message, **changes: Any) -> Request:
    fields: dict[str, Any] = {
        "key": hashlib.sha256(name.encode()).hexdigest(),
        "settings": digest(IDENTITY),
        "sample_id": name,
        "subject": f"p-{name}",
        "exercise": "squat",
        "messages": messages,
        "questions": (QUESTION,),
    }
    return Request.model_validate(fields | changes)


def user(*parts: MediaPart | str) -> Message:
    return Message(role="user", content=tuple(TextPart(text=p) if isinstance(p, str) else p for p in parts))


def make(folder: Path, requests: list[Request], samples: list[Sample] | None = None, **changes: Any) -> Page:
    write_jsonl(folder / "requests.jsonl", requests)
    write_jsonl(folder / "samples.jsonl", samples or [sample(r.sample_id) for r in requests])
    write_preview(
        requests=folder / "requests.jsonl",
        samples=folder / "samples.jsonl",
        media=folder / "media",
        output=folder / "preview.html",
        **changes,
    )
    return Page(folder / "preview.html")


def test_messages_are_shown_word_for_word_in_order(tmp_path: Path) -> None:
    system = Message(role="system", content=(TextPart(text="Be brief."),))
    text = "\n  Two lines,\n\n\tand a <tag> & more.  "
    made = clip(tmp_path / "media", "a", 3)
    page = make(tmp_path, [request("a", system, user(part(made), text))])
    assert page.texts == ["Be brief.", text, '{"knees": true}']


def test_every_frame_is_shown_small_with_its_time(tmp_path: Path) -> None:
    page = make(tmp_path, [request("a", user(part(clip(tmp_path / "media", "a", 5)), "?"))])
    images = page.images()
    assert len(images) == 5
    assert all(max(image.shape[:2]) == SIDE for image in images)
    lightness = [float(image.mean()) for image in images]
    assert lightness == sorted(lightness)
    for number in range(5):
        assert f"{number + 1}: {number / 2:.2f} s</li>" in page.source
    assert "5 frames · 0.00 s to 2.00 s" in page.source


def test_a_long_clip_shows_a_bounded_number_of_frames_and_says_so(tmp_path: Path) -> None:
    made = clip(tmp_path / "media", "a", MAX_FRAMES + 30, size=(16, 8))
    page = make(tmp_path, [request("a", user(part(made), "?"))])
    assert len(page.images()) == MAX_FRAMES
    assert f"{MAX_FRAMES + 30} frames" in page.source
    assert f"{MAX_FRAMES} of them below" in page.source
    assert f">{MAX_FRAMES + 30}: " in page.source, "the last frame is among them"


def test_without_the_right_to_publish_no_pixel_is_in_the_page(tmp_path: Path) -> None:
    made = clip(tmp_path / "media", "a", 4)
    page = make(tmp_path, [request("a", user(part(made), "What?"))], placeholders=True)
    assert page.images() == []
    assert "data:image" not in page.source
    assert page.source.count("not shown</span>") == 4
    assert "1.50 s" in page.source
    assert "What?" in page.texts


def test_the_expected_answer_is_apart_from_what_is_sent(tmp_path: Path) -> None:
    page = make(tmp_path, [request("a", user(part(clip(tmp_path / "media", "a", 2)), "?"))])
    sent, _, secret = page.source.partition('<div class="secret"')
    assert "Not sent: the expected answer" in secret
    assert html.escape('{"knees": true}') not in sent
    assert hashlib.sha256(b"a").hexdigest() in secret


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = sample(
        "a",
        questions=(Question(item="knees", text="?", options=(HOSTILE, "no")),),
        truth={"knees": HOSTILE},
    )
    made = clip(tmp_path / "media", "a", 2)
    asked = request("a", user(part(made), HOSTILE), questions=hostile.questions, item=HOSTILE)
    page = make(tmp_path, [asked], [hostile], title=HOSTILE)
    assert page.texts[0] == HOSTILE
    tags = {tag for tag, _ in page.tags}
    assert "script" not in tags
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert "{{ 7*7 }}" in page.source


def test_the_page_allows_no_script_and_no_connection(tmp_path: Path) -> None:
    page = make(tmp_path, [request("a", user(part(clip(tmp_path / "media", "a", 2)), "?"))])
    (policy,) = (a["content"] or "" for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    sheets = re.findall(r"<style>(.*?)</style>", page.source, re.DOTALL)
    assert len(sheets) == 2
    for sheet in sheets:
        assert base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode() in policy
    assert not re.search(r'(?:src|href)="(?!data:|#)', page.source)
    assert " style=" not in page.source


def test_characters_that_cannot_be_seen_are_written_out() -> None:
    assert visible("a\u202eb\x00c\u200b\n\té–") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+200B⟩\n\té–"


@given(st.text())
def test_what_is_visible_is_never_changed(text: str) -> None:
    shown = visible(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", shown)
    if text.isprintable():
        assert shown == text


def test_samples_come_from_all_exercises_in_turn() -> None:
    requests = [request(f"{e}{n}", user("?"), exercise=e) for e in ("squat", "press") for n in range(3)]
    assert [r.sample_id for r in choose(requests, 4)] == ["squat0", "press0", "squat1", "press1"]
    assert len(choose(requests, 99)) == 6


def test_a_pair_is_shown_in_both_orders_with_the_better_one(tmp_path: Path) -> None:
    clips = {name: clip(tmp_path / "media", name, 2) for name in ("good", "bad")}
    samples = [sample("bad"), sample("good", truth={"knees": "false"})]
    pair = Pair(
        pair_id="pair-1",
        exercise="squat",
        item="",
        text="Which is better?",
        anchor="bad",
        partner="good",
        anchor_subject="p-bad",
        partner_subject="p-good",
        better="partner",
    )
    write_jsonl(tmp_path / "pairs.jsonl", [pair])
    requests = comparisons.build(
        [pair],
        {s.sample_id: s for s in samples},
        clips,
        exercises={"squat": "Squat"},
        strategy="base",
        wording=load_wording("finefs"),
        identity=IDENTITY,
    )
    assert len(choose(requests, 1)) == 2, "the two orders stay together"
    page = make(tmp_path, requests, samples, pairs=tmp_path / "pairs.jsonl")
    assert [text for text in page.texts if text.startswith('{"answer"')] == [
        '{"answer": "second"}',
        '{"answer": "first"}',
    ]
    assert "better: good of bad and good" in page.source
    assert len(page.images()) == 8


def test_settings_are_shown_only_if_they_are_those_of_the_requests(tmp_path: Path) -> None:
    asked = [request("a", user(part(clip(tmp_path / "media", "a", 2)), "?"))]
    page = make(tmp_path, asked, identity=IDENTITY)
    assert '"temperature": 0.7' in page.texts[0]
    with pytest.raises(UserError, match="rendered with other settings of the model; render it again"):
        make(tmp_path, asked, identity=IDENTITY | {"model": "other"})


def broken(folder: Path, asked: MediaPart, change: str) -> tuple[MediaPart, str]:
    path = folder / "media" / asked.file
    if change == "gone":
        path.unlink()
        return asked, "the clip is missing"
    if change == "changed":
        write_clip(path, [b"\xff\xd8\xffother"] * 2)
        return asked, "changed since the requests were rendered"
    if change == "no picture":
        write_clip(path, [b"\xff\xd8\xffnothing"] * 2)
        return asked.model_copy(update={"sha256": digest_file(path)}), "a frame cannot be decoded"
    return asked.model_copy(update={"file": "../../secret.zip"}), "lies outside"


@pytest.mark.parametrize("change", ["gone", "changed", "no picture", "outside"])
def test_a_clip_that_is_not_the_one_to_be_sent_is_refused(tmp_path: Path, change: str) -> None:
    asked, message = broken(tmp_path, part(clip(tmp_path / "media", "a", 2)), change)
    with pytest.raises(UserError, match=message):
        make(tmp_path, [request("a", user(asked, "?"))])
    assert not (tmp_path / "preview.html").exists()


def test_a_request_without_its_sample_or_truth_is_refused(tmp_path: Path) -> None:
    asked = [request("a", user("?"))]
    with pytest.raises(UserError, match="request of 'a': no such sample"):
        make(tmp_path, asked, [sample("b")])
    other = Question(item="hips", text="?", options=("x", "y"))
    with pytest.raises(UserError, match="no truth for 'hips'"):
        make(tmp_path, [request("a", user("?"), questions=(other,))], [sample("a")])


def test_the_same_inputs_give_the_same_page(tmp_path: Path) -> None:
    asked = [request("a", user(part(clip(tmp_path / "media", "a", 3)), "?"))]
    assert make(tmp_path, asked).source == make(tmp_path, asked).source


def test_the_command_line_names_the_cell_and_checks_the_model(tmp_path: Path) -> None:
    cell = tmp_path / "cells" / "gym" / "judge" / "original" / "base" / "big"
    cell.mkdir(parents=True)
    (tmp_path / "big.yaml").write_text("title: Big\nbackend: baseline\noptions: {kind: random}\n")
    settings = digest({"backend": "baseline", "kind": "random", "seed": 5})
    asked = request("a", user(part(clip(tmp_path / "media", "a", 2)), "?"), settings=settings)
    write_jsonl(cell / "requests.jsonl", [asked])
    write_jsonl(tmp_path / "samples.jsonl", [sample("a")])
    command = [
        *(sys.executable, SCRIPT, "--requests", cell / "requests.jsonl", "--output", tmp_path / "p.html"),
        *("--samples", tmp_path / "samples.jsonl", "--media", tmp_path / "media"),
        *("--model", tmp_path / "big.yaml", "--seed"),
    ]
    done = subprocess.run([*command, "5"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gym · judge · original · base · big" in (tmp_path / "p.html").read_text()
    done = subprocess.run([*command, "6"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "rendered with other settings" in line
