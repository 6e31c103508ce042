"""Money: the table of prices, what an answer cost, and the most that a request can cost."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.models.prices import TABLE, cost_usd, price_of, table, worst_case
from aqa.records import MediaPart, Message, Request, TextPart, Usage

MODEL = "gemini-3.1-pro-preview"
COUNTS = st.integers(0, 1_048_576)


def asked(*parts):
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    return Request(
        key="0" * 64,
        settings="0" * 64,
        sample_id="s",
        subject="p",
        exercise="e",
        messages=(Message(role="user", content=content),),
        questions=(),
    )


def clip(frames, kind="video"):
    times = tuple(float(number) for number in range(frames))
    return MediaPart(kind=kind, file="a.zip", sha256="0" * 64, width=9, height=9, timestamps=times)


def by_hand(prompt, cached, output, batch):
    """The same in exact arithmetic, from the facts of the provider's page."""
    long = prompt > 200_000
    fresh, again, out = ("4", "0.4", "18") if long else ("2", "0.2", "12")
    total = (prompt - cached) * Fraction(fresh) + cached * Fraction(again) + output * Fraction(out)
    return float(total / 1_000_000 * (Fraction(1, 2) if batch else 1))


@given(COUNTS, COUNTS, st.integers(0, 65_536), st.booleans())
def test_an_answer_costs_what_the_page_says(prompt, cached, output, batch):
    cached = min(prompt, cached)
    usage = Usage(prompt_tokens=prompt, completion_tokens=output, cached_tokens=cached)
    price = price_of(MODEL)
    assert cost_usd(price, usage, batch=batch) == pytest.approx(by_hand(prompt, cached, output, batch))


def test_the_long_price_begins_above_200k():
    price = price_of(MODEL)
    assert price.cost(Usage(prompt_tokens=200_000, completion_tokens=0)) == pytest.approx(0.40)
    assert price.cost(Usage(prompt_tokens=200_001, completion_tokens=0)) == pytest.approx(0.800004)


def test_media_count_by_the_documented_formulas():
    request = asked(clip(1, "image"), clip(30), "x" * 400)
    assert price_of(MODEL).prompt_tokens(request) == 1120 + 30 * 70 + 100
    assert price_of(MODEL, resolution="low").prompt_tokens(request) == 280 + 30 * 70 + 100
    assert price_of(MODEL, resolution="high").prompt_tokens(request) == 1120 + 30 * 280 + 100


@given(st.text(max_size=200), st.integers(1, 50), st.integers(1, 3000), st.booleans())
def test_no_answer_costs_more_than_the_worst_case(text, frames, limit, batch):
    price = price_of(MODEL, max_output=limit)
    request = asked(clip(frames), text)
    tokens, dollars = worst_case(price, request, batch=batch)
    prompt = frames * 70 + len(text.encode())
    usage = Usage(prompt_tokens=prompt, completion_tokens=limit)
    assert prompt + limit <= tokens
    assert cost_usd(price, usage, batch=batch) <= dollars


def test_without_a_limit_the_models_own_bounds_the_answer():
    price = price_of(MODEL)
    assert price.worst_case(asked("?")) >= 65_536 * 12 / 1e6
    assert price_of(MODEL, max_output=10**9).max_output == 65_536
    assert price.in_batch().worst_case(asked("?")) == pytest.approx(price.worst_case(asked("?")) / 2)


def test_what_a_usage_leaves_open_is_counted_at_its_worst():
    price = price_of(MODEL, max_output=1000)
    assert price.cost(Usage(prompt_tokens=0)) == pytest.approx(1000 * 12 / 1e6)
    assert price.cost(Usage()) == pytest.approx((1_048_576 * 4 + 1000 * 18) / 1e6)


def test_a_model_that_is_not_in_the_table_has_no_price():
    assert price_of("somebody's") is None


def test_the_table_says_when_and_where_it_was_read():
    read = table()
    assert TABLE.is_file()
    assert read.read.year >= 2026
    assert read.source


@pytest.mark.parametrize(
    ("tiers", "cause"),
    [
        ("[{up_to: 5, input: 1, cached: 1, output: 1}]", "the last one none"),
        ("[{input: 1, cached: 1, output: 1}, {input: 1, cached: 1, output: 1}]", "increasing `up_to`"),
        ("[{input: -1, cached: 1, output: 1}]", "greater than or equal to 0"),
        ("[{input: 1, cached: 1, output: 1, outptu: 1}]", "unknown key 'outptu'"),
    ],
)
def test_a_table_that_makes_no_sense_is_an_error(tmp_path, tiers, cause):
    path = tmp_path / "prices.yaml"
    path.write_text(
        f"read: 2026-01-01\nsource: s\nmodels: {{m: {{tiers: {tiers}, image_tokens: {{default: 1}}, "
        "frame_tokens: {default: 1}, max_prompt: 1, max_output: 1}}"
    )
    with pytest.raises(UserError, match=cause):
        price_of("m", path=path)
