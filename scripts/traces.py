"""Read what models' reasoning states before they answer (paper, section 3.6).

`report` writes numbers, figures and a section of the report. `judge` writes requests.jsonl, which
scripts/infer.py asks a model: one a sentence, to be set beside what the lexicon says (`report --judge`).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from aqa import cli
from aqa.files import write_jsonl
from aqa.grid import Cell
from aqa.reporting.labels import load_labels
from aqa.reporting.section import write_section
from aqa.reporting.traces import BY_RESULT, NAME, quotations, read_traces, traces_section
from aqa.reporting.traces_figure import results_figure, statements_figure
from aqa.reporting.traces_judge import judge_requests, read_judge
from aqa.scoring.intervals import Resampler
from aqa.scoring.tidy import write_tidy
from aqa.scoring.traces.agreement import Agreement
from aqa.scoring.traces.lexicon import load_lexicon
from aqa.scoring.traces.rates import Rate, rates
from aqa.scoring.traces.trace import Trace


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="write numbers, figures and the section")
    report.set_defaults(work=write_report)
    judge = commands.add_parser("judge", help="write requests.jsonl for a judge model")
    judge.set_defaults(work=write_requests)
    for command in (report, judge):
        command.add_argument("--labels", type=Path, required=True, help="labels.json: names and print order")
        command.add_argument(
            *("--cells",),
            **{"type": Path, "nargs": "+", "required": True, "metavar": "FOLDER"},
            help="cells with responses.jsonl and predictions.csv",
        )
        command.add_argument(
            "--samples", type=Path, nargs="+", required=True, metavar="FILE", help="<dataset>/samples.jsonl"
        )
        command.add_argument("--limit", type=int, help="most responses of a cell that are read; default: all")
        command.add_argument("--seed", type=int, required=True, help="of everything that is chosen")
        command.add_argument(
            "--sentences", type=int, default=40, help="most sentences of a cell for the judge"
        )
        command.add_argument("--log", type=Path, help="log file")
    report.add_argument("--resamples", type=int, default=10_000, help="resamples of an interval")
    report.add_argument("--judge", type=Path, metavar="FOLDER", help="the judge's requests and responses")
    report.add_argument("--output", type=Path, required=True, help="folder of the numbers and the section")
    report.add_argument("--figures", type=Path, required=True, help="folder of figures")
    judge.add_argument("--model", type=Path, required=True, help="the judge's file")
    judge.add_argument(
        "--may-upload",
        nargs="*",
        default=[],
        metavar="DATASET",
        help="datasets of which a remote judge may be told what was said",
    )
    judge.add_argument(
        "--cell",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of requests.jsonl; its last part is the judge's id",
    )
    return parser.parse_args()


def read(args: argparse.Namespace) -> Mapping[Cell, Sequence[Trace]]:
    """Read the reasoning of all cells."""
    labels = load_labels(args.labels)
    return read_traces(args.cells, args.samples, labels, load_lexicon(), limit=args.limit, seed=args.seed)


def write_report(args: argparse.Namespace) -> None:
    """Write all files of the analysis."""
    labels, found = load_labels(args.labels), read(args)
    agreement: list[Agreement] = []
    if args.judge is not None:
        agreement = read_judge(args.judge, found, per_cell=args.sentences, seed=args.seed)
        write_tidy(args.output / "traces_judge.csv", Agreement, agreement)
    rows = rates(found, Resampler(args.seed, args.resamples))
    write_tidy(args.output / f"{NAME}.csv", Rate, rows)
    statements_figure(rows, labels, args.figures / NAME)
    results_figure(rows, labels, args.figures / BY_RESULT)
    section = traces_section(rows, quotations(found, labels, args.seed), agreement, labels)
    write_section(args.output / f"{NAME}.json", section)
    cli.log.info("%s: %d responses of %d cells", args.output, sum(map(len, found.values())), len(found))


def write_requests(args: argparse.Namespace) -> None:
    """Write one request for each sentence that the judge is asked about."""
    requests = judge_requests(
        read(args), args.model, per_cell=args.sentences, seed=args.seed, may_upload=args.may_upload
    )
    write_jsonl(args.cell / "requests.jsonl", requests)
    cli.log.info("%s: %d sentences to judge", args.cell, len(requests))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: ARGUMENTS.work(ARGUMENTS), ARGUMENTS.log)
