"""Train a small Qwen3-VL on embedded data of other seeds: blocks of data, training, evaluation."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from aqa import cli
from aqa.errors import UserError, lacking
from aqa.files import write_jsonl
from aqa.training import recipe
from aqa.training.corpus import Course
from aqa.training.progress import reporter
from aqa.training.rounds import FIRST_SEED, claim


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("blocks", "train", "evaluate"))
    parser.add_argument("--plan", type=Path, required=True, help="file that says how the model is trained")
    parser.add_argument("--blocks", type=Path, required=True, help="folder of the blocks of data")
    parser.add_argument("--dataset", help="blocks: which dataset's; evaluate: only this one")
    parser.add_argument("--out", type=Path, help="train: folder of checkpoints, which training goes on from")
    parser.add_argument("--steps", type=int, help="train: stop after this step (to go on later)")
    parser.add_argument("--model", type=Path, help="evaluate: folder of the model")
    parser.add_argument(
        "--samples", type=int, default=24, help="evaluate: of each cell; four times so of base"
    )
    parser.add_argument("--done", type=Path, help="file to write at the end (evaluate: the scores, as JSON)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    needed = {"blocks": "dataset", "train": "out", "evaluate": "model"}[args.work]
    if getattr(args, needed) is None:
        parser.error(f"{args.work} needs --{needed}")
    return args


def main(args: argparse.Namespace) -> None:
    """Do one of the three."""
    plan = recipe.read_plan(args.plan)
    if args.work == "blocks":
        if args.dataset not in plan.blocks:
            raise UserError(f"--dataset: {args.plan} has no blocks of '{args.dataset}'")
        recipe.write_blocks(plan, args.blocks, args.dataset, cli.progress(f"blocks of {args.dataset}"))
        if args.done:
            args.done.write_text(f"{plan.rounds}\n")
    elif args.work == "train":
        train(args, plan)
    else:
        evaluate(args, plan)


def train(args: argparse.Namespace, plan: recipe.Plan) -> None:
    """Train to the last step, from where the last run stopped."""
    needs()
    data = claim(plan, args.blocks, args.out)
    taught, _ = recipe.courses(plan, args.blocks)
    recipe.untrained(plan, args.out / "init", taught)
    cli.log.info("training data: sha256 %s", data)
    if plan.processes == 1:
        train_one(0, args, plan, taught=taught)
        return
    import torch

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    with tempfile.TemporaryDirectory() as folder:
        place = f"file://{folder}/meeting"
        torch.multiprocessing.spawn(train_one, (args, plan, place), nprocs=plan.processes)


def needs() -> None:
    """Say in one line what is not installed."""
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise lacking("training a model", error, "transformers") from error


def train_one(
    rank: int,
    args: argparse.Namespace,
    plan: recipe.Plan,
    place: str | None = None,
    taught: Course | None = None,
) -> None:
    """Train as one of several processes that meet at `place`; the first one writes and reports."""
    import torch

    torch.set_num_threads(1)
    if place is not None:
        torch.distributed.init_process_group("gloo", place, rank=rank, world_size=plan.processes)
        cli.setup(args.log if rank == 0 else None, again=True)
    if taught is None:
        taught, _ = recipe.courses(plan, args.blocks)
    trainer = recipe.trainer(plan, taught, args.out, rank)
    last = args.steps or plan.recipe.steps
    if rank:
        trainer.run(args.out, lambda _now, _seconds: None, last)
        return
    cli.log.info("%d clips; from step %d of %d", len(taught.shown), trainer.step, plan.recipe.steps)
    trainer.run(args.out, reporter(plan.recipe.steps), last)
    cli.log.info("step %d: %s", trainer.step, trainer.means)


def evaluate(args: argparse.Namespace, plan: recipe.Plan) -> None:
    """Ask a model about held-out clips and print what each cell scores."""
    from aqa.training.evaluate import evaluate as ask
    from aqa.training.evaluate import plan as cells
    from aqa.training.evaluate import table

    _, held = recipe.courses(plan, args.blocks)
    if not held.shown:
        raise UserError(f"{args.plan}: held_out: no rounds; there is nothing to evaluate on")
    asked = cells(held, args.samples, 4 * args.samples)
    if args.dataset is not None:
        asked = [one for one in asked if one.cell[0] == args.dataset]
    scores = ask(args.model, held, asked, 160, cli.progress("questions"))
    cli.log.info("held-out clips (seeds from %d on):\n%s", FIRST_SEED, table(scores))
    if args.done:
        write_jsonl(args.done, scores)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
