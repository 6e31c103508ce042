"""Write how predictions are distributed beside the truth: numbers, figures and section.

Of the cells with task judge, original media and the base prompt; others are passed over. Writes
distributions_options and distributions_scores (.csv; .pdf, .svg and .png) and distributions.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.distributions import OPTIONS, SCORES, distributions_section, read_shown
from aqa.reporting.distributions_figure import options_figure, scores_figure
from aqa.reporting.labels import load_labels
from aqa.reporting.section import write_section
from aqa.scoring.distributions import OptionShare, ScoreShape
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        fromfile_prefix_chars="@",
        epilog="A long list can stand in a file, one argument a line: --cells @cells.txt",
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells", type=Path, nargs="+", required=True, metavar="FOLDER", help="cells with predictions.csv"
    )
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, metavar="FILE", help="<dataset>/samples.jsonl files"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the numbers and the section")
    parser.add_argument("--figures", type=Path, required=True, help="folder of figures")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write all files."""
    labels = load_labels(args.labels)
    shown = read_shown(args.cells, args.samples, labels)
    shares = [share for part in shown.options.values() for share in part]
    write_tidy(args.output / f"{OPTIONS}.csv", OptionShare, shares)
    write_tidy(args.output / f"{SCORES}.csv", ScoreShape, shown.shapes.values())
    options_figure(shown, labels, args.figures / OPTIONS)
    scores_figure(shown, labels, args.figures / SCORES)
    write_section(args.output / "distributions.json", distributions_section(shown, labels))
    cli.log.info("%s: %d cells", args.output, len(shown.options) + len(shown.shapes))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
