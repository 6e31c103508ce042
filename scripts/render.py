"""Render the requests of the cells that share a dataset and a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aqa import cli, datasets, models, profiles, prompts
from aqa.config import REPRESENTATIONS, TASKS, ModelFile, load_yaml, parse
from aqa.datasets.reviewed import Reviewed, load_reviewed
from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl, write_jsonl
from aqa.grid import Cell
from aqa.inference import comparisons, requests
from aqa.inference.drafts import write_drafts
from aqa.records import Clip, Examples, Pair, Sample


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="dataset id")
    parser.add_argument("--data", type=Path, help="the dataset's folder; needed for data of your own")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument(
        "--evaluated",
        type=Path,
        nargs="+",
        required=True,
        help="ids of the samples to ask about: a file for all cells, or one a cell",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        nargs="+",
        required=True,
        help="media manifests, .../<representation>/<profile>/manifest.jsonl: those that the cells show",
    )
    parser.add_argument("--media", type=Path, required=True, help="folder of all media")
    parser.add_argument("--model", type=Path, required=True, help="the model's file")
    parser.add_argument("--poses", type=Path, help="manifest of the poses, for a model that judges by them")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--examples", type=Path, help="examples.jsonl, for strategies that show examples")
    parser.add_argument("--pairs", type=Path, help="pairs.jsonl, for cells that compare")
    parser.add_argument("--pairs-report", type=Path, help="pairs_report.json, which lists unapproved texts")
    parser.add_argument("--wording", type=Path, help="your own reviewed texts, like guidelines.yaml")
    parser.add_argument("--allow-draft", action="store_true", help="use texts that nobody has approved")
    parser.add_argument("--cells", type=Path, nargs="+", required=True, help="folders of the cells")
    parser.add_argument(
        "--repeats",
        type=int,
        nargs="+",
        metavar="N",
        help="how often each request is asked: one number, or one a cell; left out: once",
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write `requests.jsonl` into every cell's folder, and `drafts.json`, which lists unapproved texts."""
    samples = read_jsonl(args.samples, Sample)
    orders = _orders(args)
    model = parse(ModelFile, load_yaml(args.model), str(args.model))
    context = models.Context(media=args.media, seed=args.seed, training=samples, poses=args.poses)
    dataset = datasets.resolve(args.dataset, args.data)
    seen = _seen(args, orders, samples, model)
    texts = load_reviewed(args.dataset, args.wording)
    pairs = read_jsonl(args.pairs, Pair) if args.pairs is not None else None
    paired_by = _drafts_of_pairs(args.pairs_report)
    common = {
        "exercises": dataset.metadata.exercises,
        "wording": dataset.wording,
        "identity": models.create(model, context, str(args.model)).identity(),
        "system": model.system,
    }
    by_id = {sample.sample_id: sample for sample in samples}
    for folder, cell, ids, repeats in orders:
        clips, examples = seen[cell.representation]
        how = {**common, "strategy": cell.strategy, "representation": cell.representation}
        if cell.task == "compare":
            if pairs is None:
                raise UserError(f"{folder}: compares pairs; give --pairs")
            drafts = paired_by
            rendered = comparisons.build([pair for pair in pairs if pair.anchor in ids], by_id, clips, **how)
        else:
            mine = [sample for sample in samples if sample.sample_id in ids]
            drafts = _drafts(cell.strategy, mine, texts, allow=args.allow_draft)
            rendered = requests.build(mine, clips, texts=texts, examples=examples, **how)
        if repeats > 1 and (why := models.deterministic(model)):
            cli.log.warning("%s: asked %d times, but %s: the answers will not differ", folder, repeats, why)
        rendered = requests.repeated(rendered, repeats)
        write_jsonl(folder / "requests.jsonl", rendered)
        write_drafts(folder, drafts)
        cli.log.info("%s: %d requests", folder, len(rendered))
        if drafts:
            cli.log.warning("%s: %d text(s) are drafts that nobody has approved", folder, len(drafts))


