"""The prompts of every dataset and strategy on small fixed samples.

    python tests/prompts/golden_prompts.py

writes `tests/prompts/golden/` anew; read the difference before it is committed.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from aqa.datasets import load_metadata, load_wording
from aqa.datasets.pairs import EXECUTION
from aqa.datasets.reviewed import Guideline, Reviewed, key, load_reviewed
from aqa.inference import comparisons, requests
from aqa.prompts import load_strategy, require, strategies
from aqa.records import Clip, MediaPart, Message, Pair, Question, Sample

GOLDEN = Path(__file__).parent / "golden"
REPRESENTATIONS = ("original", "skeleton_only")

TILT = "How is the trunk inclined?"
REAR = "Where is the knee of the rear leg?"
TOES = "Point your toes outwards"


def sample(name: str, exercise: str, questions: Any, truth: dict[str, Any], **facts: Any) -> Sample:
    """Return a sample whose subject, file and content are its own."""
    kind = facts.pop("kind", "video")
    digest = key(name)
    media = {"path": f"secret/{name}.{kind}", "kind": kind, "sha256": digest}
    return Sample(
        sample_id=name,
        exercise=exercise,
        subject=facts.pop("subject", f"person-{name}"),
        split=facts.pop("split", "test"),
        media=media,
        questions=questions,
        truth=truth,
        details=facts,
    )


def clip(name: str, frames: int = 2) -> Clip:
    """Return a clip of some frames, half a second apart."""
    return Clip(
        sample_id=name,
        file=f"clips/{name}.zip",
        sha256=key(name),
        width=64,
        height=48,
        frame_indices=tuple(range(frames)),
        timestamps=tuple(number / 2 for number in range(frames)),
    )


@cache
def fixtures() -> dict[str, tuple[Sample, list[Sample], Reviewed]]:
    """Return for each dataset what is asked about, its examples, and the user's own texts."""
    fms = (
        Question(item="r01", text=TILT, options=("Upright", "Inclined"), correct="Upright"),
        Question(item="r02", text=REAR, options=("Near", "Middle", "Far"), correct="Near"),
    )
    toes = (Question(item="g1", text=TOES, options=("true", "false"), correct="true"),)
    wording = {name: load_wording(name).questions for name in ("fitness-aqa", "finefs", "mtl-aqa")}
    squat = tuple(
        Question(item=item, text=text, options=("true", "false"), correct="false")
        for item, text in wording["fitness-aqa"]["squat"].items()
    )
    spin = (Question(item="", text=wording["finefs"]["spin"][""], minimum=-5, maximum=5),)
    dive = (Question(item="", text=wording["mtl-aqa"]["diving"][""], minimum=0, maximum=10),)
    lunge: dict[str, Any] = {"movement": "Inline Lunge (Left)", "view": "side", "kind": "image"}
    announced: dict[str, Any] = {"position": "tuck", "armstand": "no", "rotation": "forward"}
    return {
        "llm-fms": (
            sample("a", "inline-lunge", fms, {"r01": "Upright", "r02": "Far"}, **lunge),
            [
                sample("b", "inline-lunge", fms, {"r01": "Inclined", "r02": "Near"}, **lunge),
                sample("c", "inline-lunge", fms, {"r01": "Upright", "r02": "Far"}, **lunge),
                sample("d", "inline-lunge", fms, {"r01": "Inclined", "r02": "Middle"}, **lunge),
            ],
            Reviewed(
                guidelines={
                    "inline-lunge": (
                        guideline(TILT, "The trunk should be upright.", "The trunk not being upright."),
                        guideline(
                            REAR,
                            "The rear knee should touch the floor behind the front heel.",
                            "The rear knee not touching the floor behind the front heel.",
                        ),
                    )
                }
            ),
        ),
        "egoexo-fitness": (
            sample("a", "sumo-squat", toes, {"g1": "true"}, kind="frames"),
            [
                sample("b", "sumo-squat", toes, {"g1": "false"}, kind="frames"),
                sample("c", "sumo-squat", toes, {"g1": "true"}, kind="frames"),
            ],
            Reviewed(
                guidelines={"sumo-squat": (guideline(TOES, None, "Not pointing your toes outwards."),)},
                positive_is_question=True,
            ),
        ),
        "fitness-aqa": (
            sample("a", "squat", squat, {"knees_inward": "true", "knees_forward": "false"}),
            [
                sample(
                    "b", "squat", squat, {"knees_inward": "true", "knees_forward": "false"}, split="train"
                ),
                sample(
                    "c", "squat", squat, {"knees_inward": "false", "knees_forward": "true"}, split="train"
                ),
            ],
            load_reviewed("fitness-aqa"),
        ),
        "finefs": (
            sample("a", "spin", spin, {"": 1.6}, element="CCoSp"),
            [
                sample("b", "spin", spin, {"": 3.142857143}, element="CCoSp"),
                sample("c", "spin", spin, {"": -2.0}, element="CCoSp"),
            ],
            load_reviewed("finefs"),
        ),
        "mtl-aqa": (
            sample("a", "diving", dive, {"": 7.5}, **announced),
            [
                sample("b", "diving", dive, {"": 2.333333333}, split="train", **announced),
                sample("c", "diving", dive, {"": 9.0}, split="train", **announced),
            ],
            load_reviewed("mtl-aqa"),
        ),
    }


