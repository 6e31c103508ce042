"""Let a model draft which option of each question means correct execution, for a person to approve."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from aqa import cli, datasets, models
from aqa.config import ModelFile, load_yaml, parse
from aqa.datasets.reviewed import key, load_reviewed
from aqa.errors import UserError
from aqa.files import read_jsonl, write_jsonl, write_text
from aqa.inference import annotation
from aqa.prompts.drafting import Proposal, draft
from aqa.records import Request, Response, Sample
from aqa.scoring.parse import parse as read_answer

HEADER = """\
# Drafts, proposed by the model {model} from the text of the questions alone. Copy this file to a place of
# yours. Read each entry: `option` must be the one that means correct execution, positive and negative must
# say the same with opposite polarity. Write what is null, correct what is wrong, set `reviewed: true`, and
# name your copy in datasets.{dataset}.wording.
"""

LONGEST = 500
"""Characters of a model's reason that are kept."""

_REASON = re.compile(r'"reason"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ask = commands.add_parser("requests", help="write requests.jsonl, for scripts/infer.py to ask")
    ask.set_defaults(work=write_requests)
    collect = commands.add_parser("draft", help="write the answers as a YAML file of unreviewed texts")
    collect.set_defaults(work=write_draft)
    for command in (ask, collect):
        command.add_argument("--dataset", required=True, help="dataset id")
        command.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
        command.add_argument("--wording", type=Path, help="your own reviewed texts, like guidelines.yaml")
        command.add_argument("--model", type=Path, required=True, help="the model's file")
        command.add_argument("--log", type=Path, help="log file")
        command.add_argument(
            "--cell",
            type=Path,
            required=True,
            metavar="FOLDER",
            help="folder of requests.jsonl and responses.jsonl; its last part is the model's id",
        )
    ask.add_argument("--data", type=Path, help="the dataset's folder; needed for data of your own")
    ask.add_argument("--seed", type=int, required=True)
    ask.add_argument(
        "--may-upload", action="store_true", help="the dataset's questions may be sent to a remote model"
    )
    collect.add_argument("--output", type=Path, required=True, help="YAML file; never overwritten")
    return parser.parse_args()


def write_requests(args: argparse.Namespace) -> None:
    """Write one request for each question whose correct option is unknown."""
    model = parse(ModelFile, load_yaml(args.model), str(args.model))
    if model.baseline:
        raise UserError(f"{args.model}: a baseline reads no question; draft with a model")
    backend = models.create(model, models.Context(media=Path(), seed=args.seed), str(args.model))
    if backend.remote and not args.may_upload:
        raise UserError(
            f"{args.cell.name} is a remote model and the terms of {args.dataset} do not allow sending it "
            f"the questions; if you have the right to, set datasets.{args.dataset}.i_may_upload: true"
        )
    dataset = datasets.resolve(args.dataset, args.data)
    requests = annotation.build(
        read_jsonl(args.samples, Sample),
        load_reviewed(args.dataset, args.wording),
        exercises=dataset.metadata.exercises,
        wording=dataset.wording,
        identity=backend.identity(),
        system=model.system,
    )
    write_jsonl(args.cell / "requests.jsonl", requests)
    if not requests:
        cli.log.info("%s: every question has an option that means correct execution", args.dataset)
    cli.log.info("%s: %d questions to ask", args.cell, len(requests))


def write_draft(args: argparse.Namespace) -> None:
    """Write the model's proposals, and what a rule drafts, in the form of `guidelines.yaml`."""
    if args.output.exists():
        raise UserError(f"{args.output}: exists; choose another file, so that no approved text is lost")
    found = proposals(args.cell)
    texts = load_reviewed(args.dataset, args.wording)
    content = draft(read_jsonl(args.samples, Sample), texts, found)
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    title = " ".join(parse(ModelFile, load_yaml(args.model), str(args.model)).title.split())
    write_text(args.output, HEADER.format(model=title, dataset=args.dataset) + body)
    empty = sum(proposal.option is None for proposal in found.values())
    cli.log.info("%s: %d options to review", args.output, len(found))
    if empty:
        cli.log.warning("%s: %d questions got no usable answer; their option is null", args.output, empty)


def proposals(cell: Path) -> Mapping[tuple[str, str], Proposal]:
    """Return what the model answered, by exercise and `key` of the question's text.

    Raises:
        UserError: a file is missing, or they do not fit each other.
    """
    requests = read_jsonl(cell / "requests.jsonl", Request)
    responses = read_jsonl(cell / "responses.jsonl", Response)
    if [request.key for request in requests] != [response.key for response in responses]:
        raise UserError(f"{cell}: responses.jsonl does not answer requests.jsonl; ask again")
    return {
        (request.exercise, key(request.questions[0].text)): proposal(request, response)
        for request, response in zip(requests, responses, strict=True)
    }


def proposal(request: Request, response: Response) -> Proposal:
    """Return the option and the reason that a model gave; an unusable answer proposes nothing."""
    options = f"one of: {', '.join(request.questions[0].options or ())}"
    if response.outcome != "ok":
        return Proposal(None, f"{options} (the request was {response.outcome})")
    option = read_answer(response.text, request.questions)[""]
    if not isinstance(option, str):
        return Proposal(None, f"{options} (the model's answer could not be read)")
    return Proposal(option, _reason(response.text) or f"{options} (the model gave no reason)")


def _reason(text: str) -> str:
    found = _REASON.findall(text)
    try:
        reason = json.loads(found[-1], strict=False) if found else ""
    except ValueError:
        return ""
    return " ".join(reason.encode(errors="replace").decode().split())[:LONGEST]


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: ARGUMENTS.work(ARGUMENTS), ARGUMENTS.log)
