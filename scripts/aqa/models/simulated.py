"""Backend `simulated`: judges whose skill and biases are known, to test that published metrics recover them.

Design decision 12. A simulated judge reads the truth, so it is neither a model nor a baseline: its title must
begin with "Simulated", its file is named `simulated-*.yaml`, and `config/models` holds none. What it answers
follows from the seed, the request's key and its repeat alone.

What is planted, in the order in which it is drawn:

1. the whole request is unusable: unparsed (an answer that names no option or score), truncated, refused or
   rejected, each with its rate;
2. each question is answered with "correct execution" whatever is shown, with the rate `always_correct`: the
   option that means it (questions without one are judged as below), or the highest score. A phrase of
   `phrases` that the request's text contains shifts this rate, and every other score by the shift times
   the scale (section 3.4: positive and negative guidelines);
3. otherwise a choice is the true option with probability `accuracy`, else one of the others, each as likely;
   a score is the truth plus normal noise of standard deviation `noise`, cut at the ends of the scale;
4. a comparison is right with probability `accuracy`, more by `position_preference` where the better sample is
   shown first and less by it where it is second, so that "first" is said with probability 0.5 plus it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import Field, model_validator

from aqa.config import ModelFile, Section, parse
from aqa.errors import UserError
from aqa.files import digest, read_jsonl
from aqa.models.base import Backend, Context, Reply, Unbilled
from aqa.records import Outcome, Pair, Question, Request, TextPart, Value, answer_key

if TYPE_CHECKING:
    from numpy.random import Generator

TITLE = "Simulated"

ORDERS = {"anchor_first": "anchor", "partner_first": "partner"}
"""The items of a pair's requests, each with the sample that is shown first."""

UNUSABLE: tuple[Outcome, ...] = ("truncated", "refused", "rejected")


class Rates(Section):
    """How often a whole request has no usable answer."""

    unparsed: float = Field(0.0, ge=0, le=1, description="Answers without an option or a score.")
    truncated: float = Field(0.0, ge=0, le=1, description="Answers cut off.")
    refused: float = Field(0.0, ge=0, le=1, description="Refusals.")
    rejected: float = Field(0.0, ge=0, le=1, description="Requests that the provider rejects.")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.unparsed + self.truncated + self.refused + self.rejected > 1:
            raise ValueError("the rates of unusable answers sum to more than 1")
        return self


class Options(Section):
    """What is planted in a simulated judge."""

    accuracy: float = Field(0.5, ge=0, le=1, description="Probability of the right answer to a choice.")
    noise: float = Field(0.0, ge=0, description="Standard deviation of the error of a score.")
    always_correct: float = Field(
        0.0, ge=0, le=1, description='Rate of "correct execution" whatever is shown.'
    )
    phrases: dict[str, float] = Field(
        default_factory=dict,
        description="Phrase in the prompt -> shift of `always_correct`, or of the scale.",
    )
    position_preference: float = Field(
        0.0, ge=-0.5, le=0.5, description='How much more often than half "first" is said in a comparison.'
    )
    unusable: Rates = Field(default_factory=Rates, description="Rates of unusable answers.")

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        if not abs(self.position_preference) <= min(self.accuracy, 1 - self.accuracy):
            raise ValueError(
                "position_preference exceeds what accuracy leaves: both orders need a probability"
            )
        return self


def create(model: ModelFile, context: Context, place: str) -> Backend:
    """Return a simulated judge.

    Raises:
        UserError: an option is wrong, sampling parameters are given, or the title does not say that the
            judge is simulated.
    """
    options = parse(Options, model.options, f"{place}: options")
    if model.sampling:
        raise UserError(f"{place}: a simulated judge takes no sampling parameters; remove 'sampling'")
    if not model.title.startswith(TITLE):
        raise UserError(
            f"{place}: the title '{model.title}' must begin with '{TITLE}', so that nobody takes its numbers "
            "for a model's"
        )
    return SimulatedJudge(options, context)


class SimulatedJudge(Unbilled):
    """Answers from the truth, with planted errors."""

    remote = False

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._seed = context.seed
        self._truth = {sample.sample_id: sample.truth for sample in context.training}
        self._files = context.pairs
        self._pairs = cache(self._read_pairs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def identity(self) -> dict[str, Any]:
        """Return what is planted, the seed, and the digest of the truths."""
        planted = self._options.model_dump(mode="json")
        return {"backend": "simulated", "planted": planted, "seed": self._seed, "truth": digest(self._truth)}

    async def ask(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            UserError: its sample or pair is not known.
        """
        from numpy.random import default_rng  # Only here: a session with nothing to ask starts faster.

        entropy = hashlib.sha256(f"{self._seed}:{request.key}:{request.repeat}".encode()).digest()
        rng = default_rng(int.from_bytes(entropy))
        rates = self._options.unusable
        draw = rng.random()
        for outcome in UNUSABLE:
            draw -= cast(float, getattr(rates, outcome))
            if draw < 0:
                return Reply(outcome, error="simulated")
        if draw < rates.unparsed:
            return Reply("ok", "That is hard to tell from here.", finish_reason="stop")
        if request.item in ORDERS:
            answers: dict[str, Value] = {answer_key(request.questions[0]): self._compared(request, rng)}
        else:
            answers = {answer_key(q): self._judged(request, q, rng) for q in request.questions}
        return Reply("ok", json.dumps(answers, ensure_ascii=False), finish_reason="stop")

    def _judged(self, request: Request, question: Question, rng: Generator) -> Value:
        truth = self._truth.get(request.sample_id, {}).get(question.item)
        if truth is None:
            raise UserError(f"sample '{request.sample_id}', item '{question.item}': no truth; give --samples")
        shift, always = self._shift(request), rng.random()
        if question.options is None:
            low, high = cast(float, question.minimum), cast(float, question.maximum)
            if always < self._options.always_correct:
                return high
            score = cast(float, truth) + shift * (high - low) + self._options.noise * rng.standard_normal()
            return min(max(float(score), low), high)
        if question.correct is not None and always < self._options.always_correct + shift:
            return question.correct
        if rng.random() < self._options.accuracy:
            return truth
        others = [option for option in question.options if option != truth]
        return others[int(rng.integers(len(others)))]

    def _compared(self, request: Request, rng: Generator) -> str:
        pair = self._pairs().get(request.sample_id)
        if pair is None:
            raise UserError(f"pair '{request.sample_id}' is unknown; give its file with --pairs")
        first_is_better = pair.better == ORDERS[request.item]
        preference = self._options.position_preference * (1 if first_is_better else -1)
        right = rng.random() < self._options.accuracy + preference
        return "first" if right == first_is_better else "second"

    def _shift(self, request: Request) -> float:
        text = " ".join(part.text for part in request.messages[-1].content if isinstance(part, TextPart))
        return sum(shift for phrase, shift in self._options.phrases.items() if phrase in text)

    def _read_pairs(self) -> dict[str, Pair]:
        return {pair.pair_id: pair for file in self._files for pair in read_jsonl(file, Pair)}