class _Order(NamedTuple):
    """What is asked in a cell: the samples' ids (of a pair: its anchor's), and how often."""

    folder: Path
    cell: Cell
    ids: frozenset[str]
    repeats: int


def _orders(args: argparse.Namespace) -> list[_Order]:
    """Return what is asked in each cell."""
    repeats = args.repeats or [1]
    repeats = repeats * len(args.cells) if len(repeats) == 1 else repeats
    if len(repeats) != len(args.cells) or min(repeats) < 1:
        raise UserError("--repeats: give one number above 0, or one a cell")
    files = args.evaluated * len(args.cells) if len(args.evaluated) == 1 else args.evaluated
    if len(files) != len(args.cells):
        raise UserError("--evaluated: give one file, or one a cell")
    ids = {file: frozenset(read_ids(file)) for file in files}
    return [
        _Order(folder, _cell(folder), ids[file], often)
        for folder, file, often in zip(args.cells, files, repeats, strict=True)
    ]


class _Seen(NamedTuple):
    """What cells of one representation show: the clip of each sample, and, where listed, its examples."""

    clips: dict[str, Clip]
    examples: requests.Shown | None


def _seen(
    args: argparse.Namespace, orders: Sequence[_Order], samples: Sequence[Sample], model: ModelFile
) -> dict[str, _Seen]:
    """Return what the cells of each representation show."""
    chosen = read_jsonl(args.examples, Examples) if args.examples is not None else None
    seen = {}
    for representation in dict.fromkeys(order.cell.representation for order in orders):
        ids = [o.ids for o in orders if o.cell.task == "judge" and o.cell.representation == representation]
        judged = frozenset[str]().union(*ids)
        asked = [sample for sample in samples if sample.sample_id in judged]
        clips = _clips(args, representation, samples, model)
        if missing := [sample.sample_id for sample in asked if sample.sample_id not in clips]:
            raise UserError(
                f"{representation}: the manifests have no clip for {len(missing)} samples,"
                f" the first {missing[0]}"
            )
        shown = None if chosen is None else requests.with_examples(asked, samples, clips, chosen)
        seen[representation] = _Seen(clips, shown)
    return seen


def _clips(
    args: argparse.Namespace, representation: str, samples: Sequence[Sample], model: ModelFile
) -> dict[str, Clip]:
    """Return the clip of each sample in the media profile that the model sees of its exercise."""
    exercises = {sample.sample_id: sample.exercise for sample in samples}
    manifests = [manifest for manifest in args.manifest if manifest.parent.parent.name == representation]
    clips = {}
    for manifest in manifests:
        profile = manifest.parent.name
        folder = manifest.parent.relative_to(args.media).as_posix()
        for clip in requests.placed(read_jsonl(manifest, Clip), folder):
            exercise = exercises.get(clip.sample_id, "")
            if len(manifests) == 1 or profiles.resolve(model.profile, args.dataset, exercise) == profile:
                clips[clip.sample_id] = clip
    return clips


def _cell(folder: Path) -> Cell:
    cell = Cell(*folder.parts[-5:])
    if cell.task not in TASKS or cell.representation not in REPRESENTATIONS:
        raise UserError(
            f"{folder}: no cell; its folder ends with <dataset>/<task>/<representation>/<strategy>/<model>"
        )
    return cell


def _drafts(strategy: str, asked: Sequence[Sample], texts: Reviewed, *, allow: bool) -> list[dict[str, Any]]:
    """Check the guidelines that a strategy needs; return those that nobody has approved, if allowed."""
    polarity = prompts.load_strategy(strategy).guidelines
    drafts = prompts.require(asked, texts, polarity, allow_draft=allow) if polarity else []
    return [draft._asdict() for draft in drafts]


def _drafts_of_pairs(report: Path | None) -> list[dict[str, Any]]:
    """Return the rephrased questions that nobody has approved and that pairs were made with."""
    if report is None:
        return []
    found = load_yaml(report)
    try:
        return [dict(text) for text in found["lacking_texts"] if text["state"] == "draft"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{report}: no report on pairs ({error}); make the pairs again") from None


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
