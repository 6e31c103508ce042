"""Ask a model everything that its cells still lack, and write their responses.

Stop it at any time, by any means: what was answered is in the journals, and the next run asks only the
rest. Exit status: 0 all cells are complete, 1 something is to be mended (one line says what), 130 or
143 after SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aqa import cli
from aqa.inference.interrupt import Interrupted
from aqa.inference.lease import STALE_AFTER_S
from aqa.inference.ledger import Caps
from aqa.inference.scheduler import Limits
from aqa.inference.session import Plan, run


def arguments(values: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    limits = Limits()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-id", required=True, help="id of the model: the last part of its cells")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.yaml", help="the model's file")
    parser.add_argument(
        "--cells", type=Path, nargs="+", required=True, metavar="FOLDER", help="cells, with requests.jsonl"
    )
    parser.add_argument("--journals", type=Path, required=True, metavar="FOLDER", help="all journals")
    parser.add_argument("--media", type=Path, required=True, metavar="FOLDER", help="all prepared media")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--samples", type=Path, nargs="*", default=[], metavar="FILE", help="what a baseline learns from"
    )
    parser.add_argument("--poses", type=Path, metavar="FILE", help="manifest of the poses that it judges by")
    parser.add_argument(
        "--pairs", type=Path, nargs="*", default=[], metavar="FILE", help="pairs whose truth it reads"
    )
    parser.add_argument("--accept-failed", type=_share, default=0.0, metavar="SHARE", help="0 to 1")
    parser.add_argument(
        "--ask-rejected",
        action="store_true",
        help="ask again what the provider rejected, for example after "
        "mending the server's limits; other answers are never asked again",
    )
    parser.add_argument("--max-cost-usd", type=_positive, metavar="USD", help="cap of a paid account")
    parser.add_argument("--max-requests", type=_count, metavar="N", help="cap of a remote account")
    parser.add_argument("--refuse", metavar="WHY", help="send nothing, and say why, if anything is missing")
    parser.add_argument("--attempts", type=_count, default=limits.attempts, help="of each request")
    parser.add_argument("--deadline", type=_positive, default=limits.deadline_s, metavar="SECONDS")
    parser.add_argument(
        "--stale-after",
        type=_positive,
        default=STALE_AFTER_S,
        metavar="SECONDS",
        help="silence after which a session on another host counts as dead",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="write messages to this file too")
    return parser.parse_args(values)


def main(values: list[str] | None = None) -> None:
    """Run one session and exit with its status."""
    chosen = arguments(values)
    plan = Plan(
        model_id=chosen.model_id,
        model_file=chosen.model,
        cells=chosen.cells,
        journals=chosen.journals,
        media=chosen.media,
        seed=chosen.seed,
        samples=chosen.samples,
        poses=chosen.poses,
        pairs=chosen.pairs,
        accept_failed=chosen.accept_failed,
        ask_rejected=chosen.ask_rejected,
        refuse=chosen.refuse,
        stale_after_s=chosen.stale_after,
        caps=Caps(chosen.max_cost_usd, chosen.max_requests),
        limits=Limits(attempts=chosen.attempts, deadline_s=chosen.deadline),
    )
    cli.run(lambda: _session(plan), chosen.log)


def _session(plan: Plan) -> None:
    try:
        run(plan)
    except Interrupted as stop:
        cli.log.error("%s", stop)
        sys.exit(stop.status)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


if __name__ == "__main__":
    main()
