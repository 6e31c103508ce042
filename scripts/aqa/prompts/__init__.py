"""Prompts: one template a strategy, over the wording of a dataset (design decision 11)."""

from aqa.prompts.answers import answer
from aqa.prompts.conversation import fill_task, media_part, render
from aqa.prompts.guidelines import Text, drafts, missing, require, texts_for
from aqa.prompts.strategy import STRATEGIES, Strategy, load_strategy, strategies, title
from aqa.records import answer_key

__all__ = [
    "STRATEGIES",
    "Strategy",
    "Text",
    "answer",
    "answer_key",
    "drafts",
    "fill_task",
    "load_strategy",
    "media_part",
    "missing",
    "render",
    "require",
    "strategies",
    "texts_for",
    "title",
]
