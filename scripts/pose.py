"""Find the joints of who is judged in a dataset's clips, or gather the manifest from its shards."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from aqa import cli
from aqa.config import Pose
from aqa.errors import UserError
from aqa.files import first_problem, read_ids, read_jsonl, write_jsonl
from aqa.media.poses import Order, Posed, gather, pose_all
from aqa.media.prepare import share
from aqa.media.target import Target
from aqa.pose.devices import device
from aqa.pose.needs import missing
from aqa.pose.subjects import read_subjects
from aqa.records import PoseClip, Sample


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    find = commands.add_parser("find", help="find poses; what is there already is kept")
    find.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    find.add_argument("--only", type=Path, nargs="+", help="files with the ids of the samples, one a line")
    find.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    find.add_argument("--settings", default="{}", help="the section `pose` of the configuration, as JSON")
    find.add_argument("--embedded", action="store_true", help="the data are the embedded benchmark")
    find.add_argument("--subjects", type=Path, help="file that says who is judged, where the choice is wrong")
    find.add_argument("--shard", help="I-of-N: only this share of the sources, to shards/I-of-N.jsonl")
    find.add_argument("--workers", type=int, default=1, help="processes on a CPU, one thread each")
    find.add_argument("--accept-broken", action="store_true", help="list unreadable clips and go on")
    find.add_argument("--folder", type=Path, required=True, help="makes manifest.jsonl in this folder")
    find.add_argument("--log", type=Path, help="file for messages")
    gathering = commands.add_parser("gather", help="write the manifest from the files of all shards")
    gathering.add_argument("--shards", type=Path, nargs="+", required=True, help="the files of all shards")
    gathering.add_argument("--output", type=Path, required=True, help="manifest.jsonl, in the same folder")
    gathering.add_argument("--log", type=Path, help="file for messages")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Do what is asked."""
    if options.command == "gather":
        cli.log.info("%d clips", gather(options.shards, options.output))
        return
    find(options)


def find(options: argparse.Namespace) -> None:
    """Find poses, report what has none, write the shard's lines."""
    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: at least 1 is needed")
    try:
        settings = Pose.model_validate_json(options.settings)
    except ValidationError as error:
        raise UserError(f"--settings: {first_problem(error)}") from error
    if not options.data.is_dir():
        raise UserError(f"{options.data}: the data folder is missing; see the dataset's instructions")
    if lacking := missing(settings, options.data, embedded=options.embedded):
        raise UserError(lacking)
    listed = read_jsonl(options.samples, Sample)
    samples = chosen(listed, options.only)
    picks = {}
    if options.subjects is not None:
        picks = read_subjects(options.subjects, (sample.sample_id for sample in listed))
    output = options.folder / "manifest.jsonl"
    if options.shard is not None:
        samples = share({Target(): samples}, options.shard)[Target()]
        output = options.folder / "shards" / f"{options.shard}.jsonl"
    workers = options.workers
    if settings.backend != "precomputed" and device(settings) == "cuda":
        workers = 1  # One process feeds a GPU; several would each hold the network.
    posed = pose_all(
        samples, Order(options.data, options.folder, settings, picks), workers, cli.progress("poses")
    )
    report(posed, samples, accept=options.accept_broken)
    write_jsonl(output, posed.clips)
    ready = sum(clip.error is None for clip in posed.clips)
    cli.log.info("%d clips have poses: %d made, %d were there", ready, posed.made, ready - posed.made)


def chosen(listed: Sequence[Sample], only: Sequence[Path] | None) -> list[Sample]:
    """Return the samples whose ids are in the files `only` (None: all)."""
    if only is None:
        return list(listed)
    known = {sample.sample_id for sample in listed}
    ids: set[str] = set()
    for path in only:
        wanted = set(read_ids(path))
        if unknown := sorted(wanted - known):
            raise UserError(f"{path}: no sample '{unknown[0]}'; {len(unknown)} such ids")
        ids |= wanted
    return [sample for sample in listed if sample.sample_id in ids]


def report(posed: Posed, samples: Sequence[Sample], *, accept: bool) -> None:
    """Name the clips without poses and those that a person should look at.

    Raises:
        UserError: a source cannot be read and that is not accepted.
    """
    paths = {sample.sample_id: sample.media.path for sample in samples}

    def listed(clips: Sequence[PoseClip]) -> str:
        return "".join(f"\n  {clip.sample_id} ({paths[clip.sample_id]}): {clip.error}" for clip in clips)

    if posed.without:
        cli.log.warning(
            "%d of %d clips have no poses:%s", len(posed.without), len(posed.clips), listed(posed.without)
        )
    unsure = [clip for clip in posed.clips if clip.low_margin]
    for clip in unsure:
        cli.log.warning(
            "%s (%s): who is judged is not clear (margin %.2f); look at it, and say who in subjects.yaml",
            *(clip.sample_id, paths[clip.sample_id], clip.margin),
        )
    if not posed.unreadable:
        return
    text = f"{len(posed.unreadable)} of {len(posed.clips)} clips cannot be read:{listed(posed.unreadable)}"
    if not accept:
        raise UserError(
            f"{text}\nMend these files and run again (the other poses are kept), or accept the loss with "
            "`accept_broken_clips: true` in the dataset's configuration."
        )
    cli.log.warning("%s", text)


if __name__ == "__main__":
    parsed = arguments()
    cli.run(lambda: main(parsed), parsed.log)
