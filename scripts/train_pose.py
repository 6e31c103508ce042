"""Train a small pose network on embedded data of other seeds: blocks of pictures, training, evaluation."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from aqa import cli
from aqa.errors import UserError
from aqa.files import digest_file, write_jsonl
from aqa.training.pose import plan as plans
from aqa.training.progress import reporter
from aqa.training.rounds import claim


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("blocks", "train", "evaluate"))
    parser.add_argument("--plan", type=Path, required=True, help="file that says how the network is trained")
    parser.add_argument("--blocks", type=Path, required=True, help="folder of the blocks of pictures")
    parser.add_argument("--dataset", help="blocks: which dataset's")
    parser.add_argument("--out", type=Path, help="train: folder of checkpoints, which training goes on from")
    parser.add_argument("--steps", type=int, help="train: stop after this step (to go on later)")
    parser.add_argument("--model", type=Path, help="evaluate: the network (.onnx or .safetensors)")
    parser.add_argument("--pictures", type=int, default=400, help="evaluate: at most so many of each dataset")
    parser.add_argument("--done", type=Path, help="file to write at the end (evaluate: the scores, as JSON)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    needed = {"blocks": "dataset", "train": "out", "evaluate": "model"}[args.work]
    if getattr(args, needed) is None:
        parser.error(f"{args.work} needs --{needed}")
    return args


def main(args: argparse.Namespace) -> None:
    """Do one of the three."""
    plan = plans.read_plan(args.plan)
    if args.work == "blocks":
        if args.dataset not in plan.blocks:
            raise UserError(f"--dataset: {args.plan} has no blocks of '{args.dataset}'")
        plans.write_blocks(plan, args.blocks, args.dataset, cli.progress(f"blocks of {args.dataset}"))
        if args.done:
            args.done.write_text(f"{plan.rounds}\n")
    elif args.work == "train":
        train(args, plan)
    else:
        evaluate(args, plan)


def train(args: argparse.Namespace, plan: plans.Plan) -> None:
    """Train to the last step, from where the last run stopped."""
    from aqa.training.pose.network import export_onnx, model

    model(plan.shape, plan.seed)  # says what is missing, in one line, before torch is imported
    import torch

    from aqa.training.pose.trainer import MODEL, trainer

    torch.set_num_threads(1)
    data = claim(plan, args.blocks, args.out)
    blocks = plans.read_blocks(plan, args.blocks, held_out=False)
    training = trainer(plan, blocks, args.out)
    size = sum(p.numel() for p in training.model.parameters())
    cli.log.info("training data: sha256 %s", data)
    cli.log.info(
        "%d pictures, %.2f million parameters; from step %d of %d",
        *(sum(len(block.pictures) for block in blocks), size / 1e6, training.step, plan.recipe.steps),
    )
    training.run(args.out, reporter(plan.recipe.steps), args.steps or plan.recipe.steps)
    export_onnx(args.out / MODEL / "model.onnx", plan.shape, training.averaged, plan.image_size)
    cli.log.info("step %d: %s; %.0f CPU seconds", training.step, training.means, time.process_time())


def evaluate(args: argparse.Namespace, plan: plans.Plan) -> None:
    """Find the joints of held-out pictures and print how near they are."""
    from aqa.training.pose.evaluate import evaluate as compare
    from aqa.training.pose.evaluate import table

    held = plans.read_blocks(plan, args.blocks, held_out=True)
    if not held:
        raise UserError(f"{args.plan}: held_out: no rounds; there is nothing to evaluate on")
    scores = compare(args.model, plan.image_size, held, args.pictures, cli.progress("pictures"))
    cli.log.info("%s (sha256 %s): held-out pictures:\n%s", args.model, digest_file(args.model), table(scores))
    if args.done:
        write_jsonl(args.done, scores)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
