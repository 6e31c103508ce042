"""Write a masked copy of one video of a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePosixPath

from aqa import cli
from aqa.errors import UserError, nearest
from aqa.media.masks import Masks, load_masks


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    parser.add_argument("--masks", type=Path, required=True, help="the reviewed boxes")
    parser.add_argument("--name", required=True, help="the video as in the masks, without its extension")
    parser.add_argument("--threads", type=int, default=1, help="threads of ffmpeg")
    parser.add_argument("--output", type=Path, required=True, help="the masked copy, .mp4")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the copy."""
    try:
        from aqa.masking.copies import masked_copy
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed: masked copies need the packages `acquire` of pyproject.toml"
        ) from error
    masks = load_masks(args.masks)
    name = source_of(masks, args.name, str(args.masks))
    masked_copy(args.data / name, args.output, masks.sources[name], args.threads)
    cli.log.info("%s: %s with %d boxes", args.output, name, len(masks.sources[name]))


def source_of(masks: Masks, stem: str, place: str) -> str:
    """Return the one source that a name without extension means; it lies inside the data folder."""
    stems = {str(PurePosixPath(source).with_suffix("")): source for source in masks.sources}
    found = [source for source in masks.sources if str(PurePosixPath(source).with_suffix("")) == stem]
    if len(found) != 1:
        cause = f"{len(found)} sources are" if found else "no source is"
        raise UserError(f"{place}: {cause} named '{stem}'{'' if found else nearest(stem, stems)}")
    path = PurePosixPath(found[0])
    if path.is_absolute() or ".." in path.parts or "\0" in found[0]:
        raise UserError(f"{place}: the source '{found[0]}' leaves the data folder")
    return found[0]


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
