"""Uniform guesses on the real MTL-AQA truth give the known relative distances.

On all 353 test dives 0.164, without the failed dive 0.204; the paper prints 0.2181 for random guesses
(its Table 1). Skipped where the annotation files, which may not be redistributed, are absent.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from aqa.scoring.metrics import chance_relative_l2, relative_l2, relative_l2_root

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