def guideline(question: str, positive: str | None, negative: str | None, reviewed: bool = True) -> Guideline:
    """Return an entry about a question."""
    return Guideline(sha256=key(question), positive=positive, negative=negative, reviewed=reviewed)


@cache
def conversation(dataset: str, strategy: str, representation: Any) -> tuple[Message, ...]:
    """Return the messages of the dataset's sample."""
    asked, shown, texts = fixtures()[dataset]
    frames = 1 if asked.media.kind == "image" else 2
    polarity = load_strategy(strategy).guidelines
    if polarity:
        assert require([asked], texts, polarity, allow_draft=False) == []
    (request,) = requests.build(
        [asked],
        {"a": clip("a", frames)},
        exercises=load_metadata(dataset).exercises,
        strategy=strategy,
        wording=load_wording(dataset),
        identity={},
        representation=representation,
        texts=texts,
        examples={"a": [(example, clip(example.sample_id, frames)) for example in shown]},
    )
    return request.messages


COMPARED = {
    "llm-fms": ("r01", "In which image is the trunk closer to parallel with the vertical axis?"),
    "egoexo-fitness": ("g1", TOES),
    "fitness-aqa": ("", EXECUTION),
    "finefs": ("", EXECUTION),
    "mtl-aqa": ("", EXECUTION),
}
"""What a pair of each dataset is compared in: the item and its text, as `aqa.datasets.pairs` has them."""


def comparing() -> tuple[str, ...]:
    """Return the strategies that the compare task can use: without guidelines and examples."""
    loaded = map(load_strategy, strategies())
    return tuple(one.name for one in loaded if one.guidelines is None and not one.examples)


@cache
def comparison(dataset: str, strategy: str, representation: Any) -> tuple[Message, ...]:
    """Return the messages about a pair of the dataset's samples, the first one shown first."""
    anchor, (partner, *_), _ = fixtures()[dataset]
    item, text = COMPARED[dataset]
    pair = Pair(
        pair_id="a+b",
        exercise=anchor.exercise,
        item=item,
        text=text,
        anchor="a",
        partner=partner.sample_id,
        anchor_subject=anchor.subject,
        partner_subject=partner.subject,
        better="anchor",
    )
    frames = 1 if anchor.media.kind == "image" else 2
    shown = {sample.sample_id: sample for sample in (anchor, partner)}
    first, _ = comparisons.build(
        [pair],
        shown,
        {name: clip(name, frames) for name in shown},
        exercises=load_metadata(dataset).exercises,
        strategy=strategy,
        wording=load_wording(dataset),
        identity={},
        representation=representation,
    )
    return first.messages


def readable(messages: tuple[Message, ...]) -> str:
    """Return a conversation as text."""
    lines = []
    for message in messages:
        lines.append(f"[{message.role}]")
        for part in message.content:
            if isinstance(part, MediaPart):
                lines.append(f"<{part.kind}, frames at {', '.join(map(str, part.timestamps))} s>")
            else:
                lines.append(part.text)
    return "\n".join(lines) + "\n"


@cache
def renderings() -> dict[str, str]:
    """Return every golden file's name and content."""
    asked = [(task, dataset, strategy) for dataset in fixtures() for task, strategy in _asked()]
    return {
        f"{dataset}.{'' if task is conversation else 'compare.'}{strategy}.txt": "\n".join(
            f"=== {representation} ===\n{readable(task(dataset, strategy, representation))}"
            for representation in REPRESENTATIONS
        )
        for task, dataset, strategy in asked
    }


def _asked() -> list[tuple[Any, str]]:
    judged = [(conversation, strategy) for strategy in strategies()]
    return judged + [(comparison, strategy) for strategy in comparing()]


if __name__ == "__main__":
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    for name, text in renderings().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
