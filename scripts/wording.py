"""The texts that a person has to approve: list what is missing, draft it, print what there is."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from aqa import cli, datasets
from aqa.datasets.reviewed import load_reviewed
from aqa.errors import UserError
from aqa.files import dumps, read_jsonl, write_text
from aqa.prompts.drafting import draft, lacking
from aqa.prompts.pairs import table
from aqa.records import Sample

HEADER = """\
# Drafts, made from your own files without a model. Read each text: positive and negative must say the same
# with opposite polarity, and `option` must be the one that means correct execution. Write what is null,
# correct what is wrong, set `reviewed: true`, and name your copy of this file with --wording.
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


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
