"""What it costs to score the paper's grid: 255 cells at their real sizes, 10,000 resamples each.

`python tests/bench/bench_scoring.py` writes the files that scoring reads (`tests/paper_sized.py`: 255 cells
of simulated answers, and the 10 of the random baseline), and prints wall time, CPU time (user and system, all
processes) and load average of

- scoring alone: the library on all cells, one process a core, as the rules share them out;
- the rules: `snakemake --cores 2` with the rules `score_*` and `collect`, process starts included;
- effects: the rule that tests what strategies, representations, models and thinking change;

and how many times faster one interval is than `scipy.stats.bootstrap` (percentile, the same clusters and as
many resamples) over the metric of scikit-learn or scipy. Targets (issue 6): 60 s, 120 s, 50 times. Where
other programs keep the cores busy, CPU over two cores says more than wall time.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts")]

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as Snakemake has it for a rule of one thread; else threads wait
import numpy as np
import orjson
from scipy.stats import bootstrap, spearmanr
from sklearn.metrics import balanced_accuracy_score

from aqa.files import read_jsonl, write_json
from aqa.grid import Cell, group
from aqa.plan import Plan
from aqa.records import Pair, Sample
from aqa.scoring.intervals import Resampler, interval
from aqa.scoring.score import Settings, score_cells
from aqa.scoring.statistics import BalancedAccuracy, Layout, Spearman
from paper_sized import plan, write

ROOT = TESTS.parent
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
CORES = 2


class Cost:
    """Wall and CPU seconds of a block, children that ended included, and the load average after it."""

    wall: float
    cpu: float
    load: float


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure a block."""
    cost = Cost()
    wall, cpu = time.perf_counter(), _cpu()
    yield cost
    cost.wall, cost.cpu, cost.load = time.perf_counter() - wall, _cpu() - cpu, os.getloadavg()[0]


def _cpu() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def line(name: str, cost: Cost, target: str) -> None:
    """Print a row of the table."""
    per_core = cost.cpu / CORES
    print(
        f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {per_core:.1f} | {target} | {cost.load:.1f} |",
        flush=True,
    )


def score(folder: Path, dataset: str, cells: list[Cell], settings: Settings) -> int:
    """Score the cells of one job with the library."""
    place = folder / "results" / "datasets" / dataset
    known = {sample.sample_id: sample for sample in read_jsonl(place / "samples.jsonl", Sample)}
    pairs = {pair.pair_id: pair for pair in read_jsonl(place / "pairs.jsonl", Pair)}
    own = Settings(settings.kind, settings.seed, settings.resamples, settings.unit, frozenset(known), pairs)
    score_cells([folder / "results" / "cells" / cell.path for cell in cells], known, own)
    return len(cells)


def alone(folder: Path, made: Plan, resamples: int) -> int:
    """Score every cell in two processes."""
    with ProcessPoolExecutor(CORES) as pool:
        jobs = []
        for cells in group(made.grid, made.score_key).values():
            dataset = cells[0].dataset
            settings = Settings(made.metadata[dataset].kind, 0, resamples, made.unit(dataset))
            jobs.append(pool.submit(score, folder, dataset, cells, settings))
        return sum(job.result() for job in jobs)


def people(folder: Path, made: Plan) -> None:
    """Put the random baseline's scores where those of people are read: there are no ratings here."""
    for cell in made.people():
        found = orjson.loads((folder / made.file(cell._replace(model="random"), "metrics.json")).read_bytes())
        found["rows"] = [row | {"model": cell.model} for row in found["rows"]]
        write_json(folder / made.file(cell, "metrics.json"), found | {"model": cell.model})


def rules(folder: Path, made: Plan, target: str, names: list[str]) -> None:
    """Make a file with these rules alone: what they read is taken as it is."""
    command = [
        *(str(SNAKEMAKE), "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
        *(target, "--cores", str(CORES), "--quiet", "all", "--rerun-triggers", "mtime"),
        *("--configfile", str(folder / "my.yaml"), "--allowed-rules", *names),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def speed(name: str, n: int, clusters: int, resamples: int, seed: int) -> None:
    """Print how many times faster an interval is than scipy's bootstrap over the usual metric."""
    rng = np.random.default_rng(seed)
    cluster = np.concatenate([np.arange(clusters), rng.integers(0, clusters, n - clusters)])
    rows = [np.flatnonzero(cluster == c) for c in range(clusters)]
    if name == "balanced_accuracy":
        truth, said = rng.integers(0, 2, n), rng.integers(0, 2, n)
        layout = Layout(np.zeros(2, dtype=np.int64), np.zeros(1, dtype=np.int64))
        usual: Callable[..., float] = balanced_accuracy_score
    else:
        truth = rng.integers(0, 20, n) / 2
        said = np.round(truth / 2 + rng.normal(0, 2, n), 1)
        usual = lambda a, b: spearmanr(a, b).statistic  # noqa: E731

    def drawn(chosen: np.ndarray) -> float:
        picked = np.concatenate([rows[int(c)] for c in chosen])
        return usual(truth[picked], said[picked])

    with measured() as theirs:
        bootstrap(
            (np.arange(clusters),), drawn, n_resamples=resamples, vectorized=False, method="percentile",
            rng=np.random.default_rng(0),
        )  # fmt: skip
    with measured() as ours:
        statistic = (
            BalancedAccuracy(truth == said, truth, cluster, layout)
            if name == "balanced_accuracy"
            else Spearman(truth, said, cluster)
        )
        interval(statistic, Resampler(0, resamples))
    print(
        f"| {name}, {n} rows of {clusters} clusters | {theirs.cpu:.1f} | {ours.cpu:.3f} | "
        f"{theirs.cpu / ours.cpu:.0f} × |",
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where to work; left out: a temporary folder")
    parser.add_argument("--skip-scipy", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        made = plan(folder, args.resamples)
        answers = write(folder, made)
        tested = sum(not made.models[cell.model].baseline for cell in made.grid)
        print(f"{tested} cells and {len(made.grid) - tested} of the random baseline, {answers} answers\n")
        print("| what | wall s | CPU s | CPU s / 2 cores | target s | load |\n|---|---|---|---|---|---|")
        with measured() as cost:
            alone(folder, made, args.resamples)
        line("scoring alone", cost, "60")
        people(folder, made)
        for cell in made.grid:
            for file in ("predictions.csv", "metrics.json"):
                (folder / made.file(cell, file)).unlink()
        names = [f"score_{'_'.join(key)}" for key in group(made.grid, made.score_key)]
        with measured() as cost:
            rules(folder, made, "results/scores.csv", [*names, "collect"])
        line("Snakemake: score and collect", cost, "120")
        with measured() as cost:
            rules(folder, made, "results/effects.csv", ["effects"])
        line("Snakemake: effects", cost, "-")
    if not args.skip_scipy:
        print(f"\n| {args.resamples} resamples | scipy CPU s | ours CPU s | ratio |\n|---|---|---|---|")
        speed("balanced_accuracy", 244, 150, args.resamples, 1)
        speed("balanced_accuracy", 1812, 45, args.resamples, 2)
        speed("spearman", 500, 400, args.resamples, 3)


if __name__ == "__main__":
    main()
