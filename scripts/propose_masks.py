"""Propose boxes that hide what shows the truth in a dataset's pictures, for a person to review."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli, datasets
from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl, write_text
from aqa.masking.propose import Job, Proposal, propose
from aqa.masking.reader import Reader, find_reader
from aqa.masking.sheet import contact_sheet, proposal_file
from aqa.media.prepare import inside
from aqa.records import Sample
from aqa.workers import run_jobs


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="dataset id")
    parser.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument(
        "--only", type=Path, nargs="+", help="files with the ids of the samples to look at, one a line"
    )
    parser.add_argument(
        "--target", required=True, help="where the reviewed file belongs, for the instructions"
    )
    parser.add_argument("--publish", action="store_true", help="the terms let others see the frames")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--output", type=Path, required=True, help="proposed.yaml")
    parser.add_argument("--sheet", type=Path, required=True, help="the contact sheet, HTML")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the proposal and its contact sheet."""
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1 is needed")
    if not args.data.is_dir():
        raise UserError(f"{args.data}: the data folder is missing; see the dataset's instructions")
    samples = read_jsonl(args.samples, Sample)
    if args.only:
        wanted = {name for path in args.only for name in read_ids(path)}
        samples = [sample for sample in samples if sample.sample_id in wanted]
    reader = find_reader()
    if reader is None:
        cli.log.warning("no OCR reader: install tesseract to have words looked for; edges alone are used")
    proposals = run_jobs(propose, jobs(samples, args.data, reader), args.workers, "masks")
    report(proposals)
    write_text(args.output, proposal_file(proposals, args.sheet.name, args.target))
    page = contact_sheet(
        proposals,
        title=datasets.resolve(args.dataset, args.data).metadata.title,
        target=args.target,
        reader=None if reader is None else reader.name,
        publish=args.publish,
    )
    write_text(args.sheet, page)
    cli.log.info("%s: look at it, correct %s, copy it to %s", args.sheet, args.output, args.target)


def jobs(samples: list[Sample], data: Path, reader: Reader | None) -> list[Job]:
    """Return one job a source, in the order of the sources' names."""
    sources: dict[str, list[Sample]] = {}
    for sample in samples:
        sources.setdefault(sample.media.path, []).append(sample)
    return [
        Job(
            source=source,
            path=inside(data, cut[0]),
            kind=cut[0].media.kind,
            intervals=tuple(dict.fromkeys((one.media.start_s, one.media.end_s) for one in cut)),
            reader=reader,
            fps=cut[0].media.fps,
        )
        for source, cut in sorted(sources.items())
    ]


def report(proposals: list[Proposal]) -> None:
    """Say what was found, and name the sources that could not be looked at."""
    for proposal in proposals:
        if proposal.problem is not None:
            cli.log.warning("%s: %s", proposal.source, proposal.problem)
    boxes = sum(len(proposal.boxes) for proposal in proposals)
    bare = sum(1 for proposal in proposals if not proposal.boxes)
    cli.log.info("%d sources, %d boxes; nothing found in %d", len(proposals), boxes, bare)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
