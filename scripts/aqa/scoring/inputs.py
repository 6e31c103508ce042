"""Reading what analyses need of the datasets, by dataset: the folder that a file lies in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aqa.files import read_ids, read_jsonl
from aqa.records import Pair, Sample


def read_samples(files: Iterable[Path]) -> dict[str, dict[str, Sample]]:
    """Return samples by id, by dataset, from `{dataset}/samples.jsonl` files."""
    return {
        path.absolute().parent.name: {sample.sample_id: sample for sample in read_jsonl(path, Sample)}
        for path in files
    }


def read_pairs(files: Iterable[Path]) -> dict[str, dict[str, Pair]]:
    """Return pairs by id, by dataset, from `{dataset}/pairs.jsonl` files."""
    return {
        path.absolute().parent.name: {pair.pair_id: pair for pair in read_jsonl(path, Pair)} for path in files
    }


def read_evaluated(files: Iterable[Path]) -> dict[str, list[str]]:
    """Return the ids of the evaluated samples, by dataset, from `{dataset}/evaluated.txt` files."""
    return {path.absolute().parent.name: read_ids(path) for path in files}
