"""Backend `baseline`: answers that need no model, as the floor that models are compared with."""

from __future__ import annotations

import functools
import hashlib
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from aqa.config import ModelFile, Section, parse
from aqa.errors import UserError
from aqa.files import digest
from aqa.models._baselines import Baseline, answer_text, scale
from aqa.models.base import Backend, Context, Reply
from aqa.records import Question, Request, Sample, Value

log = logging.getLogger("aqa.baseline")


class Options(Section):
    """Settings of a baseline."""

    kind: Literal["random", "constant"] = Field(
        description="random: uniform over the answer space. constant: the majority option, or the mean "
        "score, of the training split; of the other subjects where an exercise has no training split."
    )


def create(model: ModelFile, context: Context, place: str) -> Backend:
    """Return a baseline.

    Raises:
        UserError: an option is wrong, or sampling parameters are given.
    """
    options = parse(Options, model.options, f"{place}: options")
    if model.sampling:
        raise UserError(f"{place}: a baseline takes no sampling parameters; remove 'sampling'")
    if options.kind == "random":
        return RandomBaseline(context.seed)
    return ConstantBaseline(context.training)


class RandomBaseline(Baseline):
    """Draws each answer uniformly: an option, or a real number between minimum and maximum.

    The draws of a request follow from the seed and the request's key alone, so they depend neither on
    the order of requests nor on what else is asked; repeats have keys of their own.
    """

    draws = True

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def identity(self) -> dict[str, Any]:
        """Return kind and seed."""
        return {"backend": "baseline", "kind": "random", "seed": self._seed}

    async def ask(self, request: Request) -> Reply:
        """Answer one request."""
        from numpy.random import default_rng  # Only here: a session with nothing to ask starts faster.

        entropy = hashlib.sha256(f"{self._seed}:{request.key}".encode()).digest()
        generator = default_rng(int.from_bytes(entropy))
        answers: dict[str, Value] = {}
        for question in request.questions:
            if question.options is not None:
                answers[question.item] = question.options[int(generator.integers(len(question.options)))]
            else:
                low, high = scale(question)
                answers[question.item] = float(generator.uniform(low, high))
        return Reply("ok", answer_text(request.questions, answers), finish_reason="stop")


class ConstantBaseline(Baseline):
    """Answers each question with the majority option, or the mean score, of its exercise.

    It learns from the training split of the exercise; where that is empty, from the samples of other
    subjects (leave one subject out). Ties, and items never seen, go to the first option; a score
    never seen is the middle of the scale.
    """

    def __init__(self, training: Iterable[Sample]) -> None:
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        everything = sorted(training, key=lambda sample: (sample.exercise, sample.sample_id))
        for sample in everything:
            self._samples[sample.exercise].append(sample)
        self._with_split = {sample.exercise for sample in everything if sample.split == "train"}
        self._learned = functools.cache(self._learn)
        truth = [[s.exercise, s.sample_id, s.subject, s.truth] for s in everything if self._teaches(s)]
        self._digest = digest(truth)

    def identity(self) -> dict[str, Any]:
        """Return kind and the digest of what it learns from.

        Raises:
            UserError: there is nothing to learn from.
        """
        if not self._samples:
            raise UserError("the baseline 'constant' needs samples to learn from; give --samples")
        return {"backend": "baseline", "kind": "constant", "training": self._digest}

    async def ask(self, request: Request) -> Reply:
        """Answer one request."""
        without = None if request.exercise in self._with_split else request.subject
        learned = self._learned(request.exercise, without)
        answers = {q.item: self._answer(q, learned.get(q.item, ()), request) for q in request.questions}
        return Reply("ok", answer_text(request.questions, answers), finish_reason="stop")

    def _teaches(self, sample: Sample) -> bool:
        return sample.split == "train" or sample.exercise not in self._with_split

    def _learn(self, exercise: str, without: str | None) -> dict[str, list[Value]]:
        """Return the truths of each item in an exercise, leaving one subject out."""
        truths: dict[str, list[Value]] = defaultdict(list)
        for sample in self._samples.get(exercise, ()):
            if self._teaches(sample) and sample.subject != without:
                for item, truth in sample.truth.items():
                    truths[item].append(truth)
        return truths

    def _answer(self, question: Question, truths: Iterable[Value], request: Request) -> Value:
        if question.options is not None:
            counts = Counter(truths)
            return max(question.options, key=lambda option: counts[option])  # First of the best.
        scores = [truth for truth in truths if not isinstance(truth, str)]
        if scores:
            return math.fsum(scores) / len(scores)
        log.warning("%s: no other subject to learn a mean score from; the middle is used", request.exercise)
        low, high = scale(question)
        return (low + high) / 2
