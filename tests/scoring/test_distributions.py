"""Distributions beside the truth: every number against an independent computation."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aqa.errors import UserError
from aqa.grid import Cell
from aqa.records import Prediction
from aqa.scoring.distributions import OptionShare, ScoreShape, option_shares, score_shape
from aqa.scoring.tidy import read_tidy, write_tidy

CELL = Cell("some", "judge", "original", "base", "model")
OPTIONS = ("yes", "no", "perhaps")


def row(truth, prediction, number=0, item="i", exercise="e"):
    return Prediction(
        sample_id=f"s{number}",
        item=item,
        exercise=exercise,
        subject="p",
        truth=truth,
        prediction=prediction,
        outcome="unparsed" if prediction is None else "ok",
        repeat=0,
    )


CHOICES = st.lists(
    st.tuples(
        *(st.sampled_from(OPTIONS), st.sampled_from((*OPTIONS, None))),
        *(st.sampled_from("ab"), st.sampled_from("xy")),
    ),
    min_size=1,
    max_size=60,
)


@given(CHOICES, st.sampled_from(["item", "exercise"]))
def test_shares_are_those_of_counting(drawn, unit):
    rows = [row(t, p, n, item, exercise) for n, (t, p, item, exercise) in enumerate(drawn)]
    found = option_shares(CELL, rows, unit)
    groups = {(r.exercise, r.item if unit == "item" else "") for r in rows}
    assert {(share.exercise, share.item) for share in found} == groups
    for group in groups:
        mine = [r for r in rows if (r.exercise, r.item if unit == "item" else "") == group]
        shares = [share for share in found if (share.exercise, share.item) == group]
        usable = [r for r in mine if r.prediction is not None]
        assert {s.option: s.n_true for s in shares if s.n_true} == Counter(r.truth for r in mine)
        assert {s.option: s.n_predicted for s in shares if s.n_predicted} == Counter(
            r.prediction for r in usable
        )
        assert sum(s.share_true for s in shares) == pytest.approx(1)
        assert all((s.n, s.n_usable) == (len(mine), len(usable)) for s in shares)
        if usable:
            assert sum(s.share_predicted for s in shares) == pytest.approx(1)
            assert -1e-9 <= shares[0].distance <= 1 + 1e-9
            largest = max(
                abs(sum(s.share_true - s.share_predicted for s in shares if s.option in part))
                for part in [set(), *({o} for o in OPTIONS), *({o} ^ set(OPTIONS) for o in OPTIONS)]
            )
            assert shares[0].distance == pytest.approx(largest)
        else:
            assert all(math.isnan(s.share_predicted) and math.isnan(s.distance) for s in shares)


NUMBER = st.floats(0, 10).map(lambda value: round(value, 2))


@given(st.lists(st.tuples(NUMBER, st.none() | NUMBER), min_size=1, max_size=50))
def test_shapes_are_those_of_scipy(drawn):
    shape = score_shape(CELL, [row(t, p, n, "") for n, (t, p) in enumerate(drawn)])
    truth = np.array([t for t, _ in drawn])
    pairs = np.array([(t, p) for t, p in drawn if p is not None]).reshape(-1, 2)
    assert (shape.n, shape.n_usable) == (len(drawn), len(pairs))
    assert shape.truth_mean == pytest.approx(truth.mean())
    assert [shape.truth_low, shape.truth_median, shape.truth_high] == pytest.approx(
        np.percentile(truth, [10, 50, 90])
    )
    if not len(pairs):
        assert all(map(math.isnan, (shape.mean, shape.mode, shape.bias, shape.slope, shape.distance)))
        return
    true, said = pairs.T
    assert shape.mean == pytest.approx(said.mean())
    assert shape.sd == pytest.approx(said.std())
    assert shape.bias == pytest.approx(said.mean() - true.mean(), abs=1e-9)
    assert shape.distance == pytest.approx(stats.wasserstein_distance(true, said), abs=1e-9)
    mode = stats.mode(said)
    assert (shape.mode, shape.mode_share) == pytest.approx((mode.mode, mode.count / len(said)))
    if len(set(true)) > 1:
        assert shape.slope == pytest.approx(stats.linregress(true, said).slope, abs=1e-6)
    else:
        assert math.isnan(shape.slope)


def test_files_are_read_as_they_were_written(tmp_path):
    rows = option_shares(CELL, [row('a,"\n', None), row("b", "c", 1)], "item")
    write_tidy(tmp_path / "a.csv", OptionShare, rows)
    assert read_tidy(tmp_path / "a.csv", OptionShare) == rows
    shape = score_shape(CELL, [row(1.0, None, item="")])
    write_tidy(tmp_path / "b.csv", ScoreShape, [shape])
    assert repr(read_tidy(tmp_path / "b.csv", ScoreShape)) == repr([shape])


def test_a_file_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.csv: cannot be read"):
        read_tidy(tmp_path / "a.csv", OptionShare)
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(UserError, match=r"a\.csv: the columns"):
        read_tidy(tmp_path / "a.csv", OptionShare)
    write_tidy(tmp_path / "a.csv", OptionShare, option_shares(CELL, [row("a", "a")], "item"))
    text = (tmp_path / "a.csv").read_text().replace(",1.0,", ",much,", 1)
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=r"a\.csv, line 2: share_true"):
        read_tidy(tmp_path / "a.csv", OptionShare)
