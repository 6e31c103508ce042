"""Prepare the clips of a dataset's samples and write their manifest."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from aqa import cli
from aqa.errors import UserError, nearest
from aqa.files import first_problem, read_jsonl
from aqa.media.prepare import Order, Prepared, prepare, write_manifest
from aqa.media.profile import NATIVE, Profile
from aqa.records import Clip, Sample


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    parser.add_argument("--representation", default="original", help="how the subject is shown: original")
    parser.add_argument("--profile-name", default="native", help="name of the sampling profile")
    parser.add_argument("--profile", default="{}", help="the profile as JSON: fps, max_frames, scale")
    parser.add_argument("--split", choices=("test", "train", "all"), default="test", help="which samples")
    parser.add_argument(
        "--only", type=Path, nargs="+", help="files with the ids of the samples to prepare, one a line"
    )
    parser.add_argument("--exercises", nargs="+", help="prepare only the samples of these exercises")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode, one thread each")
    parser.add_argument("--accept-broken", action="store_true", help="list broken clips and go on")
    parser.add_argument("--output", type=Path, required=True, help="manifest.jsonl; clips lie beside it")
    parser.add_argument("--log", type=Path, help="file for messages")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Prepare, report what is broken, write the manifest."""
    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: at least 1 is needed")
    if options.representation != "original":
        hint = nearest(options.representation, ["original"])
        raise UserError(f"--representation {options.representation}: not available{hint}")
    if not options.data.is_dir():
        raise UserError(f"{options.data}: the data folder is missing; see the dataset's instructions")
    profile = read_profile(options.profile_name, options.profile)
    samples = chosen(read_jsonl(options.samples, Sample), options.split, options.only)
    samples = [s for s in samples if options.exercises is None or s.exercise in options.exercises]
    order = Order(options.data, options.output.parent, options.representation, profile)
    prepared = prepare(samples, order, options.workers, progress())
    if prepared.broken:
        report(prepared, samples, accept=options.accept_broken)
    write_manifest(options.output, prepared)
    ready = len(prepared.clips) - len(prepared.broken)
    made = prepared.made - len(prepared.broken)
    cli.log.info("%d clips ready: %d made, %d were there", ready, made, ready - made)


def read_profile(name: str, text: str) -> Profile:
    """Return the sampling profile; the name `native` is kept for every frame at native size."""
    try:
        profile = Profile.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"media profile '{name}': {first_problem(error)}") from error
    if name == "native" and profile != NATIVE:
        raise UserError(f"media profile 'native' means every frame at native size; give {text} another name")
    return profile


def chosen(samples: list[Sample], split: str, only: list[Path] | None) -> list[Sample]:
    """Return the samples of a split (`all`: of every split), cut to the ids in the files `only`."""
    kept = [sample for sample in samples if split in ("all", sample.split)]
    if only is None:
        return kept
    known = {sample.sample_id for sample in kept}
    ids: set[str] = set()
    for path in only:
        try:
            listed = set(path.read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error})") from error
        if unknown := sorted(listed - known):
            raise UserError(f"{path}: no sample '{unknown[0]}' in split {split}; {len(unknown)} such ids")
        ids |= listed
    return [sample for sample in kept if sample.sample_id in ids]


def report(prepared: Prepared, samples: list[Sample], *, accept: bool) -> None:
    """Name every broken clip with its cause.

    Raises:
        UserError: there are some and they are not accepted.
    """
    paths = {sample.sample_id: sample.media.path for sample in samples}

    def line(clip: Clip) -> str:
        return f"  {clip.sample_id} ({paths[clip.sample_id]}): {clip.error}"

    broken = prepared.broken
    text = f"{len(broken)} of {len(prepared.clips)} clips could not be prepared:\n"
    text += "\n".join(line(clip) for clip in broken)
    if not accept:
        raise UserError(
            f"{text}\nMend these files and run again (the other clips are kept), or accept the loss with "
            "`accept_broken_clips: true` in the dataset's configuration."
        )
    cli.log.warning("%s\nAccepted: these samples are not asked.", text)


def progress() -> Callable[[int, int], None]:
    """Return a reporter of clips done: count, rate and time left on a terminal, silent elsewhere."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None
    begun: list[tuple[float, int]] = []

    def show(done: int, total: int) -> None:
        begun.append((time.monotonic(), done))
        seconds, made = time.monotonic() - begun[0][0], done - begun[0][1]
        rate = made / seconds if seconds > 0 else 0.0
        left = f", {rate:.1f}/s, {(total - done) / rate:.0f} s left" if rate else ""
        sys.stderr.write(f"\r\x1b[Kclips: {done}/{total}{left}" + ("\n" if done == total else ""))
        sys.stderr.flush()

    return show


if __name__ == "__main__":
    parsed = arguments()
    cli.run(lambda: main(parsed), parsed.log)
