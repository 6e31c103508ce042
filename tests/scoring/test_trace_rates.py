"""Reading reasoning: what is free text, what became of a response, rates, intervals, a judge's agreement."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_cells import ERRORS, SCORE, answer, failure, request, sample
from sklearn.metrics import cohen_kappa_score

from aqa.errors import UserError
from aqa.grid import Cell
from aqa.records import Prediction
from aqa.scoring.intervals import FEW_CLUSTERS, Resampler
from aqa.scoring.predict import predict
from aqa.scoring.ratios import ratio
from aqa.scoring.traces.agreement import Judged, agreements, kappa, picked
from aqa.scoring.traces.lexicon import STATEMENTS, load_lexicon
from aqa.scoring.traces.rates import rates
from aqa.scoring.traces.trace import Asked, Trace, chosen, free_text, thinned, traces

LEXICON = load_lexicon()
CELL = Cell("some", "judge", "original", "base", "model")
DIVE = sample("d1", {"": 7.0}, [SCORE], exercise="dive", subject="p1")
PRESS = sample("e1", {"inward": "true", "forward": "false"}, ERRORS, exercise="press", subject="p2")
THOUGHT = "The dive is seen from the side. Such dives usually score well."


def read(of, text, *, reasoning="", outcome="ok"):
    asked = request(of)
    given_ = answer(asked, text) if outcome == "ok" else failure(asked, outcome)
    given_ = given_.model_copy(update={"reasoning": reasoning, "text": text})
    rows = predict([asked], [given_], {of.sample_id: of})
    questions = Asked({of.sample_id: {question.item: question for question in of.questions}})
    (found,) = traces("judge", [given_], rows, questions, LEXICON)
    return found


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ('{"score": 7}', ""),
        ('The knees bend. {"score": 7}', "The knees bend."),
        ('{"score": 5} no, {"score": 7}', '{"score": 5} no,'),
        ("<look>A man.</look><output>7</output>", "<look>A man.</look>"),
        (
            '<think>{"score": 5} hmm</think>\nSo {"score": 7} because of the knees.',
            '<think>{"score": 5} hmm</think>\nSo',
        ),
        ("<think>I would <output>7</output></think>8", "<think>I would <output>7</output></think>8"),
        ("The dive is good.", "The dive is good."),
    ],
)
def test_free_text_ends_where_the_answer_begins(text, free):
    assert free_text(answer(request(DIVE), text)).strip() == free
    thought = answer(request(DIVE), text).model_copy(update={"reasoning": "Hm."})
    assert free_text(thought).strip() == f"Hm.\n{free}".strip()


@pytest.mark.parametrize(
    ("said", "result"),
    [("7", "correct"), ("8", "correct"), ("6.0", "correct"), ("8.1", "wrong"), ("seven", "unusable")],
)
def test_a_score_is_correct_within_a_tenth_of_its_scale(said, result):
    assert read(DIVE, f'{{"score": {said}}}').result == result


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ('{"inward": true, "forward": false}', "correct"),
        ('{"inward": true, "forward": true}', "wrong"),
        ('{"inward": true}', "unusable"),
    ],
)
def test_a_request_of_several_questions_is_correct_if_all_are(said, result):
    assert read(PRESS, said).result == result


@pytest.mark.parametrize("outcome", ["truncated", "refused", "rejected", "failed"])
def test_a_response_without_answer_is_unusable_and_its_reasoning_still_read(outcome):
    found = read(DIVE, "", reasoning=THOUGHT, outcome=outcome)
    assert found.result == "unusable"
    assert found.counts == Counter(observation=1, prior=1)
    assert (found.agree, found.differ, found.unstated) == (0, 0, 0)


def test_agreement_counts_every_question_with_a_usable_answer():
    text = 'I look at both. inward: true. forward: true. {"inward": true, "forward": false}'
    found = read(PRESS, text)
    assert (found.agree, found.differ, found.unstated) == (1, 1, 0)
    found = read(PRESS, 'inward: true. And much more can be said here. {"inward": true, "forward": false}')
    assert (found.agree, found.differ, found.unstated) == (1, 0, 1)


def test_fewer_than_five_words_are_no_reasoning():
    found = read(DIVE, 'The answer is: {"score": 7}')
    assert found.words == 0
    assert not found.counts
    assert (found.agree, found.differ, found.unstated) == (0, 0, 0)


def test_a_response_without_prediction_is_named():
    with pytest.raises(UserError, match="'d1' has no row"):
        traces("judge", [answer(request(DIVE), "7")], [], Asked(), LEXICON)
    row = Prediction(
        sample_id="d1", item="", exercise="a", subject="b", truth=1.0, prediction=1.0, outcome="ok", repeat=0
    )
    with pytest.raises(UserError, match="not in the file of samples"):
        traces("judge", [answer(request(DIVE), "7")], [row], Asked(), LEXICON)


def test_both_orders_of_a_pair_are_read_apart():
    rows = [
        Prediction(
            sample_id="a+b",
            item=order,
            exercise="x",
            subject="p",
            truth=truth,
            prediction="first",
            outcome="ok",
            repeat=0,
        )
        for order, truth in (("anchor_first", "first"), ("partner_first", "second"))
    ]
    of = sample("d", {"": 7.0}, [SCORE], exercise="x", subject="p")
    asked = [request(of, item=row.item).model_copy(update={"sample_id": "a+b"}) for row in rows]
    text = 'So I can see it: the better one is the first. {"answer": "first"}'
    found = traces("compare", [answer(one, text) for one in asked], rows, Asked(), LEXICON)
    assert [(trace.item, trace.result, trace.agree) for trace in found] == [
        ("anchor_first", "correct", 1),
        ("partner_first", "wrong", 1),
    ]


def test_a_larger_limit_keeps_every_earlier_response():
    of = [sample(f"d{n}", {"": 7.0}, [SCORE], exercise="x", subject="p") for n in range(30)]
    responses = [answer(request(one), "7") for one in of]
    some, more = chosen(responses, 5, 1), chosen(responses, 12, 1)
    assert len(some) == 5
    assert {r.key for r in some} < {r.key for r in more}
    assert [r.key for r in more] == [r.key for r in responses if r.key in {m.key for m in more}]
    assert chosen(responses, None, 1) == chosen(responses, 99, 1) == responses
    assert chosen(responses, 5, 2) != some


def made(n, seed=0, subjects=12):
    generator = np.random.default_rng(seed)
    found = []
    for number in range(n):
        counts = Counter({name: int(generator.integers(0, 5)) for name in STATEMENTS})
        said = tuple((f"{name} {number} {k}", name) for name in STATEMENTS for k in range(counts[name]))
        result = ("correct", "wrong", "unusable")[int(generator.integers(3))]
        tokens = None if number % 3 else 10 * number
        place = (f"s{number}", "", 0, f"p{number % subjects}")
        found.append(Trace(*place, result, counts.total(), tokens, False, counts, said, 1, 2, 3))
    return found


@pytest.mark.parametrize("subjects", [5, 40])
def test_rates_equal_counting_by_hand(subjects):
    found = made(90, subjects=subjects)
    pooled, *rest = rates({CELL: found}, Resampler(3, 500))
    assert (pooled.strategy, pooled.result) == ("all", "all")
    assert [row.result for row in rest] == [
        "correct",
        "wrong",
        "unusable",
        "all",
        "correct",
        "wrong",
        "unusable",
    ]
    total = sum((trace.counts for trace in found), Counter())
    prior, seen = total["prior"] + total["both"], total["observation"] + total["both"]
    assert pooled.sentences == total.total()
    assert pooled.prior == pytest.approx(prior / total.total())
    assert pooled.observation == pytest.approx(seen / total.total())
    assert pooled.prior_share == pytest.approx(prior / (prior + seen))
    some = [trace.counts["prior"] + trace.counts["both"] > 0 for trace in found if trace.words]
    assert pooled.traces_prior == pytest.approx(np.mean(some))
    assert pooled.reasoning_tokens == pytest.approx(np.mean([10 * n for n in range(0, 90, 3)]))
    assert (pooled.agree, pooled.differ, pooled.unstated) == (90, 180, 270)
    assert pooled.n_clusters == subjects
    assert pooled.prior_low < pooled.prior < pooled.prior_high
    assert sum(row.n for row in rest[:3]) == pooled.n == 90


def test_cells_without_reasoning_are_counted_and_have_no_rate():
    silent = [Trace(f"s{n}", "", 0, "p", "wrong", 0, None) for n in range(4)]
    row = rates({CELL: silent}, Resampler(3, 200))[0]
    assert (row.n, row.n_traces, row.sentences, row.n_clusters) == (4, 0, 0, 0)
    assert all(map(math.isnan, (row.prior, row.prior_low, row.words, row.reasoning_tokens)))
    assert rates({}, Resampler(3, 200)) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 60)), min_size=1, max_size=80))
def test_a_ratio_is_the_ratio_of_sums_inside_its_interval(rows):
    hits = [float(min(hit, count)) for hit, count, _ in rows]
    counts = [float(count) for _, count, _ in rows]
    clusters = [f"c{cluster}" for _, _, cluster in rows]
    value, found = ratio(hits, counts, clusters, Resampler(1, 200))
    if not sum(counts):
        assert math.isnan(value)
        return
    assert value == pytest.approx(sum(hits) / sum(counts))
    assert found.n_clusters == len({c for c, count in zip(clusters, counts, strict=True) if count})
    if not math.isnan(found.low):
        assert 0 <= found.low <= found.high <= 1
        assert found.n_clusters >= FEW_CLUSTERS or found.low - 1e-12 <= value <= found.high + 1e-12


def test_the_interval_of_a_ratio_covers_its_truth():
    """300 studies of 20 clusters whose rates differ: a nominal 95 % interval covers 91 % to 99 %."""
    generator = np.random.default_rng(11)
    hit = 0
    for _ in range(300):
        rate = np.clip(generator.normal(0.3, 0.1, 20), 0, 1)
        sizes = generator.integers(5, 40, 20)
        hits = generator.binomial(sizes, rate)
        _, found = ratio(hits.tolist(), sizes.tolist(), [f"c{n}" for n in range(20)], Resampler(1, 200))
        hit += found.low <= 0.3 <= found.high
    assert 0.91 <= hit / 300 <= 0.99


def test_thinning_drops_sentences_and_no_number():
    found = made(40)
    thin = thinned(found, 7, 5)
    assert sum(bool(trace.said) for trace in thin) == 7
    assert rates({CELL: thin}, Resampler(3, 200)) == rates({CELL: found}, Resampler(3, 200))


@given(st.lists(st.tuples(st.sampled_from(STATEMENTS), st.sampled_from(STATEMENTS)), max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs):
    ours = kappa(pairs)
    if not pairs or len({label for pair in pairs for label in pair}) == 1:
        assert math.isnan(ours)
        return
    assert ours == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-12)


def test_agreement_counts_unusable_answers_apart():
    rows = [
        Judged(CELL, "prior", "prior"),
        Judged(CELL, "both", "observation"),
        Judged(CELL, "neither", None),
        Judged(CELL._replace(model="other"), "neither", "neither"),
    ]
    every, first, second = agreements(rows, "j")
    assert (every.dataset, every.n, every.n_unusable) == ("all", 4, 1)
    assert every.same == pytest.approx(2 / 3)
    assert every.lexicon_prior == pytest.approx(2 / 3)
    assert every.judge_prior == pytest.approx(1 / 3)
    assert (first.model, second.model) == ("model", "other")
    assert math.isnan(second.kappa)
    assert agreements([], "j") == []


def test_a_judge_is_asked_about_each_sentence_once_and_more_keep_the_first():
    cells = {CELL: made(20), CELL._replace(model="other"): made(20)}
    few, more = picked(cells, 5, 1), picked(cells, 9, 1)
    assert all(len(part) == 5 for part in few.values())
    assert all(few[cell].items() <= more[cell].items() for cell in cells)
    assert few[CELL] == few[CELL._replace(model="other")]
