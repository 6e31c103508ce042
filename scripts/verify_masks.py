"""Verify that the clips that models receive hide the truth, and stop the cells of a dataset that do not."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.config import REPRESENTATIONS
from aqa.errors import UserError
from aqa.files import digest_file, read_jsonl, write_json, write_text
from aqa.masking.reader import Reader, find_reader
from aqa.masking.verdicts import Verification, load_verification, require
from aqa.masking.verify import Check, Job, Stored, verify
from aqa.media.masks import Masks, load_masks
from aqa.media.prepare import inside
from aqa.records import Clip, Sample
from aqa.workers import run_jobs


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    read = commands.add_parser("read", help="look at every clip and write a verdict for each")
    read.add_argument("--dataset", required=True, help="dataset id")
    read.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    read.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    read.add_argument("--masks", type=Path, required=True, help="the reviewed boxes")
    read.add_argument(
        "--manifest",
        type=Path,
        nargs="+",
        required=True,
        help="media manifests, .../<representation>/<profile>/manifest.jsonl",
    )
    read.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    read.add_argument("--output", type=Path, required=True, help="verification.json")
    stop = commands.add_parser("require", help="fail unless every clip passed, is inconclusive, or accepted")
    stop.add_argument("--verification", type=Path, required=True, help="verification.json")
    stop.add_argument("--accept", nargs="*", default=[], help="samples whose failed clips are accepted")
    stop.add_argument("--output", type=Path, required=True, help="a file that says that cells may run")
    for command in (read, stop):
        command.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    {"read": read_clips, "require": let_through}[args.command](args)


def read_clips(args: argparse.Namespace) -> None:
    """Write a verdict for each sample that has a clip."""
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1 is needed")
    samples = read_jsonl(args.samples, Sample)
    masks = load_masks(args.masks)
    clips = stored_clips(args.manifest)
    shown = [sample for sample in samples if sample.sample_id in clips]
    masks.check(
        {sample.media.path for sample in shown}, {sample.media.path for sample in samples}, str(args.masks)
    )
    reader = find_reader()
    verdicts = [
        verdict
        for group in run_jobs(verify, jobs(shown, clips, masks, args.data, reader), args.workers, "verified")
        for verdict in group
    ]
    verification = Verification(
        dataset=args.dataset,
        masks_sha256=digest_file(args.masks),
        by=masks.by,
        reader=None if reader is None else reader.name,
        clips=tuple(sorted("/".join(path.parts[-3:-1]) for path in args.manifest)),
        verdicts=tuple(sorted(verdicts, key=lambda verdict: verdict.sample_id)),
    )
    write_json(args.output, verification)
    cli.log.info("%s: %s", args.dataset, verification.sentence(()))


def stored_clips(manifests: list[Path]) -> dict[str, list[Stored]]:
    """Return the clips of each sample that models receive, those that show no pixel of the source apart."""
    clips: dict[str, list[Stored]] = {}
    for manifest in manifests:
        representation, profile = manifest.parts[-3:-1] if len(manifest.parts) > 3 else ("", "")
        if representation not in REPRESENTATIONS:
            raise UserError(f"{manifest}: does not end with <representation>/<profile>/manifest.jsonl")
        if representation == "skeleton_only":
            continue
        for clip in read_jsonl(manifest, Clip):
            if clip.file is not None:
                stored = Stored(manifest.parent, representation, profile, clip)  # type: ignore[arg-type]
                clips.setdefault(clip.sample_id, []).append(stored)
    return clips


def jobs(
    samples: list[Sample],
    clips: dict[str, list[Stored]],
    masks: Masks,
    data: Path,
    reader: Reader | None,
) -> list[Job]:
    """Return one job a source."""
    sources: dict[str, list[Sample]] = {}
    for sample in samples:
        sources.setdefault(sample.media.path, []).append(sample)
    return [
        Job(
            path=inside(data, cut[0]),
            kind=cut[0].media.kind,
            fps=cut[0].media.fps,
            boxes=masks.sources[source],
            checks=tuple(
                Check(sample.sample_id, sample.media.start_s or 0.0, tuple(clips[sample.sample_id]))
                for sample in cut
            ),
            reader=reader,
        )
        for source, cut in sorted(sources.items())
    ]


def let_through(args: argparse.Namespace) -> None:
    """Write the file that the cells wait for, unless a clip failed."""
    verification = load_verification(args.verification)
    accepted = require(verification, args.accept, str(args.verification))
    for name in accepted:
        cli.log.warning("%s: %s failed the verification and is accepted", verification.dataset, name)
    write_text(args.output, "".join(f"accepted {name}\n" for name in accepted) or "verified\n")


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
