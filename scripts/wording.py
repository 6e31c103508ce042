"""The texts that a person has to approve: list what is missing, draft it, print what there is."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from aqa import cli, datasets
from aqa.datasets.reviewed import Reviewed, correct_option, entries_about, key, load_reviewed
from aqa.errors import UserError
from aqa.files import dumps, read_jsonl, write_text
from aqa.prompts.guidelines import missing
from aqa.prompts.pairs import table
from aqa.prompts.polarity import opposite
from aqa.prompts.strategy import POLARITIES
from aqa.records import Question, Sample

HEADER = """\
# Drafts, made from your own files without a model. Read each text: positive and negative must say the same
# with opposite polarity, and `option` must be the one that means correct execution. Write what is null,
# correct what is wrong, set `reviewed: true`, and name this file with --wording.
"""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("missing", "print one JSON line for each text that is missing"),
        ("draft", "write a YAML file to start from, every entry unreviewed"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--dataset", required=True, help="dataset id")
        command.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
        command.add_argument("--wording", type=Path, help="your own reviewed texts, like guidelines.yaml")
        command.add_argument("--log", type=Path, help="log file")
        if name == "draft":
            command.add_argument("--output", type=Path, required=True, help="YAML file; never overwritten")
    command = commands.add_parser("table", help="write all guidelines, both polarities side by side")
    command.add_argument("--output", type=Path, required=True, help="Markdown file")
    command.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Do what the command says."""
    if args.command == "table":
        names = {dataset: datasets.load_metadata(dataset) for dataset in datasets.dataset_ids()}
        write_text(args.output, table({name: (names[name], load_reviewed(name)) for name in names}))
        return
    samples = read_jsonl(args.samples, Sample)
    texts = load_reviewed(args.dataset, args.wording)
    if args.command == "missing":
        for line in lacking(samples, texts):
            print(dumps(line).decode())
        return
    if args.output.exists():
        raise UserError(f"{args.output}: exists; choose another file, so that no approved text is lost")
    content = draft(samples, texts)
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    write_text(args.output, HEADER + body)
    count = sum(len(entries) for part in content.values() for entries in part.values())
    cli.log.info("%s: %d entries to review", args.output, count)


def lacking(samples: Sequence[Sample], texts: Reviewed) -> list[dict[str, str]]:
    """Return every missing text: guidelines of either polarity, and options that mean correct execution."""
    lines = [
        {"kind": f"{text.polarity} guideline"} | {k: v for k, v in text._asdict().items() if k != "polarity"}
        for polarity in POLARITIES
        for text in missing(samples, texts, polarity)
    ]
    for exercise, question in _questions(samples):
        if _lacks_option(exercise, question, texts):
            place = {"exercise": exercise, "item": question.item, "sha256": key(question.text)}
            lines.append({"kind": "correct option", **place, "question": question.text})
    return lines


def draft(samples: Sequence[Sample], texts: Reviewed) -> dict[str, Any]:
    """Return unreviewed entries for what is missing, in the form of `guidelines.yaml`.

    A question that is a positive guideline is turned round by rule (`aqa.prompts.polarity`); of another,
    with an approved correct option, the answer is stated and denied. What no rule can write stays null.
    """
    needed = {
        (text.exercise, text.sha256) for polarity in POLARITIES for text in missing(samples, texts, polarity)
    }
    guidelines: dict[str, list[dict[str, Any]]] = {}
    options: dict[str, list[dict[str, Any]]] = {}
    for exercise, question in _questions(samples):
        about = {"sha256": key(question.text), "text": " ".join(question.text.split())}
        if (exercise, key(question.text)) in needed:
            positive, negative = _pair(exercise, question, texts)
            entry = {**about, "positive": positive, "negative": negative, "reviewed": False}
            guidelines.setdefault(exercise, []).append(entry)
        if _lacks_option(exercise, question, texts):
            choices = f"one of: {', '.join(question.options or ())}"
            entry = {**about, "option": None, "reason": choices, "reviewed": False}
            options.setdefault(exercise, []).append(entry)
    return {"guidelines": guidelines, "correct_options": options}


def _pair(exercise: str, question: Question, texts: Reviewed) -> tuple[str | None, str | None]:
    if texts.positive_is_question:
        positive = " ".join(question.text.split())
        return positive, opposite(positive)
    correct = question.correct or correct_option(texts, exercise, question)
    if correct is None:
        return None, None
    positive = f'The answer to the question "{" ".join(question.text.split())}" should be "{correct}".'
    return positive, positive.replace('" should be "', '" not being "')


def _lacks_option(exercise: str, question: Question, texts: Reviewed) -> bool:
    if question.options is None or question.correct is not None:
        return False
    drafted = any(entry.option for entry in entries_about(texts.correct_options, exercise, question))
    return not drafted and correct_option(texts, exercise, question) is None


def _questions(samples: Iterable[Sample]) -> list[tuple[str, Question]]:
    """Return each question of each exercise once, sorted by exercise and item."""
    found = {
        (sample.exercise, question.item, key(question.text)): question
        for sample in samples
        for question in sample.questions
    }
    unique = {(exercise, digest): question for (exercise, _, digest), question in sorted(found.items())}
    return [(exercise, question) for (exercise, _), question in unique.items()]


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
