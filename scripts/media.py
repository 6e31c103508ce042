"""Prepare the clips of a dataset's samples: every target's manifest, each source decoded once."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl
from aqa.media.gather import write_manifests, write_shard
from aqa.media.masks import load_masks
from aqa.media.prepare import Order, Prepared, Samples, prepare, share
from aqa.media.target import Target, check_targets, read_target, wanted
from aqa.records import PoseClip, Sample


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    parser.add_argument(
        "--target",
        nargs="+",
        required=True,
        help="each as JSON: representation, name and profile (fps, max_frames, scale), only (files with "
        "sample ids, one a line), exercises",
    )
    parser.add_argument("--split", choices=("test", "train", "all"), default="test", help="which samples")
    parser.add_argument("--masks", type=Path, help="reviewed boxes that are filled before anything else")
    parser.add_argument("--poses", type=Path, help="manifest.jsonl of the pose stage")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode, one thread each")
    parser.add_argument("--accept-broken", action="store_true", help="list broken clips and go on")
    parser.add_argument("--shard", help="I-of-N: only this share of the sources, to shards/I-of-N.jsonl")
    parser.add_argument(
        "--media", type=Path, required=True, help="folder of the dataset's clips: REPRESENTATION/NAME/..."
    )
    parser.add_argument("--log", type=Path, help="file for messages")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Prepare, report what is broken, write the manifests."""
    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: at least 1 is needed")
    if not options.data.is_dir():
        raise UserError(f"{options.data}: the data folder is missing; see the dataset's instructions")
    targets = [read_target(text) for text in options.target]
    check_targets(targets)
    listed = read_jsonl(options.samples, Sample)
    samples = chosen(listed, targets, options.split)
    order = order_of(options, listed, samples)
    if options.shard is not None:
        samples = share(samples, options.shard)
    prepared = prepare(samples, order, options.workers, cli.progress("clips"))
    if prepared.broken:
        report(prepared, listed, accept=options.accept_broken)
    if options.shard is None:
        write_manifests(options.media, prepared.clips)
    else:
        write_shard(options.media / "shards" / f"{options.shard}.jsonl", prepared.clips)
    ready = prepared.total - len(prepared.broken)
    cli.log.info("%d clips ready: %d made, %d were there", ready, prepared.made, ready - prepared.made)


def chosen(listed: list[Sample], targets: list[Target], split: str) -> Samples:
    """Return the samples of each target, of one split (`all`: of every split)."""
    kept = [sample for sample in listed if split in ("all", sample.split)]
    known = {sample.sample_id for sample in kept}
    files = {file for target in targets for file in target.only or ()}
    ids = {file: known_ids(Path(file), known, split) for file in files}
    return {
        target: wanted(
            target,
            kept,
            None if target.only is None else frozenset().union(*(ids[file] for file in target.only)),
        )
        for target in targets
    }


def known_ids(path: Path, known: set[str], split: str) -> frozenset[str]:
    """Return the ids that a file lists; each must be known."""
    listed = frozenset(read_ids(path))
    if unknown := sorted(listed - known):
        raise UserError(f"{path}: no sample '{unknown[0]}' in split {split}; {len(unknown)} such ids")
    return listed


def order_of(options: argparse.Namespace, listed: list[Sample], samples: Samples) -> Order:
    """Return what to prepare from, with masks and poses where there are some."""
    boxes = {}
    if options.masks is not None:
        masks = load_masks(options.masks)
        shown = {sample.media.path for some in samples.values() for sample in some}
        masks.check(shown, {sample.media.path for sample in listed}, str(options.masks))
        boxes = masks.sources
    if options.poses is None:
        if posed := next((target for target in samples if target.posed), None):
            raise UserError(f"--target {posed.path}: needs --poses, the manifest of the pose stage")
        return Order(options.data, options.media, boxes)
    poses = {clip.sample_id: clip for clip in read_jsonl(options.poses, PoseClip)}
    return Order(options.data, options.media, boxes, poses, options.poses.parent)


def report(prepared: Prepared, samples: list[Sample], *, accept: bool) -> None:
    """Name every broken clip with its cause, each cause once for the targets that share it.

    Raises:
        UserError: there are some and they are not accepted.
    """
    paths = {sample.sample_id: sample.media.path for sample in samples}
    targets: dict[tuple[str, str], list[str]] = {}
    for target, clip in prepared.broken:
        targets.setdefault((clip.sample_id, str(clip.error)), []).append(target.path)
    several = len(prepared.clips) > 1
    text = f"{len(prepared.broken)} of {prepared.total} clips could not be prepared:"
    for (name, error), places in sorted(targets.items()):
        text += f"\n  {name} ({paths[name]}){' ' + ', '.join(places) if several else ''}: {error}"
    if not accept:
        raise UserError(
            f"{text}\nMend these files and run again (the other clips are kept), or accept the loss with "
            "`accept_broken_clips: true` in the dataset's configuration."
        )
    cli.log.warning("%s\nAccepted: these samples are not asked.", text)


if __name__ == "__main__":
    parsed = arguments()
    cli.run(lambda: main(parsed), parsed.log)
