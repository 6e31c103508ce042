"""In-context examples: which samples are shown, with their answers, before a sample is asked about.

The sets depend on the dataset and the seed only, not on which samples are asked about: a larger subset
shows the same examples, so that nothing is asked twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from aqa.datasets.cover import cover
from aqa.datasets.readers import examples as few
from aqa.errors import UserError
from aqa.records import Examples, Sample, Split

log = logging.getLogger("aqa")

TAIL = 0.2
"""Share of the scores of an exercise, at either end, that count as low and as high."""

ATTEMPTS = 32
"""Orders that are tried until the second set is as complete as the first."""

MAX_DETAILS = 6
"""Examples agree in as many details as possible; with more details than this, in all or in none."""

Shown = frozenset[tuple[str, str]]
"""What a sample shows: (item, option) of choices, (item, "low" or "high") of scores."""

Group = tuple[str, tuple[str, ...]]
"""An exercise and the items of its questions."""


def choose(
    samples: Sequence[Sample],
    asked: Sequence[Sample],
    *,
    train_split: Split | None,
    seed: int,
) -> list[Examples]:
    """Choose the examples of every exercise that is asked about.

    A set is a smallest one that shows every option of every question, and a low and a high score (the
    outer fifths of the exercise). Among those, its samples agree in as many details as possible, so that
    they differ in how well and not in what; ties are broken by the seed. They come from the training
    split, first of all from what shares nothing with the evaluated split; without a training split from
    the split that is asked about. The second set (`alternate`) shares nothing with the first.

    What no sample can show is reported in the log with the number of requests that lack it, as are
    samples for which no example at all is left (`usable` returns None for them).

    Args:
        samples: all samples of the dataset.
        asked: those that are asked about; they decide which exercises need examples, not which.
        train_split: the dataset's, None if it has none.
        seed: of the choice.

    Raises:
        UserError: no sample that is asked about can have an example.
    """
    origin = origins(samples)
    splits = {train_split} if train_split else {sample.split for sample in asked}
    evaluated = {origin[sample.sample_id] for sample in samples if train_split and sample.split not in splits}
    pools: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.split in splits and sample.media.sha256 is not None:
            pools[sample.exercise].append(sample)
    groups: dict[Group, list[Sample]] = defaultdict(list)
    for sample in asked:
        groups[group_of(sample)].append(sample)
    result = []
    lacking = _Lacking({sample.sample_id: sample for sample in samples}, origin)
    for (exercise, items), members in sorted(groups.items()):
        pool = [sample for sample in pools[exercise] if set(items) <= set(sample.truth)]
        ranks = _ranks(pool, items)
        shown = {sample.sample_id: _shown(sample, items, ranks) for sample in pool}
        pool = [sample for sample in pool if shown[sample.sample_id]]
        pair = _two_sets(pool, shown, origin, evaluated, f"{seed}:{exercise}:{','.join(items)}")
        chosen = Examples(exercise=exercise, items=items, samples=pair[0], alternate=pair[1])
        lacking.look(chosen, members, shown)
        result.append(chosen)
    lacking.report(len(asked))
    return result


def origins(samples: Iterable[Sample]) -> dict[str, str]:
    """Return a name for what each sample may not share with its examples, by sample id.

    Two samples have one origin if they share the subject, the source file or the content, also by way
    of others: a clip that two subjects' videos both hold joins them.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    ids = []
    for sample in samples:
        ids.append(sample.sample_id)
        facts = [f"subject {sample.subject}", f"file {sample.media.path}"]
        facts += [f"content {sample.media.sha256}"] if sample.media.sha256 else []
        for fact in facts:
            one, other = sorted((root(f"sample {sample.sample_id}"), root(fact)))
            parent[other] = one
    return {sample_id: root(f"sample {sample_id}") for sample_id in ids}


def group_of(sample: Sample) -> Group:
    """Return the group whose examples a sample is asked with."""
    return sample.exercise, tuple(question.item for question in sample.questions)


