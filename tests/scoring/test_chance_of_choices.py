"""Chance where exercises have questions with different numbers of options, as LLM-FMS has them."""

from __future__ import annotations

import asyncio
import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_cells import answer, request, sample, write_cell

from aqa.datasets.index import index
from aqa.datasets.llm_fms import embedded
from aqa.models.baseline import RandomBaseline
from aqa.records import Question, Sample
from aqa.scoring.rows import ScoreRow, collect, read_rows, write_rows
from aqa.scoring.score import Settings, score_cells

SETTINGS = Settings("classification", seed=1, resamples=100)

Shape = dict[str, list[int]]
"""Exercise -> the number of options of each of its questions."""


def dataset(shape: Shape, times: int = 2) -> list[Sample]:
    """Return samples of which every option of every question is the truth of some."""
    samples = []
    for exercise, sizes in shape.items():
        questions = [
            Question(item=f"r{i}", text=f"{exercise} {i}?", options=tuple("abcde"[:size]))
            for i, size in enumerate(sizes)
        ]
        for number in range(times * max(sizes)):
            truth = {q.item: q.options[number % len(q.options)] for q in questions}
            name = f"{exercise}-{number}"
            samples.append(sample(name, truth, questions, exercise=exercise, subject=f"p{number}"))
    return samples


def guessed(folder: Path, samples: list[Sample], seed: int = 0) -> list[ScoreRow]:
    """Score the random baseline's answers; return the rows of its `metrics.json`."""
    requests = [request(of) for of in samples]
    backend = RandomBaseline(seed)

    async def ask() -> list[str]:
        return [(await backend.ask(one)).text for one in requests]

    texts = asyncio.run(ask())
    cell = folder / "cells/llm-fms/judge/original/base/random"
    write_cell(cell, requests, [answer(to, text) for to, text in zip(requests, texts, strict=True)])
    score_cells([cell], {of.sample_id: of for of in samples}, SETTINGS)
    return read_rows(cell / "metrics.json")


def expected(samples: list[Sample]) -> float:
    """Return the mean over exercises of the mean over their questions of 1 / number of options."""
    sizes = {
        (of.exercise, question.item): len(question.options) for of in samples for question in of.questions
    }
    exercises = sorted({exercise for exercise, _ in sizes})
    means = []
    for exercise in exercises:
        own = [Fraction(1, size) for (name, _), size in sizes.items() if name == exercise]
        means.append(sum(own) / len(own))
    return float(sum(means) / len(means))


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["deep-squat", "hurdle-step", "inline-lunge", "push-up"]),
        st.lists(st.integers(2, 4), min_size=1, max_size=3),
        min_size=1,
    )
)
def test_chance_is_the_mean_over_exercises_of_one_over_the_options(tmp_path_factory, shape):
    samples = dataset(shape)
    for row in guessed(tmp_path_factory.mktemp("cell"), samples):
        if (row.scope, row.unit) == ("all", "item"):
            assert row.chance == pytest.approx(expected(samples), abs=1e-12)


def test_the_column_chance_of_scores_csv_is_that_value_on_the_embedded_data(tmp_path):
    embedded.write(tmp_path / "data", 1, 1, embedded.Size(subjects=12))
    samples = index("llm-fms", tmp_path / "data", {}, require_media=True)
    assert {len(question.options) for of in samples for question in of.questions} >= {2, 3}
    classes = {
        (of.exercise, q.item): {other.truth[q.item] for other in samples if other.exercise == of.exercise}
        for of in samples
        for q in of.questions
    }
    assert all(len(found) > 1 for found in classes.values()), "a question with one truth would be left out"
    guessed(tmp_path, samples)
    metrics = tmp_path / "cells/llm-fms/judge/original/base/random/metrics.json"
    write_rows(tmp_path / "scores.csv", collect([metrics]))
    with (tmp_path / "scores.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if (row["scope"], row["unit"]) == ("all", "item")]
    assert {row["policy"] for row in rows} == {"strict", "answered"}
    for row in rows:
        assert float(row["chance"]) == pytest.approx(expected(samples), abs=1e-12)


def test_guessing_reaches_chance_on_average(tmp_path):
    samples = dataset({"deep-squat": [3, 2, 2], "hurdle-step": [2, 4], "push-up": [3]}, times=3)
    values = []
    for seed in range(40):
        rows = guessed(tmp_path / str(seed), samples, seed)
        (row,) = (r for r in rows if (r.scope, r.unit, r.policy) == ("all", "item", "strict"))
        values.append(row.value)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(expected(samples), abs=4 * error)
    assert error < 0.03
