"""Guesses on the real MTL-AQA truth give the known relative distances, and say which form the paper prints.

On all 353 test dives 0.164, without the failed dive 0.204; the paper prints 0.2181 for random guesses
(its Table 1). Skipped where the annotation files, which may not be redistributed, are absent.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from aqa.reporting.distance import distance_section
from aqa.reporting.labels import Labels
from aqa.reporting.reproduced import REPORTED
from aqa.reporting.scores import Scores
from aqa.scoring.distance import Truth, constant, distance_rows, uniform
from aqa.scoring.metrics import chance_relative_l2, relative_l2, relative_l2_root
from aqa.scoring.reproduced import read_reported

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "mtl_aqa"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the MTL-AQA annotations are not in {FOLDER}")


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Execution scores of the test split: final score / difficulty / 3."""
    dives = pickle.loads((FOLDER / "final_annotations_dict.pkl").read_bytes())
    split = pickle.loads((FOLDER / "test_split_0.pkl").read_bytes())
    scores = np.array(
        [dives[tuple(key)]["final_score"] / dives[tuple(key)]["difficulty"] / 3 for key in split]
    )
    assert len(scores) == 353
    return scores


@pytest.mark.parametrize(
    ("drop_failed", "expected", "tolerance"), [(False, 0.164, 0.010), (True, 0.204, 0.012)]
)
def test_uniform_guesses(truth: np.ndarray, drop_failed: bool, expected: float, tolerance: float) -> None:
    if drop_failed:
        truth = truth[truth > 0]
        assert len(truth) == 352
    low, high = truth.min(), truth.max()
    rng = np.random.default_rng(0)
    values = [relative_l2(truth, rng.uniform(0, 10, len(truth)), low, high).value for _ in range(2000)]
    assert np.mean(values) == pytest.approx(expected, abs=0.002)
    assert np.quantile(np.abs(np.array(values) - expected), 0.68) < tolerance
    chance = chance_relative_l2(truth, low, high, 0, 10)
    assert np.mean(values) == pytest.approx(chance, abs=5 * np.std(values) / math.sqrt(len(values)))


def test_a_constant_mean_prediction_in_both_forms(truth: np.ndarray) -> None:
    constant = np.full(len(truth), truth.mean())
    assert relative_l2(truth, constant, truth.min(), truth.max()).value == pytest.approx(0.0271, abs=5e-5)
    assert relative_l2_root(truth, constant, truth.min(), truth.max()).value == pytest.approx(
        0.1646, abs=5e-5
    )


@pytest.mark.parametrize(
    ("value", "squared", "root"), [(8, 0.038, 0.20), (9, 0.072, 0.27), (9.5, 0.097, 0.31)]
)
def test_other_constants(truth: np.ndarray, value: float, squared: float, root: float) -> None:
    found = constant(truth, value)
    assert found == (pytest.approx(squared, abs=5e-4), pytest.approx(root, abs=5e-3))
    assert found[0] > constant(truth, float(truth.mean()))[0]


def printed() -> tuple[list[float], float]:
    """The paper's values of models, and of random guesses."""
    found = [
        one for one in read_reported(REPORTED) if (one.dataset, one.metric) == ("mtl-aqa", "relative_l2")
    ]
    (guess,) = [one.value for one in found if one.model == "random"]
    return [one.value for one in found if one.model != "random"], guess


def test_the_papers_model_values_fit_the_root_form_and_its_random_row_the_squared(truth: np.ndarray) -> None:
    values, guess = printed()
    assert len(values) == 55
    assert 0.171 <= min(values) < max(values) <= 0.4275
    floor, chance = constant(truth, float(truth.mean())), uniform(truth, 0, 10)
    assert floor[1] < min(values) < 1.05 * floor[1], "just above the floor of the root form"
    assert min(values) > 6 * floor[0], "far above that of the squared form"
    assert all(value > chance[0] for value in values), "in the squared form all would be worse than guessing"
    assert [value for value in values if value >= chance[1]] == [0.4274], "in the root form one is"
    without = uniform(truth[truth > 0], 0, 10)
    assert all(value < without[1] for value in values), "without the failed dive none is"
    assert abs(guess - without[0]) < abs(guess - chance[0]) < 0.06 < abs(guess - chance[1])


def test_the_report_says_so(truth: np.ndarray) -> None:
    labels = Labels.model_validate(
        {
            "datasets": [{"id": "mtl-aqa", "title": "MTL-AQA", "kind": "regression"}],
            "models": [{"id": "random", "title": "Random guess", "baseline": True}],
            "strategies": [{"id": "base", "title": "Base prompt"}],
            "representations": [{"id": "original", "title": "Original"}],
            "seed": 0,
            "resamples": 100,
        }
    )
    for scores, below in ((truth, "54 of 55 are"), (truth[truth > 0], "all 55 are")):
        rows = distance_rows("mtl-aqa", Truth({"diving": scores}, 0.0, 10.0))
        text = distance_section(rows, Scores([]), read_reported(REPORTED), labels).parts[-1].text
        assert f"Read in the root form, {below} below uniform guessing" in text
        assert "its rows of models fit the root form and its random row the squared form (inferred)" in text
    synthetic = labels.model_copy(update={"synthetic": ("mtl-aqa",)})
    parts = distance_section(rows, Scores([]), read_reported(REPORTED), synthetic).parts
    assert "the study prints" not in "".join(getattr(part, "text", "") for part in parts)
