"""Pair the evaluated samples for the compare task; `pairs.py draft` drafts the texts that this needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from aqa import cli, datasets
from aqa.datasets.contrastive import FILE, Contrastive, draft, load_contrastive
from aqa.datasets.pairs import Lacking, Pairing, make_pairs
from aqa.datasets.reviewed import load_reviewed, with_correct
from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl, write_json, write_jsonl, write_text
from aqa.records import Sample


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.set_defaults(work=pair)
    _shared(parser)
    parser.add_argument("--evaluated", type=Path, required=True, help="ids of the samples to ask about")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--wording", type=Path, help="your own reviewed texts, like guidelines.yaml")
    parser.add_argument(
        "--per-anchor",
        choices=["one", "all"],
        default="one",
        help="one pair a sample (default), or one for each of its questions",
    )
    parser.add_argument("--allow-draft", action="store_true", help="use texts that nobody has approved")
    parser.add_argument("--output", type=Path, required=True, help="pairs.jsonl")
    parser.add_argument("--report", type=Path, help="what was paired; left out: pairs_report.json beside it")
    parser.add_argument("--media-list", type=Path, help="file for the ids of the samples in the pairs")
    return parser.parse_args(words)


def draft_arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line of `pairs.py draft`."""
    parser = argparse.ArgumentParser(
        prog="pairs.py draft",
        description="Draft the rephrased questions that a dataset lacks, for a person to approve.",
    )
    parser.set_defaults(work=write_drafts)
    _shared(parser)
    parser.add_argument("--output", type=Path, required=True, help="contrastive.yaml to write")
    return parser.parse_args(words)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="dataset id")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--data", type=Path, help="the dataset's folder; needed for data of your own")
    parser.add_argument(
        "--texts",
        type=Path,
        nargs="+",
        default=[],
        help=f"your own rephrased questions, like {FILE}; one in the folder --data is read as well",
    )
    parser.add_argument("--log", type=Path, help="log file")


def _contrastive(args: argparse.Namespace) -> Contrastive | None:
    beside = [args.data / FILE] if args.data is not None and (args.data / FILE).is_file() else []
    return load_contrastive(args.dataset, [*args.texts, *beside])


def pair(args: argparse.Namespace) -> None:
    """Write the pairs, the report and the list of samples whose clips they need."""
    metadata = datasets.resolve(args.dataset, args.data).metadata
    texts = load_reviewed(args.dataset, args.wording)
    samples = with_correct(read_jsonl(args.samples, Sample), texts)
    anchors = read_ids(args.evaluated)
    pairing = make_pairs(
        samples,
        anchors,
        split=metadata.evaluated_split,
        seed=args.seed,
        contrastive=_contrastive(args),
        per_anchor=args.per_anchor,
        drafts=args.allow_draft,
    )
    if pairing.lacking and not args.allow_draft:
        raise UserError(_unapproved(args, pairing.lacking.values()))
    if not pairing.pairs:
        reasons = "; ".join(f"{len(alone)}: {reason}" for reason, alone in pairing.alone.items())
        raise UserError(f"{args.dataset}: no sample can be compared with another ({reasons})")
    outside = set(pairing.media()) - set(anchors)
    write_json(
        args.report or args.output.with_name("pairs_report.json"),
        {
            "dataset": args.dataset,
            "seed": args.seed,
            "per_anchor": args.per_anchor,
            "anchors": len(anchors),
            "pairs": len(pairing.pairs),
            "without_partner": pairing.alone,
            "n_without_partner": sum(map(len, pairing.alone.values())),
            "partners_not_evaluated": sorted(outside),
            "draft": bool(pairing.lacking),
            "lacking_texts": [
                {"exercise": text.exercise, "question": text.question.text, "state": text.state}
                for text in pairing.lacking.values()
            ],
        },
    )
    if args.media_list is not None:
        write_text(args.media_list, "".join(f"{name}\n" for name in pairing.media()))
    write_jsonl(args.output, pairing.pairs)
    _say(args.dataset, pairing, len(anchors), len(outside))


def _say(dataset: str, pairing: Pairing, n_anchors: int, n_outside: int) -> None:
    cli.log.info(
        "%s: %d pairs of %d samples; %d partners are not asked about otherwise",
        dataset,
        len(pairing.pairs),
        n_anchors,
        n_outside,
    )
    for reason, alone in pairing.alone.items():
        cli.log.warning("%s: %d samples have no pair: %s (first: %s)", dataset, len(alone), reason, alone[0])
    for text in pairing.lacking.values():
        cli.log.warning("%s: %s text: %s: %s", dataset, text.state, text.exercise, text.question.text)


def _unapproved(args: argparse.Namespace, lacking: Iterable[Lacking]) -> str:
    listed = "\n".join(f"  {text.state}: {text.exercise}: {text.question.text}" for text in lacking)
    return (
        f"{args.dataset}: these questions have no approved rephrased text:\n{listed}\n"
        f"draft what is missing with:  pairs.py draft --dataset {args.dataset} --samples {args.samples} "
        "--output FILE;  correct and approve it (reviewed: true) and give it as --texts FILE or put it as "
        "contrastive.yaml into the dataset's folder; or run with "
        "--allow-draft, which uses drafts and leaves out what is missing"
    )


def write_drafts(args: argparse.Namespace) -> None:
    """Write a draft for every question of the evaluated split that has no rephrased text."""
    metadata = datasets.resolve(args.dataset, args.data).metadata
    if args.output.exists():
        raise UserError(f"{args.output}: exists, and may hold approved texts; name another file")
    known = _contrastive(args)
    found = {}
    for sample in read_jsonl(args.samples, Sample):
        for question in sample.questions if sample.split == metadata.evaluated_split else ():
            written = known is not None and known.find(sample.exercise, question) is not None
            if question.options is not None and not written:
                found[sample.exercise, question.text] = (sample.exercise, question)
    texts = [
        draft(exercise, question, metadata.media).model_dump(mode="json")
        for exercise, question in found.values()
    ]
    header = (
        "# Drafts: correct rephrased, first_option, other_options and boundary, then set reviewed: true.\n"
    )
    write_text(args.output, header + yaml.safe_dump({"texts": texts}, sort_keys=False, allow_unicode=True))
    cli.log.info("%s: %d drafts in %s", args.dataset, len(texts), args.output)


if __name__ == "__main__":
    WORDS = sys.argv[1:]
    ARGUMENTS = draft_arguments(WORDS[1:]) if WORDS[:1] == ["draft"] else arguments(WORDS)
    cli.run(lambda: ARGUMENTS.work(ARGUMENTS), ARGUMENTS.log)
