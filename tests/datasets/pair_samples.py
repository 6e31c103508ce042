"""Samples, questions and texts from which pairs are made."""

from __future__ import annotations

from pathlib import Path

from aqa.datasets.contrastive import Contrastive, ContrastiveText
from aqa.datasets.reviewed import key
from aqa.records import Media, Question, Sample, Value

SCRIPT = Path(__file__).parents[2] / "scripts" / "pairs.py"
SCORE = Question(item="", text="How well?", minimum=0, maximum=10)
ERRORS = tuple(
    Question(item=item, text=item, options=("true", "false"), correct="false") for item in ("in", "forward")
)
HIP = Question(item="r1", text="How high is the hip?", options=("Higher", "Equal", "Lower"))
KNEE = Question(item="r2", text="How near is the knee?", options=("Near", "Far"))


def sample(
    name: str,
    truth: dict[str, Value],
    questions: tuple[Question, ...],
    *,
    subject: str = "",
    exercise: str = "dive",
    split: str = "test",
    sha256: str | None = None,
    seconds: tuple[float, float] | None = None,
) -> Sample:
    start, end = seconds or (None, None)
    media = Media(path=f"{name}.mp4", kind="video", start_s=start, end_s=end, sha256=sha256)
    return Sample.model_validate(
        {
            "sample_id": name,
            "exercise": exercise,
            "subject": subject or name,
            "split": split,
            "media": media,
            "questions": questions,
            "truth": truth,
        }
    )


def text(question: Question, first: str, others: list[str], boundary: list[str], reviewed: bool = True):
    return ContrastiveText(
        exercise="lunge",
        sha256=key(question.text),
        rephrased=f"In which image: {question.text}",
        first_option=first,
        other_options=tuple(others),
        boundary=tuple(boundary),
        reviewed=reviewed,
    )


def texts(*written: ContrastiveText) -> Contrastive:
    return Contrastive({(one.exercise, one.sha256): one for one in written})


HIP_TEXT = text(HIP, "Lower", ["Higher"], ["Equal"])
KNEE_TEXT = text(KNEE, "Near", ["Far"], [])
BOTH = texts(HIP_TEXT, KNEE_TEXT)


def ids(samples: list[Sample]) -> list[str]:
    return [one.sample_id for one in samples if one.split == "test"]
