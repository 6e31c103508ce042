"""Pairs of samples for the compare task (paper, section 3.5).

Every sample that is asked about is an anchor and gets a partner: the same exercise and the same question,
guideline or error list, another subject, another truth, other content. What is compared follows from the
questions:

- a score: the sample with the higher one is executed better;
- a question whose options a dataset declares opposite (`contrastive.yaml`): the rephrased question;
- choices with an option that means correct execution: all of them correct against at least one wrong.

Among all samples of the evaluated split that fit, the one with the least hash of (seed, anchor, item,
partner) is taken, so a pair depends neither on which other samples are asked about nor on their order.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from aqa.datasets.contrastive import Contrastive
from aqa.errors import UserError
from aqa.records import Pair, Question, Sample, Split

PerAnchor: TypeAlias = Literal["one", "all"]

EXECUTION = "Which of the two shows the better execution?"
"""What is asked about a pair when the execution as a whole is compared."""

NO_PARTNER = "no sample of another subject with another truth"
BOUNDARY = "every answer is a boundary option"
NO_TEXT = "no question with a usable text"

_ITEM = re.compile(r"[A-Za-z0-9_.+-]+", re.ASCII)


class Aspect(NamedTuple):
    """One thing in which a sample can be compared, with its value: the greater one is the answer.

    Samples with the same `group` can be compared; `gap`: the difference of values has a meaning.
    """

    group: tuple[str, ...]
    item: str
    text: str
    value: float
    gap: bool


class Lacking(NamedTuple):
    """A question that has no rephrased text (`missing`) or one that nobody has approved (`draft`)."""

    exercise: str
    question: Question
    state: Literal["missing", "draft"]


@dataclass
class Pairing:
    """The pairs of the anchors, in the order of the anchors, and what could not be paired.

    `alone` maps a reason to the ids of the anchors without a pair. `lacking` maps the questions of anchors
    that lack an approved text, by exercise and text, to themselves.
    """

    pairs: list[Pair] = field(default_factory=list)
    alone: dict[str, list[str]] = field(default_factory=dict)
    lacking: dict[tuple[str, str], Lacking] = field(default_factory=dict)

    def media(self) -> list[str]:
        """Return the ids of all samples whose clips the pairs need, sorted."""
        return sorted({name for pair in self.pairs for name in (pair.anchor, pair.partner)})


def make_pairs(
    samples: Sequence[Sample],
    anchors: Collection[str],
    *,
    split: Split,
    seed: int,
    contrastive: Contrastive | None = None,
    per_anchor: PerAnchor = "one",
    drafts: bool = False,
) -> Pairing:
    """Return the pairs of the anchors.

    Args:
        samples: all samples of the dataset.
        anchors: ids of the samples that are asked about.
        split: the evaluated split, which partners come from, whether they are asked about or not.
        seed: of the choice.
        contrastive: the dataset's rephrased questions, None if it has none.
        per_anchor: one pair an anchor (of its questions that have a partner one is drawn), or one for
            each of its questions.
        drafts: use rephrased questions that nobody has approved.

    Raises:
        UserError: an anchor is no sample of the split, or nothing says which answers are better.
    """
    inside = {sample.sample_id: sample for sample in samples if sample.split == split}
    if unknown := sorted(set(anchors) - set(inside)):
        raise UserError(f"{len(unknown)} ids are no samples of the split {split}, the first '{unknown[0]}'")
    pairing = Pairing()
    rivals: dict[tuple[str, ...], list[tuple[Sample, float]]] = defaultdict(list)
    own: dict[str, list[Aspect]] = {}
    for sample in inside.values():
        lacking = pairing.lacking if sample.sample_id in anchors else {}
        own[sample.sample_id] = list(_aspects(sample, contrastive, drafts, lacking))
        for aspect in own[sample.sample_id]:
            rivals[aspect.group].append((sample, aspect.value))
    for anchor in sorted(anchors):
        sample = inside[anchor]
        aspects = sorted(own[anchor], key=lambda aspect: _lot(seed, anchor, aspect.item))
        found = [pair for aspect in aspects if (pair := _pair(sample, aspect, rivals[aspect.group], seed))]
        if per_anchor == "one":
            found = found[:1]
        pairing.pairs += sorted(found, key=lambda pair: pair.item)
        if not found:
            reason = NO_PARTNER if aspects else _silence(sample, contrastive, drafts)
            pairing.alone.setdefault(reason, []).append(anchor)
    _check_ids(pairing.pairs)
    return pairing


def _aspects(
    sample: Sample,
    contrastive: Contrastive | None,
    drafts: bool,
    lacking: dict[tuple[str, str], Lacking],
) -> Iterator[Aspect]:
    """Yield in what a sample can be compared; collect the questions that lack a text."""
    choices = []
    for question in sample.questions:
        truth = sample.truth[question.item]
        group: tuple[str, ...] = (sample.exercise, question.item)
        if not isinstance(truth, str):
            yield Aspect(group, question.item, EXECUTION, truth, gap=True)
        elif contrastive is None:
            choices.append(question)
        else:
            text = contrastive.find(sample.exercise, question)
            if text is None or not text.reviewed:
                state: Literal["missing", "draft"] = "missing" if text is None else "draft"
                lacking[sample.exercise, question.text] = Lacking(sample.exercise, question, state)
            if text is not None and (text.reviewed or drafts) and truth not in text.boundary:
                value = float(truth == text.first_option)
                yield Aspect((*group, text.sha256), question.item, text.rephrased, value, gap=False)
    if choices:
        yield _flawless(sample, choices)


def _flawless(sample: Sample, choices: Sequence[Question]) -> Aspect:
    """Return whether a sample is correct in all of its choices, against at least one wrong."""
    for question in choices:
        if question.correct is None:
            raise UserError(
                f"sample {sample.sample_id}: nothing says which option of '{question.item}' is correct, so "
                "samples cannot be compared; approve correct_options in the dataset's guidelines.yaml, or "
                "write its contrastive.yaml (scripts/pairs.py draft)"
            )
    items = sorted(question.item for question in choices)
    value = float(all(sample.truth[question.item] == question.correct for question in choices))
    if len(choices) == 1:
        return Aspect((sample.exercise, *items), items[0], choices[0].text, value, gap=False)
    return Aspect((sample.exercise, *items), "", EXECUTION, value, gap=False)


def _pair(anchor: Sample, aspect: Aspect, rivals: Iterable[tuple[Sample, float]], seed: int) -> Pair | None:
    fitting = (
        (_lot(seed, anchor.sample_id, aspect.item, sample.sample_id), sample.sample_id, sample, value)
        for sample, value in rivals
        if value != aspect.value and sample.subject != anchor.subject and not same_content(sample, anchor)
    )
    best = min(fitting, key=lambda candidate: candidate[:2], default=None)
    if best is None:
        return None
    _, _, partner, value = best
    return Pair(
        pair_id=f"{anchor.sample_id}+{partner.sample_id}{_suffix(anchor, aspect.item)}",
        exercise=anchor.exercise,
        item=aspect.item,
        text=aspect.text,
        anchor=anchor.sample_id,
        partner=partner.sample_id,
        anchor_subject=anchor.subject,
        partner_subject=partner.subject,
        better="anchor" if aspect.value > value else "partner",
        gap=abs(aspect.value - value) if aspect.gap else None,
    )


def same_content(one: Sample, other: Sample) -> bool:
    """Say whether two samples are the same seconds of the same file or of byte-equal files."""
    a, b = one.media, other.media
    same_file = a.path == b.path or (a.sha256 is not None and a.sha256 == b.sha256)
    return same_file and (a.start_s, a.end_s) == (b.start_s, b.end_s)


def _silence(sample: Sample, contrastive: Contrastive | None, drafts: bool) -> str:
    """Return why a sample has nothing to be compared in."""
    texts = (
        [contrastive.find(sample.exercise, question) for question in sample.questions] if contrastive else []
    )
    return BOUNDARY if all(text is not None and (text.reviewed or drafts) for text in texts) else NO_TEXT


def _suffix(anchor: Sample, item: str) -> str:
    """Return what tells apart the pairs of an anchor with several questions."""
    if not item or len(anchor.questions) == 1:
        return ""
    return f"+{item if _ITEM.fullmatch(item) else hashlib.sha256(item.encode()).hexdigest()[:8]}"


def _lot(seed: int, *names: str) -> bytes:
    return hashlib.sha256("\0".join((f"pair:{seed}", *names)).encode()).digest()


def _check_ids(pairs: Sequence[Pair]) -> None:
    seen: set[str] = set()
    for pair in pairs:
        if pair.pair_id in seen:
            raise UserError(
                f"two pairs are named {pair.pair_id}; rename the samples so that no id contains '+'"
            )
        seen.add(pair.pair_id)
