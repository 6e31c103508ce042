"""The records that stages hand to each other, one line of a file each."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
"""An identifier that is also a safe file name."""

Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

Value: TypeAlias = str | float
"""A truth or a prediction: an option of a choice, or a score."""

Split: TypeAlias = Literal["train", "test"]

Outcome: TypeAlias = Literal["ok", "unparsed", "truncated", "refused", "rejected", "failed"]
"""What became of a request. Only `ok` carries a prediction; `failed` is asked again by the next run."""


class Record(BaseModel):
    """Base of all records: immutable, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Media(Record):
    """Where a sample's pixels are.

    `path` is relative to the dataset's data folder and names a video, an image, or (kind `frames`)
    a folder of numbered images. `start_s` and `end_s` are seconds in that file, half-open:
    a frame at time t belongs to the clip if start_s <= t < end_s. Both None: the whole file.
    `sha256` is the digest of the file, None while the file is not there. `fps` is the rate of a folder of
    images (image n, from 1, is at (n-1)/fps seconds), None for 30; a video states its own.
    """

    path: str
    kind: Literal["video", "image", "frames"]
    start_s: float | None = None
    end_s: float | None = None
    sha256: Sha256 | None = None
    fps: float | None = Field(None, gt=0, le=1000)


class Question(Record):
    """One thing to judge about a sample; never carries the truth.

    A choice has `options`; a score has `minimum` and `maximum`. `correct` is the option that means
    correct execution (paper, section 3.4), where one does.
    """

    item: str
    text: str
    options: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    correct: str | None = None


def answer_key(question: Question) -> str:
    """Return the key under which a question is answered: its item, or `score` or `answer` for ""."""
    return question.item or ("score" if question.options is None else "answer")


class Sample(Record):
    """One thing to judge: a line of `samples.jsonl`.

    `item` of the one question of a score is "". `truth` maps every question's item to the true
    option or score. `details` are facts that a prompt may name (never the truth). `subject` is who
    moves, or the source video where nobody is named: the cluster for intervals.
    """

    sample_id: Name
    exercise: Name
    subject: Name
    split: Split
    media: Media
    questions: tuple[Question, ...]
    truth: dict[str, Value]
    details: dict[str, str | float] = Field(default_factory=dict)


class Clip(Record):
    """The frames of a sample as models receive them: a line of a media `manifest.jsonl`.

    `file` is relative to the manifest's folder: a ZIP of JPEG or PNG images, stored uncompressed,
    named by position (`000000.jpg`, ...). `sha256` is the digest of that file. `frame_indices` count
    from 0 in the source as decoded in presentation order; `timestamps` are seconds from the start of
    the clip. With `error` set nothing could be prepared and `file` and `sha256` are None.
    """

    sample_id: Name
    file: str | None
    sha256: Sha256 | None
    width: int
    height: int
    frame_indices: tuple[int, ...]
    timestamps: tuple[float, ...]
    error: str | None = None


class PoseClip(Record):
    """The poses of a sample's clip: a line of `results/pose/{dataset}/manifest.jsonl`.

    `file` is relative to the manifest's folder (`aqa.pose.store`), None where nothing could be found
    (`error` says why); `sha256` is its digest. `coverage`: share of the clip's frames in which the subject
    was found before gaps were filled; `mean_confidence`: of the joints found; `interpolated`: share of
    frames that were filled in. `margin`: how clearly the subject stood out from the second best (ratio of
    track scores, None with one person); `low_margin`: below the limit, so a person should look.
    """

    sample_id: Name
    file: str | None
    sha256: Sha256 | None
    frames: int
    coverage: float
    mean_confidence: float
    interpolated: float
    margin: float | None = None
    low_margin: bool = False
    error: str | None = None


class TextPart(Record):
    """Text in a message."""

    type: Literal["text"] = "text"
    text: str


class MediaPart(Record):
    """A clip in a message. `file` is relative to the folder of all media (`results/media`).

    `kind` image: exactly one frame, sent as an image. `sha256` and `timestamps` are the manifest's.
    """

    type: Literal["media"] = "media"
    kind: Literal["video", "image"]
    file: str
    sha256: Sha256
    width: int
    height: int
    timestamps: tuple[float, ...]


Part: TypeAlias = Annotated[TextPart | MediaPart, Field(discriminator="type")]


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Part, ...]


class Request(Record):
    """One question to a model: a line of `requests.jsonl`.

    `key` identifies the answer (design decision 4): everything that could change it and nothing
    else. `item` is "" when the request asks all questions of the sample. `settings` is the digest of
    the model's settings that the key contains. `questions` say how the answer is parsed.
    """

    key: Sha256
    settings: Sha256
    sample_id: Name
    subject: Name
    exercise: Name
    item: str = ""
    repeat: int = 0
    messages: tuple[Message, ...]
    questions: tuple[Question, ...]


class Usage(Record):
    """Tokens that a provider reports; None where it does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class Response(Record):
    """What became of a request: a line of `responses.jsonl`, in the order of `requests.jsonl`.

    `outcome` is ok (text is the model's own), truncated, refused, rejected or failed; `unparsed` is
    decided later, by parsing. `error` says why, where there is no usable text.
    """

    key: Sha256
    sample_id: Name
    item: str = ""
    repeat: int = 0
    outcome: Outcome
    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Usage = Usage()
    model_version: str | None = None
    error: str | None = None


class Prediction(Record):
    """A parsed answer to one question: a line of `predictions.csv` (columns in this order)."""

    sample_id: Name
    item: str
    exercise: Name
    subject: Name
    truth: Value
    prediction: Value | None
    outcome: Outcome
    repeat: int


class Rating(Record):
    """What one person said about one question of a sample; never in a file that a model's requests come from.

    `rater` tells the people of one sample apart, and says nothing beyond it.
    """

    sample_id: Name
    item: str
    rater: int
    value: Value


class Examples(Record):
    """In-context examples of an exercise and its questions: a line of `examples.jsonl`.

    `samples` are asked and answered before the question, in this order; `alternate` stand in for the
    samples that share a subject, a source video or content with one of `samples`. `items` are the
    questions that they cover. Never contains a sample that is asked about with it.
    """

    exercise: Name
    items: tuple[str, ...]
    samples: tuple[Name, ...]
    alternate: tuple[Name, ...]


class Pair(Record):
    """Two samples to compare (paper, section 3.5): a line of `pairs.jsonl`.

    Asked in both orders. `item` is the question, error or guideline that is compared, "" for the
    execution as a whole; `text` is what is asked about it. `gap` is the absolute difference of the two
    truths where they are scores.
    """

    pair_id: Name
    exercise: Name
    item: str
    text: str
    anchor: Name
    partner: Name
    anchor_subject: Name
    partner_subject: Name
    better: Literal["anchor", "partner"]
    gap: float | None = None
