"""How predictions are distributed beside the truth: reading cells, and the section of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Prediction, Sample
from aqa.reporting.labels import Labels
from aqa.reporting.predictions import cell_of
from aqa.reporting.section import Drawing, Grid, Head, Part, Section, Text
from aqa.reporting.views import in_print_order
from aqa.scoring.distributions import OptionShare, ScoreShape, option_shares, score_shape
from aqa.scoring.predict import read_predictions

OPTIONS, SCORES = "distributions_options", "distributions_scores"
"""Names of the files and of the figures: of choices, of scores."""

OptionKey = tuple[str, str, str]
"""Exercise, item (empty where items are pooled) and option."""


@dataclass(frozen=True)
class Shown:
    """The cells that are shown: task judge, original media, base prompt; in print order.

    `correct` holds, by dataset, the options that mean correct execution. `scales` holds the scale of every
    regression dataset, `scores` the predictions of its cells.
    """

    options: Mapping[Cell, Sequence[OptionShare]] = field(default_factory=dict)
    shapes: Mapping[Cell, ScoreShape] = field(default_factory=dict)
    scores: Mapping[Cell, Sequence[Prediction]] = field(default_factory=dict)
    correct: Mapping[str, frozenset[OptionKey]] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def read_shown(folders: Sequence[Path], samples: Sequence[Path], labels: Labels) -> Shown:
    """Read the predictions of the cells that are shown; others are passed over.

    Raises:
        UserError: a file is missing or does not fit, or labels.json does not name a dataset.
    """
    cells = {cell_of(folder): folder for folder in folders}
    kinds = {dataset.id: dataset.kind for dataset in labels.datasets}
    options: dict[Cell, list[OptionShare]] = {}
    shapes: dict[Cell, ScoreShape] = {}
    scores: dict[Cell, list[Prediction]] = {}
    for cell in in_print_order(cells, labels):
        if cell[1:4] != ("judge", "original", "base"):
            continue
        if cell.dataset not in kinds:
            raise UserError(f"{cells[cell]}: labels.json does not name this dataset; write it again")
        predictions = read_predictions(cells[cell] / "predictions.csv", kinds[cell.dataset])
        if not predictions:
            continue
        if kinds[cell.dataset] == "classification":
            options[cell] = option_shares(cell, predictions, labels.unit.get(cell.dataset, "item"))
        else:
            scores[cell] = predictions
            shapes[cell] = score_shape(cell, predictions)
    correct: dict[str, frozenset[OptionKey]] = {}
    scales: dict[str, tuple[float, float]] = {}
    for path in samples:
        name = path.absolute().parent.name
        if any(cell.dataset == name for cell in (*options, *scores)):
            correct[name], scales[name] = _questions(read_jsonl(path, Sample))
    return Shown(options, shapes, scores, correct, scales)


def _questions(samples: Sequence[Sample]) -> tuple[frozenset[OptionKey], tuple[float, float]]:
    """Return the options that mean correct execution (also with the items pooled), and the scale."""
    correct: set[OptionKey] = set()
    lows, highs = [], []
    for sample in samples:
        for question in sample.questions:
            if question.correct is not None:
                correct.add((sample.exercise, question.item, question.correct))
                correct.add((sample.exercise, "", question.correct))
            if question.minimum is not None and question.maximum is not None:
                lows.append(question.minimum)
                highs.append(question.maximum)
    return frozenset(correct), (min(lows, default=0.0), max(highs, default=1.0))


def distributions_section(shown: Shown, labels: Labels) -> Section:
    """Return the section: both figures, the numbers of scores, and the mean distances of choices."""
    said = "Original media, base prompt. Unusable answers are no predictions and are left out here."
    if not shown.options and not shown.shapes:
        said = "This grid has no cell with original media and the base prompt."
    parts: list[Part] = [Text(text=said)]
    if shown.options:
        caption = (
            "Choices: how often each option of each question is predicted (up) against how often it is "
            "true (right). On the diagonal both agree; above it the model overuses an option. Circles mean "
            "correct execution. d is the mean over questions of the total variation distance: 0 the same "
            "distribution, 1 nothing in common. A good distribution does not mean right answers."
        )
        parts += [Drawing(name=OPTIONS, caption=caption), _option_grid(shown, labels)]
    if shown.shapes:
        caption = (
            "Scores. Left: the distributions of the truth and of each model's predictions, with the median "
            "and the 10 to 90 % range. Right: predicted against true scores; the area of a point is the "
            "number of judgements there, the line the mean prediction in fifths of the truth, the dashed "
            "diagonal a perfect prediction."
        )
        parts += [Drawing(name=SCORES, caption=caption), _score_grid(shown, labels)]
    files = [f"{name}.csv" for name, part in ((OPTIONS, shown.options), (SCORES, shown.shapes)) if part]
    return Section(
        id="distributions",
        title="Distributions of predictions against the truth",
        short="Distributions",
        parts=tuple(parts),
        files=tuple(files),
    )


def mean_distance(shares: Sequence[OptionShare]) -> float:
    """Return the mean total variation distance over the questions with a usable answer; NaN without any."""
    distances = {(share.exercise, share.item): share.distance for share in shares}
    known = [distance for distance in distances.values() if not math.isnan(distance)]
    return sum(known) / len(known) if known else math.nan


def _option_grid(shown: Shown, labels: Labels) -> Grid:
    names, models = _names(labels)
    heads = (
        *(Head(text=text, left=True) for text in ("Dataset", "Model")),
        *(Head(text=text) for text in ("Questions", "Mean distance", "Usable")),
        *(Head(text=text, above="Correct execution, share") for text in ("True", "Predicted")),
    )
    rows = []
    for cell, shares in shown.options.items():
        correct = shown.correct.get(cell.dataset, frozenset())
        good = [share for share in shares if (share.exercise, share.item, share.option) in correct]
        groups = {(share.exercise, share.item): share for share in shares}
        every = groups.values()
        # Also those where nobody is correct and no answer says so: they hold no share of that option.
        judged = [groups[place] for place in {option[:2] for option in correct} if place in groups]
        asked, usable = (sum(getattr(share, name) for share in judged) for name in ("n", "n_usable"))
        rows.append(
            (
                names[cell.dataset],
                models.get(cell.model, cell.model),
                str(len(every)),
                _number(mean_distance(shares)),
                f"{sum(share.n_usable for share in every):,} of {sum(share.n for share in every):,}",
                _percent(sum(share.n_true for share in good), asked),
                _percent(sum(share.n_predicted for share in good), usable),
            )
        )
    return Grid(title="Choices in numbers", heads=heads, rows=tuple(rows), folded=True)


def _score_grid(shown: Shown, labels: Labels) -> Grid:
    names, models = _names(labels)
    heads = (
        *(Head(text=text, left=True) for text in ("Dataset", "Model")),
        Head(text="Usable"),
        *(Head(text=text, above="Truth") for text in ("Mean", "SD")),
        *(Head(text=text, above="Predictions") for text in ("Mean", "SD", "Values", "Most frequent")),
        *(Head(text=text) for text in ("Bias", "Slope", "Distance")),
    )
    rows = tuple(
        (
            names[cell.dataset],
            models.get(cell.model, cell.model),
            f"{shape.n_usable:,} of {shape.n:,}",
            *(_number(value) for value in (shape.truth_mean, shape.truth_sd, shape.mean, shape.sd)),
            f"{shape.values:,}",
            "–" if math.isnan(shape.mode) else f"{shape.mode:g} ({100 * shape.mode_share:.0f} %)",
            *(_number(value) for value in (shape.bias, shape.slope, shape.distance)),
        )
        for cell, shape in shown.shapes.items()
    )
    note = (
        "Bias: mean of prediction less truth. Slope: of the least-squares line of predictions on the truth. "
        "Distance: Wasserstein, in points of the scale."
    )
    return Grid(title="Scores in numbers", heads=heads, rows=rows, notes=(note,), folded=True)


def _names(labels: Labels) -> tuple[dict[str, str], dict[str, str]]:
    datasets = {item.id: labels.dataset_name(item) for item in labels.datasets}
    return datasets, {item.id: item.name for item in labels.models}


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
