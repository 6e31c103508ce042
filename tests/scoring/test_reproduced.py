"""Printed values beside ours: the right form, the right comparison, and reaches that keep their promise."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from scipy.stats import t
from scoring_cells import ERRORS, SCORE, sample
from sklearn.metrics import balanced_accuracy_score

from aqa.datasets.base import StudyItems
from aqa.errors import UserError
from aqa.grid import Cell
from aqa.records import Prediction
from aqa.reporting.reproduced import INCONSISTENCIES, REPORTED
from aqa.scoring.effects import Loaded
from aqa.scoring.reproduced import (
    Remark,
    Reported,
    compared_metric,
    decoding_reach,
    distinct,
    read_remarks,
    read_reported,
    repeat_values,
    reproduced,
    sampling_reach,
)
from aqa.scoring.rows import ScoreRow

SAME = {"dives": StudyItems(same=True, why="the split")}
OTHER = {"dives": StudyItems(same=False, why="another sample")}


def printed(value=0.3, metric="spearman", model="m", **changes):
    values = {
        "table": 1,
        "dataset": "dives",
        "task": "judge",
        "representation": "original",
        "strategy": "base",
    }
    return Reported.model_validate(
        values | {"model": model, "metric": metric, "form": "", "value": value} | changes
    )


def score(value=0.25, metric="spearman", model="m", **changes):
    values = {"dataset": "dives", "task": "judge", "representation": "original", "strategy": "base"}
    values |= {
        "policy": "strict",
        "unit": "item",
        "scope": "all",
        "ci_low": value - 0.1,
        "ci_high": value + 0.1,
    }
    values |= {"interval": "cluster-jackknife-t", "n_clusters": 15, "chance": 0.0, "n": 353, "n_ok": 353}
    values |= dict.fromkeys(("n_unparsed", "n_truncated", "n_refused", "n_rejected", "n_failed"), 0)
    return ScoreRow.model_validate(values | {"value": value, "metric": metric, "model": model} | changes)


def beside(reported, scores, items=OTHER, **changes):
    held = {(Cell(*one.cell), one.metric): one for one in scores}
    values = {"baselines": ["random"], "items": items, "repeats": {}} | changes
    return reproduced(reported, held, **values)


def test_a_value_stands_beside_ours_with_the_difference_and_our_interval():
    (row,) = beside([printed(0.3)], [score(0.25)])
    assert (row.reported, row.ours, row.inside) == (0.3, 0.25, True)
    assert row.difference == pytest.approx(-0.05)
    (row,) = beside([printed(0.36)], [score(0.25)])
    assert not row.inside


def test_other_items_differ_by_up_to_root_two_times_our_error():
    reach = math.sqrt(2) * 0.1
    for value, verdict in ((0.25 + 0.99 * reach, "within"), (0.25 + 1.01 * reach, "outside")):
        (row,) = beside([printed(value)], [score(0.25)])
        assert (row.comparison, row.verdict) == ("other items", verdict)
        assert row.reach == pytest.approx(reach)


def test_same_items_need_repeats():
    (row,) = beside([printed(0.9)], [score(0.25)], SAME)
    assert (row.comparison, row.verdict, row.repeats) == ("same items", "unknown", 1)
    assert math.isnan(row.reach)
    runs = [0.24, 0.25, 0.26]
    cell = Cell("dives", "judge", "original", "base", "m")
    (row,) = beside([printed(0.9)], [score(0.25)], SAME, repeats={cell: {"spearman": runs}})
    assert (row.verdict, row.repeats) == ("outside", 3)
    assert row.reach == pytest.approx(t.ppf(0.975, 2) * 0.01 * math.sqrt(1 + 1 / 3))


def test_pairs_and_samples_that_were_left_out_are_other_items():
    (row,) = beside(
        [printed(0.6, "accuracy", task="compare")], [score(0.6, "accuracy", task="compare")], SAME
    )
    assert (row.comparison, row.why) == ("other items", "the study's pairs are not published")
    (row,) = beside([printed()], [score(n_left_out=2)], SAME)
    assert (row.comparison, row.why) == ("other items", "2 samples could not be asked about")


def test_rows_of_models_are_compared_in_the_root_form_and_guessing_in_the_squared_one():
    scores = [score(0.04, "relative_l2"), score(0.2, "relative_l2_root")]
    scores += [score(0.2, "relative_l2", "random", chance=0.164), score(0.45, "relative_l2_root", "random")]
    rows = beside([printed(0.21, "relative_l2"), printed(0.2181, "relative_l2", "random")], scores)
    assert [(row.metric, row.ours) for row in rows] == [("relative_l2_root", 0.2), ("relative_l2", 0.2)]
    assert math.isnan(rows[0].expected)
    assert rows[1].expected == 0.164


def test_a_value_that_several_tables_print_stands_once_and_disagreeing_ones_stand_each():
    found = distinct([printed(0.3), printed(0.3, table=4), printed(0.4, table=3), printed(math.nan)])
    assert [(one.value, tables) for one, tables in found] == [(0.3, "1, 4"), (0.4, "3")]


def test_what_has_no_counterpart_is_passed_over():
    assert not beside([printed(model="other")], [score()])
    assert not beside([printed()], [score(math.nan)])
    assert not beside([printed()], [score()], {}), "synthetic datasets are not among the items"


def test_a_score_without_an_interval_is_not_judged():
    (row,) = beside([printed()], [score(ci_low=math.nan, ci_high=math.nan)])
    assert (row.verdict, row.inside) == ("unknown", False)


def test_remarks_stand_where_they_apply():
    remarks = [Remark(text="odd", model="m", strategies=("base",)), Remark(text="guess", baseline=True)]
    rows = beside([printed(), printed(model="random")], [score(), score(model="random")], remarks=remarks)
    assert [row.remarks for row in rows] == ["odd", "guess"]


def judged(item, truth, said, repeat, k):
    return Prediction(
        sample_id=f"s{k}",
        item=item,
        exercise="squat",
        subject=f"p{k % 5}",
        truth=truth,
        prediction=said,
        outcome="ok" if said is not None else "refused",
        repeat=repeat,
    )


def test_each_repeat_is_scored_alone_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    truth = {name: rng.choice(["true", "false"], 40) for name in ("inward", "forward")}
    samples = {
        f"s{k}": sample(
            f"s{k}",
            {name: str(values[k]) for name, values in truth.items()},
            ERRORS,
            exercise="squat",
            subject="p",
        )
        for k in range(40)
    }
    rows, expected = [], []
    for repeat in range(3):
        said = {name: rng.choice(["true", "false", None], 40, p=[0.5, 0.45, 0.05]) for name in truth}
        rows += [
            judged(name, str(truth[name][k]), said[name][k], repeat, k) for name in truth for k in range(40)
        ]
        recalls = [
            balanced_accuracy_score(truth[name], [value or "?" for value in said[name]]) for name in truth
        ]
        expected.append(np.mean(recalls))
    values = repeat_values(Loaded(rows, "classification", "item", None), samples)
    assert values == {"balanced_accuracy": pytest.approx(expected)}


def test_each_repeat_of_scores_is_scored_alone():
    samples = {
        f"s{k}": sample(f"s{k}", {"": float(k)}, [SCORE], exercise="squat", subject="p") for k in range(10)
    }
    rows = [
        judged("", float(k), float(9 - k if repeat else k), repeat, k) for repeat in (0, 1) for k in range(10)
    ]
    limits = {"all": (0.0, 9.0), "squat": (0.0, 9.0)}
    values = repeat_values(Loaded(rows, "regression", "item", limits), samples)
    assert values["spearman"] == pytest.approx([1.0, -1.0])
    assert values["relative_l2"][0] == 0.0
    assert values["relative_l2_root"][1] ** 2 == pytest.approx(values["relative_l2"][1])


def test_repeats_are_scored_under_the_policy_of_the_value_beside_them():
    samples = {
        f"s{k}": sample(f"s{k}", {"": float(k)}, [SCORE], exercise="squat", subject="p") for k in range(10)
    }
    rows = [judged("", float(k), float(k), repeat, k) for repeat in (0, 1) for k in range(10)]
    rows = [
        row.model_copy(update={"prediction": None, "outcome": "refused"}) if row.truth < 5 else row
        for row in rows
    ]
    loaded = Loaded(rows, "regression", "item", {"all": (0.0, 9.0), "squat": (0.0, 9.0)})
    assert repeat_values(loaded, samples, "answered")["relative_l2"] == [0.0, 0.0]
    assert min(repeat_values(loaded, samples, "strict")["relative_l2"]) > 0.1


def test_a_cell_that_a_block_limits_asked_other_items_than_the_study():
    cell = printed(0.3).cell
    (row,) = beside([printed(0.3)], [score(0.25)], SAME, limits={cell.path: 12})
    assert (row.comparison, row.why) == ("other items", "limited to 12 samples")
    (row,) = beside([printed(0.3)], [score(0.25)], SAME, limits={cell._replace(model="n").path: 12})
    assert row.comparison == "same items"


def test_the_decoding_reach_holds_a_new_run_95_times_of_100():
    rng = np.random.default_rng(1)
    for k in (2, 3, 8):
        runs = rng.normal(0.5, 0.02, (4000, k + 1))
        held = [abs(run[:-1].mean() - run[-1]) <= decoding_reach(run[:-1]) for run in runs]
        assert 0.935 <= np.mean(held) <= 0.965
    assert math.isnan(decoding_reach([0.5]))


def test_the_sampling_reach_holds_another_study_95_times_of_100():
    """Two studies of 60 samples each, whose interval is that of a mean."""
    rng = np.random.default_rng(2)
    held = []
    for _ in range(4000):
        ours, theirs = rng.normal(0.5, 0.2, (2, 60))
        half = t.ppf(0.975, 59) * ours.std(ddof=1) / math.sqrt(60)
        row = score(ours.mean(), ci_low=ours.mean() - half, ci_high=ours.mean() + half)
        held.append(abs(ours.mean() - theirs.mean()) <= sampling_reach(row))
    assert 0.935 <= np.mean(held) <= 0.965


def test_the_shipped_files_are_read_whole_and_their_remarks_fit_something():
    reported = read_reported(REPORTED)
    with REPORTED.open(encoding="utf-8") as stream:
        assert len(reported) == len(list(csv.DictReader(stream)))
    assert sum(math.isnan(one.value) for one in reported) > 0
    for remark in read_remarks(INCONSISTENCIES):
        assert any(remark.fits(one, baseline=one.model == "random") for one in reported)


def test_gemini_on_finefs_is_printed_twice_and_marked():
    reported = [
        one for one in read_reported(REPORTED) if one.dataset == "finefs" and one.metric == "spearman"
    ]
    mine = [one for one in reported if one.model == "gemini-3.1-pro" and one.strategy == "base"]
    values = {one.value for one, _ in distinct(mine) if one.representation == "original"}
    assert values == {0.2651, 0.369}
    remarks = read_remarks(INCONSISTENCIES)
    assert all(remarks[0].fits(one, baseline=False) for one in mine if one.representation == "original")
    assert not any(remarks[0].fits(one, baseline=False) for one in mine if one.representation != "original")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        ("table,dataset\n1,x\n", "line 2: task"),
        ("\xff", "not a CSV file in UTF-8"),
    ],
)
def test_a_wrong_file_of_values_is_named(tmp_path, content, problem):
    path = tmp_path / "reported.csv"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=problem):
        read_reported(path)


def test_the_studys_own_values_differ_from_themselves_only_where_it_contradicts_itself():
    reported = read_reported(REPORTED)
    ours: dict[tuple[Cell, str], ScoreRow] = {}
    for one in reported:
        metric = compared_metric(one.metric, baseline=one.model == "random")
        if math.isfinite(one.value):
            names = {name: value for name, value in one.cell._asdict().items() if name != "model"}
            ours.setdefault((one.cell, metric), score(one.value, metric, one.model, **names))
    rows = reproduced(
        reported,
        ours,
        baselines=["random"],
        items={one.dataset: StudyItems(same=False, why="a test") for one in reported},
        repeats={},
        remarks=read_remarks(INCONSISTENCIES),
    )
    assert len(rows) == len(distinct(reported))
    odd = [row for row in rows if row.difference]
    assert {(row.dataset, row.model) for row in odd} == {("finefs", "gemini-3.1-pro")}
    assert all("Table 4 prints that pair under visual grounding" in row.remarks for row in odd)
