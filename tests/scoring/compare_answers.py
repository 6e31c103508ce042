"""Pairs, and what a model said about them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from scoring_cells import answer, failure

from aqa.records import Message, Pair, Question, Request, Response, TextPart
from aqa.scoring.compare import ORDERS, Comparisons, comparisons, predict_pairs
from aqa.scoring.predict import Asked

SCRIPTS = Path(__file__).parents[2] / "scripts"
CELL = "cells/gym/compare/original/base/model-a"
METRICS = ("accuracy", "position_bias", "consistency")

Said = dict[tuple[str, str, int], str | None]
"""What was said to (pair id, order, repeat); None: refused."""


def pair(number: int, anchor: int, partner: int, better: str = "anchor", exercise: str = "squat") -> Pair:
    return Pair.model_validate(
        {
            "pair_id": f"pair{number}",
            "exercise": exercise,
            "item": "",
            "text": "Which is better?",
            "anchor": f"a{number}",
            "partner": f"b{number}",
            "anchor_subject": f"p{anchor}",
            "partner_subject": f"p{partner}",
            "better": better,
        }
    )


def random_pairs(seed: int, n: int, subjects: int, exercises: int = 1) -> list[Pair]:
    rng = np.random.default_rng(seed)
    result = []
    for number in range(n):
        anchor = number % subjects
        partner = (anchor + int(rng.integers(1, subjects))) % subjects
        better = ("anchor", "partner")[int(rng.integers(2))]
        result.append(pair(number, anchor, partner, better, f"e{int(rng.integers(exercises))}"))
    return result


def asked(one: Pair, order: str, repeat: int = 0) -> Request:
    return Request(
        key=hashlib.sha256(f"{one.pair_id}/{order}/{repeat}".encode()).hexdigest(),
        settings="0" * 64,
        sample_id=one.pair_id,
        subject=one.anchor_subject,
        exercise=one.exercise,
        item=order,
        repeat=repeat,
        messages=(Message(role="user", content=(TextPart(text="Compare."),)),),
        questions=(Question(item="better", text=one.text, options=("first", "second")),),
    )


def truth(one: Pair, order: str) -> str:
    return "first" if (one.better == "anchor") == (order == "anchor_first") else "second"


def exchange(pairs: list[Pair], said: Said) -> tuple[list[Request], list[Response]]:
    named = {one.pair_id: one for one in pairs}
    requests = [asked(named[pair_id], order, repeat) for pair_id, order, repeat in said]
    responses = [
        failure(request, "refused") if word is None else answer(request, json.dumps({"better": word}))
        for request, word in zip(requests, said.values(), strict=True)
    ]
    return requests, responses


def table(pairs: list[Pair], said: Said) -> Comparisons:
    requests, responses = exchange(pairs, said)
    named = {one.pair_id: one for one in pairs}
    plain = [Asked.model_validate(request.model_dump(mode="json")) for request in requests]
    return comparisons(predict_pairs(plain, responses, named), named)


def both_orders(words: dict[str, tuple[str | None, str | None]], repeat: int = 0) -> Said:
    return {
        (pair_id, order, repeat): word
        for pair_id, pair_words in words.items()
        for order, word in zip(ORDERS, pair_words, strict=True)
    }
