"""Write what models' reasoning states before they answer: numbers, figures and section (section 3.6)."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.section import write_section
from aqa.reporting.traces import BY_RESULT, NAME, quotations, read_traces, traces_section
from aqa.reporting.traces_figure import results_figure, statements_figure
from aqa.scoring.intervals import Resampler
from aqa.scoring.tidy import write_tidy
from aqa.scoring.traces.lexicon import load_lexicon
from aqa.scoring.traces.rates import Rate, rates


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        fromfile_prefix_chars="@",
        epilog="A long list can stand in a file, one argument a line: --cells @cells.txt",
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="cells with responses.jsonl and predictions.csv",
    )
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, metavar="FILE", help="<dataset>/samples.jsonl files"
    )
    parser.add_argument("--limit", type=int, help="most responses of a cell that are read; left out: all")
    parser.add_argument("--seed", type=int, required=True, help="of the responses, quotations and resamples")
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples of an interval")
    parser.add_argument("--output", type=Path, required=True, help="folder of the numbers and the section")
    parser.add_argument("--figures", type=Path, required=True, help="folder of figures")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write all files."""
    labels = load_labels(args.labels)
    found = read_traces(args.cells, args.samples, labels, load_lexicon(), limit=args.limit, seed=args.seed)
    rows = rates(found, Resampler(args.seed, args.resamples))
    write_tidy(args.output / f"{NAME}.csv", Rate, rows)
    statements_figure(rows, labels, args.figures / NAME)
    results_figure(rows, labels, args.figures / BY_RESULT)
    section = traces_section(rows, quotations(found, labels, args.seed), [], labels)
    write_section(args.output / f"{NAME}.json", section)
    cli.log.info("%s: %d responses of %d cells", args.output, sum(map(len, found.values())), len(found))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
