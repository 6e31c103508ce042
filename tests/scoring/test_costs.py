"""Costs: tokens and money a judgement, and skill, against arithmetic by hand."""

import math

import pytest

from aqa.grid import Cell
from aqa.models.prices import price_of
from aqa.records import Response, Usage
from aqa.scoring.costs import Paid, cost_of, means
from aqa.scoring.metrics import skill_of
from aqa.scoring.rows import ScoreRow

CELL = Cell("some", "judge", "original", "base", "model")
PRICED = "gemini-3.1-pro-preview"


def response(number, prompt=None, completion=None, reasoning=None, cached=None):
    usage = Usage(
        prompt_tokens=prompt, completion_tokens=completion, reasoning_tokens=reasoning, cached_tokens=cached
    )
    return Response(key=f"{number:064x}", sample_id=f"s{number}", outcome="ok", usage=usage)


def score(n=4, value=0.75, chance=0.5, metric="balanced_accuracy", cell=CELL):
    return ScoreRow(
        **cell._asdict(),
        metric=metric,
        policy="strict",
        unit="item",
        scope="all",
        value=value,
        ci_low=0.5,
        ci_high=0.9,
        interval="none",
        n_clusters=3,
        chance=chance,
        n=n,
        n_ok=n,
        n_unparsed=0,
        n_truncated=0,
        n_refused=0,
        n_rejected=0,
        n_failed=0,
    )


def test_a_request_shares_its_tokens_among_its_questions():
    cost = cost_of(CELL, [response(1, 1000, 100, 80, 500), response(2, 3000, 300, None, 0)], score(n=4), None)
    assert (cost.prompt_tokens, cost.completion_tokens) == (1000, 100)
    assert (cost.reasoning_tokens, cost.cached_tokens) == (40, 125)
    assert cost.tokens == 1100
    assert (cost.n_reported, cost.requests, cost.judgements) == (2, 2, 4)
    assert math.isnan(cost.usd_per_1000)
    assert cost.priced == ""


def test_money_is_the_table_s_for_1000_judgements_and_half_in_batches():
    price = price_of(PRICED)
    assert price is not None
    answers = [response(1, 100_000, 1000, 900, 20_000), response(2, 300_000, 1000, 900, 0)]
    by_hand = (80_000 * 2 + 20_000 * 0.2 + 1000 * 12 + 300_000 * 4 + 1000 * 18) / 1e6
    cost = cost_of(CELL, answers, score(n=2), Paid(price))
    assert cost.usd_per_1000 == pytest.approx(by_hand / 2 * 1000)
    assert cost.priced == price.read
    assert cost_of(CELL, answers, score(n=2), Paid(price, batch=True)).usd_per_1000 == pytest.approx(
        by_hand / 4 * 1000
    )


def test_what_reports_nothing_counts_in_no_mean():
    price = price_of(PRICED)
    assert price is not None
    cost = cost_of(CELL, [response(1), response(2, 1000, 100), response(3, 900)], score(n=3), Paid(price))
    assert cost.n_reported == 1
    assert cost.tokens == 1100
    assert cost.prompt_tokens == 950
    silent = cost_of(CELL, [response(1)], score(n=1), Paid(price))
    assert silent.n_reported == 0
    assert all(map(math.isnan, (silent.tokens, silent.prompt_tokens, silent.usd_per_1000)))
    assert silent.priced == ""
    assert math.isnan(cost_of(CELL, [], score(n=0), None).tokens)


@pytest.mark.parametrize(
    ("metric", "value", "chance", "skill"),
    [
        ("balanced_accuracy", 0.75, 0.5, 0.5),
        ("balanced_accuracy", 1.0, 0.4, 1.0),
        ("balanced_accuracy", 0.4, 0.4, 0.0),
        ("accuracy", 0.25, 0.5, -0.5),
        ("spearman", -0.2, 0.0, -0.2),
        ("relative_l2", 0.1, 0.2, math.nan),
        ("balanced_accuracy", math.nan, 0.5, math.nan),
        ("balanced_accuracy", 1.0, 1.0, math.nan),
    ],
)
def test_skill_is_0_at_chance_and_1_at_best(metric, value, chance, skill):
    assert skill_of(metric, value, chance) == pytest.approx(skill, nan_ok=True)


def test_means_are_over_the_same_datasets_for_all():
    other = CELL._replace(dataset="other")
    costs = [
        cost_of(CELL, [response(1, 1000, 100)], score(n=1, value=0.75), None),
        cost_of(other, [response(2, 3000, 100)], score(n=1, value=0.2, metric="spearman", cell=other), None),
        cost_of(CELL._replace(model="part"), [response(3, 9, 9)], score(n=1), None),
    ]
    (mean,) = means(costs)
    assert (mean.dataset, mean.model, mean.n_datasets) == ("all", "model", 2)
    assert mean.tokens == 2100
    assert mean.skill == mean.value == pytest.approx((0.5 + 0.2) / 2)
    assert math.isnan(mean.usd_per_1000)
    assert means(costs[:1]) == []