def usable(
    sample: Sample, examples: Examples, known: Mapping[str, Sample], origin: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Return the examples that a sample is asked with, None if there is none.

    They are the first set, unless it shares something with the sample: then the second, and where that
    lacks an answer the examples of the first set that show it and share nothing. Not a set but each
    example is left out for sharing, so that as much is shown as can be.

    Args:
        sample: what is asked about.
        examples: of its group.
        known: all samples by id.
        origin: of `origins`.
    """
    own = origin[sample.sample_id]
    if examples.samples and all(origin[name] != own for name in examples.samples):
        return examples.samples
    chosen = [name for name in examples.alternate if origin[name] != own]
    for name in examples.samples:
        if origin[name] != own and _adds(known[name], [known[other] for other in chosen], examples.items):
            chosen.append(name)
    return tuple(chosen) or None


def _adds(sample: Sample, chosen: Sequence[Sample], items: Iterable[str]) -> bool:
    """Say whether a sample shows an option that is not yet shown, or a second score."""
    for item in items:
        value, shown = sample.truth[item], {other.truth[item] for other in chosen}
        if value not in shown and (isinstance(value, str) or len(shown) < 2):
            return True
    return False


def _two_sets(
    pool: Sequence[Sample],
    shown: Mapping[str, Shown],
    origin: Mapping[str, str],
    evaluated: Collection[str],
    seed: str,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the first order's two sets that show the same; else those that show the most."""
    best: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    most = -1
    for attempt in range(ATTEMPTS):
        order = sorted(
            pool,
            key=lambda sample, attempt=attempt: (  # type: ignore[misc]
                origin[sample.sample_id] in evaluated,
                _lot(f"{seed}:{attempt}", sample.sample_id),
            ),
        )
        first = _one_set(order, shown)
        taken = {origin[sample.sample_id] for sample in first}
        second = _one_set([sample for sample in order if origin[sample.sample_id] not in taken], shown)
        names = tuple(tuple(sample.sample_id for sample in chosen) for chosen in (first, second))
        shows = [len(_union(chosen, shown)) for chosen in names]
        if shows[1] > most:
            most, best = shows[1], (names[0], names[1])
        if shows[1] == shows[0]:
            break
    return best


def _one_set(order: Sequence[Sample], shown: Mapping[str, Shown]) -> list[Sample]:
    """Return a smallest set that shows all that can be shown, of one action if possible, in that order."""
    wanted = _union((sample.sample_id for sample in order), shown)
    best = cover([shown[sample.sample_id] for sample in order], wanted)
    for alike in _alike(order):
        if _union((sample.sample_id for sample in alike), shown) == wanted:
            chosen = cover([shown[sample.sample_id] for sample in alike], wanted)
            if len(chosen) == len(best):
                return [alike[place] for place in chosen]
    return [order[place] for place in best]


def _alike(order: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Yield the samples that agree in details: in all, then in fewer; the largest group first."""
    names = sorted({name for sample in order for name in sample.details})
    sizes = range(len(names), 0, -1) if len(names) <= MAX_DETAILS else (len(names),)
    for size in sizes:
        for chosen in combinations(names, size):
            groups: dict[tuple[str | float | None, ...], list[Sample]] = defaultdict(list)
            for sample in order:
                groups[tuple(sample.details.get(name) for name in chosen)].append(sample)
            yield from sorted(groups.values(), key=len, reverse=True)


def _ranks(pool: Sequence[Sample], items: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return (sample id, item) -> low or high for the outer fifths of the scores; ties fall together."""
    result: dict[tuple[str, str], str] = {}
    for item in items:
        scores = [
            (value, sample.sample_id) for sample in pool if not isinstance(value := sample.truth[item], str)
        ]
        if not scores:
            continue
        values = sorted(value for value, _ in scores)
        tail = max(1, int(TAIL * len(values)))
        low, high = values[tail - 1], values[-tail]
        if low == high:  # most samples have one score: only what differs from it is low or high
            low, high = values[0], values[-1]
        if low < high:
            result |= {(name, item): "low" for value, name in scores if value <= low}
            result |= {(name, item): "high" for value, name in scores if value >= high}
    return result


def _shown(sample: Sample, items: Iterable[str], ranks: Mapping[tuple[str, str], str]) -> Shown:
    shows = {
        (item, value if isinstance(value, str) else ranks.get((sample.sample_id, item)))
        for item in items
        if (value := sample.truth[item]) is not None
    }
    return frozenset((item, value) for item, value in shows if value is not None)


def _union(names: Iterable[str], shown: Mapping[str, Shown]) -> Shown:
    return frozenset().union(*(shown[name] for name in names))


def _lot(seed: str, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


class _Lacking:
    """What the examples of the samples that are asked about do not show, counted."""

    def __init__(self, known: Mapping[str, Sample], origin: Mapping[str, str]) -> None:
        self.known = known
        self.origin = origin
        self.unshown: Counter[str] = Counter()
        self.without: list[str] = []

    def look(self, examples: Examples, members: Sequence[Sample], shown: Mapping[str, Shown]) -> None:
        """Count what the members of one group are asked without."""
        for sample in members:
            names = usable(sample, examples, self.known, self.origin)
            if names is None:
                self.without.append(sample.sample_id)
                continue
            for question in sample.questions:
                wanted = question.options or ("low", "high")
                for option in wanted:
                    if (question.item, option) not in _union(names, shown):
                        self.unshown[f"{examples.exercise} {question.item or 'score'} '{option}'"] += 1

    def report(self, asked: int) -> None:
        """Log the counts.

        Raises:
            UserError: nobody has an example.
        """
        if asked and len(self.without) == asked:
            raise UserError(
                f"in-context examples: none of the {asked} samples that are asked about has another subject "
                "and source to take examples from; leave out the strategies that need examples"
            )
        if self.without:
            log.warning(
                "in-context examples: %d of %d samples have none of another subject and source, and are not "
                "asked about: %s",
                len(self.without),
                asked,
                few(self.without),
            )
        if self.unshown:
            log.warning(
                "in-context examples: no sample of another subject and source shows %d answer(s); requests "
                "that lack them: %s",
                len(self.unshown),
                "; ".join(f"{name}: {count}" for name, count in sorted(self.unshown.items())),
            )
