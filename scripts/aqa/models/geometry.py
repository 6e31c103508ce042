"""Backend `geometry`: answers from the joints of who is judged, by rules of the dataset, without any model.

A clip is judged by its poses (`results/pose/{dataset}`) and the rules in the dataset's own folder
(`aqa.datasets.geometry`); a pair by the same rules, the one that fits its text better being named. Neither
the strategy nor the representation changes an answer, and no truth is looked at.

**Fallback.** Where no rule is about a question, where the joints that a rule needs are not known, or where a
clip has no poses, the answer is the first option (of a pair: the first), or the middle of the scale. Each
such answer is counted by its reason, in the log and in `session.json`, and carries it in the journal.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aqa.config import ModelFile, Section, parse
from aqa.datasets.geometry import NoRule, NotSeen, Rules, load_rules, rules_digest
from aqa.errors import UserError
from aqa.files import digest, digest_file, read_jsonl
from aqa.models._baselines import Baseline, answer_text, scale
from aqa.models.base import Backend, Context, Reply
from aqa.prompts.compare import FIRST, ITEM, SECOND
from aqa.records import MediaPart, PoseClip, Question, Request, Sample, Value

if TYPE_CHECKING:
    from aqa.datasets.kinematics import Motion

log = logging.getLogger("aqa.geometry")

RATE = 30.0
"""Frames a second of a clip that states neither its seconds nor a rate."""

RULE, NO_RULE, NOT_SEEN, NO_POSES = "rule", "no rule", "joints not known", "no poses"
"""What an answer rests on: a rule, or a reason to fall back."""


class Options(Section):
    """The backend has no settings."""


class _NoPoses(Exception):
    """A clip has no poses."""


def create(model: ModelFile, context: Context, place: str) -> Backend:
    """Return the baseline.

    Raises:
        UserError: there are options or sampling parameters, or a session may ask about several datasets.
    """
    parse(Options, model.options, f"{place}: options")
    if model.sampling:
        raise UserError(f"{place}: a baseline takes no sampling parameters; remove 'sampling'")
    if model.session == "model":
        raise UserError(f"{place}: a session has the poses of one dataset; write 'session: dataset'")
    return GeometryBaseline(context.training, context.poses)


class GeometryBaseline(Baseline):
    """Judges by rules on joints."""

    def __init__(self, samples: Iterable[Sample], poses: Path | None) -> None:
        self._samples: Mapping[str, Sample] = {sample.sample_id: sample for sample in samples}
        self._poses = poses
        self._motion = functools.lru_cache(maxsize=1024)(self._read)
        self._basis: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def identity(self) -> dict[str, Any]:
        """Return what decides an answer: the poses, the rules' code, and what was announced of the samples.

        Raises:
            UserError: the poses are not given, or the dataset has no rules.
        """
        manifest = self._manifest()
        told = [
            [s.sample_id, s.exercise, s.media.start_s, s.media.end_s, s.media.fps, s.details]
            for s in self._samples.values()
        ]
        return {
            "backend": "geometry",
            "poses": digest_file(manifest),
            "rules": rules_digest(manifest.parent.name),
            "samples": digest(sorted(told, key=lambda one: str(one[0]))),
        }

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fallen = {reason: count for reason, count in self._basis.items() if reason != RULE}
        if fallen:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(fallen.items()))
            log.warning(
                "%d of %d answers are fallbacks: %s", sum(fallen.values()), self._basis.total(), reasons
            )
        for text, count in self._unknown.most_common(5):
            log.warning("no rule for: %s (%d)", text, count)

    def facts(self) -> dict[str, Any]:
        """Return how many answers rest on what, and the questions without a rule."""
        return {
            "answers": dict(sorted(self._basis.items())),
            "without_rule": dict(sorted(self._unknown.items())),
        }

    async def ask(self, request: Request) -> Reply:
        """Answer one request."""
        if _compares(request):
            (question,) = request.questions
            answers, basis = self._compare(request, question)
        else:
            answers, basis = self._judge(request)
        self._basis.update(basis.values())
        return Reply(
            "ok", answer_text(request.questions, answers), finish_reason="stop", sent={"basis": basis}
        )

    def _judge(self, request: Request) -> tuple[dict[str, Value], dict[str, str]]:
        answers: dict[str, Value] = {}
        basis: dict[str, str] = {}
        for question in request.questions:
            try:
                motion = self._motion(request.sample_id)
                answers[question.item] = self._rules.judge(request.exercise, question, motion)
                basis[question.item] = RULE
            except (NoRule, NotSeen, _NoPoses) as reason:
                low, high = (0.0, 0.0) if question.options else scale(question)
                answers[question.item] = question.options[0] if question.options else 0.5 * (low + high)
                basis[question.item] = self._reason(reason, question)
        return answers, basis

    def _compare(self, request: Request, question: Question) -> tuple[dict[str, Value], dict[str, str]]:
        """Name the clip with more merit; equal merit names the first."""
        try:
            first, second = (
                self._rules.merit(request.exercise, question.text, self._motion(name))
                for name in self._shown(request)
            )
        except (NoRule, NotSeen, _NoPoses) as reason:
            return {ITEM: FIRST}, {ITEM: self._reason(reason, question)}
        return {ITEM: SECOND if second > first else FIRST}, {ITEM: RULE}

    def _reason(self, reason: Exception, question: Question) -> str:
        if isinstance(reason, NoRule):
            self._unknown[question.text] += 1
            return NO_RULE
        return NO_POSES if isinstance(reason, _NoPoses) else NOT_SEEN

    def _shown(self, request: Request) -> list[str]:
        """Return the ids of the samples of a pair, as shown: their clips are named by them."""
        names = [Path(part.file).stem for part in _media(request)]
        for name in names:
            if name not in self._samples:
                raise UserError(f"pair {request.sample_id}: '{name}' is no sample; render the requests again")
        return names

    @functools.cached_property
    def _rules(self) -> Rules:
        return load_rules(self._manifest().parent.name)

    @functools.cached_property
    def _clips(self) -> dict[str, PoseClip]:
        return {clip.sample_id: clip for clip in read_jsonl(self._manifest(), PoseClip)}

    def _manifest(self) -> Path:
        if self._poses is None:
            raise UserError("the baseline 'geometry' needs the poses of a dataset; give --poses")
        return self._poses

    def _read(self, sample_id: str) -> Motion:
        from aqa.datasets.kinematics import Motion  # Only here: planning and rendering have no numpy.
        from aqa.pose.store import read_poses

        clip, sample = self._clips.get(sample_id), self._samples.get(sample_id)
        if clip is None or clip.file is None or sample is None:
            raise _NoPoses(sample_id)
        poses = read_poses(self._manifest().parent / clip.file)
        start, end = sample.media.start_s, sample.media.end_s
        rate = sample.media.fps or RATE
        if start is not None and end is not None and end > start:
            rate = len(poses.keypoints) / (end - start)
        return Motion(poses.keypoints[..., :2].astype(float), rate, sample.details)


def _compares(request: Request) -> bool:
    return len(request.questions) == 1 and (
        request.questions[0].item == ITEM and request.questions[0].options == (FIRST, SECOND)
    )


def _media(request: Request) -> list[MediaPart]:
    return [part for message in request.messages for part in message.content if isinstance(part, MediaPart)]
