"""The experiment that a configuration describes: everything checked, before any job starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aqa import datasets, grid, models, profiles, prompts
from aqa.config import Config, DatasetConfig, MediaProfile, ModelFile, load_model, parse
from aqa.datasets import Metadata
from aqa.errors import UserError
from aqa.grid import Cell, Grid

LIBRARY = Path(__file__).parent

MADE = ("original",)
"""The representations that the media stage can make."""

_RECORDS = ("records.py", "files.py", "config.py", "profiles.py")
STAGES: Mapping[str, tuple[str, ...]] = {
    "embed": ("files.py", "synthetic", "datasets", "../embed.py"),
    "index": (*_RECORDS, "datasets", "../index.py", "../subset.py", "../examples.py", "../pairs.py"),
    "media": (*_RECORDS, "media", "../media.py"),
    "render": (*_RECORDS, "grid.py", "datasets", "prompts", "models", "inference", "../render.py"),
    "draft": (
        *(*_RECORDS, "datasets", "models", "prompts", "inference", "scoring/parse.py"),
        *("../annotate.py", "../wording.py", "../pairs.py"),
    ),
    "score": (*_RECORDS, "grid.py", "inference/drafts.py", "scoring", "../score.py", "../collect.py"),
    "labels": (
        *(*_RECORDS, "grid.py", "plan.py", "datasets", "prompts"),
        *("reporting/describe.py", "reporting/labels.py", "../labels.py"),
    ),
    "report": (
        *(*_RECORDS, "grid.py", "plan.py", "datasets", "media", "prompts", "models", "inference", "scoring"),
        *("reporting", "../table.py", "../figure.py", "../report.py", "../cells.py"),
        "../preview.py",
    ),
}
"""Stage -> the parts of the library, and its command lines, that decide its results."""


@dataclass(frozen=True)
class Plan:
    """A checked configuration with everything that it names."""

    config: Config
    metadata: Mapping[str, Metadata]
    models: Mapping[str, ModelFile]
    model_paths: Mapping[str, Path]
    grid: Grid

    def data(self, dataset: str) -> str:
        """Return the folder of a dataset's files."""
        data = self.config.datasets[dataset].data
        return f"{self.config.results}/embedded/{dataset}" if data == "embedded" else data

    def embedded(self, dataset: str) -> bool:
        """Say whether the dataset is the synthetic one that this project builds."""
        return self.config.datasets[dataset].data == "embedded"

    def may_show(self, dataset: str) -> bool:
        """Say whether pages may show frames of the dataset."""
        return self.embedded(dataset) or self.metadata[dataset].publish_frames

    def file(self, cell: Cell, name: str) -> str:
        """Return the path of one of a cell's files."""
        return f"{self.config.results}/cells/{cell.path}/{name}"

    def profiles(self, model: str, dataset: str) -> dict[str, tuple[str, ...]]:
        """Return the media profiles that a model sees of a dataset, each with its exercises."""
        return profiles.names(self.models[model].profile, dataset, self.metadata[dataset].exercises)

    def exercises(self, dataset: str, representation: str, profile: str) -> list[str]:
        """Return the exercises whose clips some cell needs in this representation and profile."""
        needed = {
            exercise
            for cell in self.grid
            if (cell.dataset, cell.representation) == (dataset, representation)
            for exercise in self.profiles(cell.model, dataset).get(profile, ())
        }
        return [exercise for exercise in self.metadata[dataset].exercises if exercise in needed]

    def manifests(self, cell: Cell) -> list[str]:
        """Return the media manifests that a cell's requests are rendered from."""
        folder = f"{self.config.results}/media/{cell.dataset}/{cell.representation}"
        return [f"{folder}/{profile}/manifest.jsonl" for profile in self.profiles(cell.model, cell.dataset)]

    def shows_examples(self, cells: Iterable[Cell]) -> bool:
        """Say whether a strategy of the cells shows in-context examples."""
        return any(prompts.load_strategy(cell.strategy).examples for cell in cells)

    def compares(self, cells: Iterable[Cell]) -> bool:
        """Say whether one of the cells compares pairs."""
        return any(cell.task == "compare" for cell in cells)

    def wording(self, dataset: str) -> str | None:
        """Return the file of a user's own reviewed texts: the configured one, or the one beside the data."""
        beside = [] if dataset in datasets.dataset_ids() else self.own_files(dataset, "guidelines.yaml")
        return self.config.datasets[dataset].wording or next(iter(beside), None)

    def own_files(self, dataset: str, *names: str) -> list[str]:
        """Return those of the named files that a user's own data folder holds."""
        folder = Path(self.data(dataset))
        return [] if self.embedded(dataset) else [str(folder / n) for n in names if (folder / n).is_file()]

    def dataset_files(self, cells: Iterable[Cell], name: str) -> list[str]:
        """Return a file of each of the datasets that the cells need, each once."""
        names = dict.fromkeys(cell.dataset for cell in cells)
        return [f"{self.config.results}/datasets/{dataset}/{name}" for dataset in names]

    def needed(self, dataset: str, representation: str) -> list[str]:
        """Return the lists of samples whose clips some cell needs in this representation."""
        cells = [cell for cell in self.grid if cell[:3:2] == (dataset, representation)]
        names = ["evaluated.txt"]
        names += ["shown.txt"] if self.shows_examples(cells) else []
        names += ["paired.txt"] if self.compares(cells) else []
        return [f"{self.config.results}/datasets/{dataset}/{name}" for name in names]

    def unit(self, dataset: str) -> str:
        """Return the unit over which balanced accuracy is computed."""
        return self.config.scoring.unit or self.metadata[dataset].unit

    def render_key(self, cell: Cell) -> tuple[str, str, str]:
        """Return what cells of one rendering job have in common."""
        return cell.dataset, cell.representation, cell.model

    def session_key(self, cell: Cell) -> tuple[str, ...]:
        """Return what cells of one inference job have in common."""
        return grid.session_key(cell, self.models[cell.model].session)

    def score_key(self, cell: Cell) -> tuple[str, ...]:
        """Return what cells of one scoring job have in common."""
        return grid.score_key(cell, self.models[cell.model].session)


def load(values: Mapping[str, Any], root: Path) -> Plan:
    """Check a merged configuration and expand it; `root` is the folder of the workflow.

    Folders of models are looked for in the working directory first, then in `root`.

    Raises:
        UserError: one line with the cause, the place and, where a name is wrong, the nearest valid one.
    """
    config = parse(Config, values, "configuration")
    metadata = {dataset: _resolve(dataset, chosen).metadata for dataset, chosen in config.datasets.items()}
    folders = tuple(base / folder for folder in config.model_files for base in (Path(), root))
    chosen = {model: load_model(model, folders) for model in config.models}
    if config.profiles.get("native", MediaProfile()) != MediaProfile():
        raise UserError("configuration: profiles.native means every frame as it is; name yours otherwise")
    for dataset, entry in config.datasets.items():
        if entry.wording is not None and not Path(entry.wording).is_file():
            raise UserError(f"configuration: datasets.{dataset}.wording: no file '{entry.wording}'")
    for model, file in chosen.items():
        exercises = {dataset: tuple(entry.exercises) for dataset, entry in metadata.items()}
        profiles.check(file.profile, config.profiles, exercises, f"model {model}")
    plan = Plan(
        config=config,
        metadata=metadata,
        models=chosen,
        model_paths={model: _path(model, folders) for model in chosen},
        grid=grid.build(config.cells, axes(config, metadata)),
    )
    for dataset, entry in config.datasets.items():
        datasets.resolve_settings(metadata[dataset], entry.settings)
    context = models.Context(media=Path(), seed=config.seed)
    for model, file in chosen.items():
        models.create(file, context, f"model {model}")
    return plan


def axes(config: Config, metadata: Mapping[str, Metadata]) -> grid.Axes:
    """Return what cells may be made of."""
    strategies = prompts.strategies()
    plain = (name for name in strategies if not _needs_texts_or_examples(name))
    return grid.Axes(
        tasks={dataset: tuple(entry.tasks) for dataset, entry in metadata.items()},
        representations={dataset: tuple(entry.representations) for dataset, entry in metadata.items()},
        strategies=strategies,
        models=config.models,
        comparing=tuple(plain),
    )


def _needs_texts_or_examples(name: str) -> bool:
    strategy = prompts.load_strategy(name)
    return strategy.examples or strategy.guidelines is not None


def obstacle(plan: Plan) -> str | None:
    """Return why the plan cannot be carried out on this machine yet, as one line; None if it can.

    Checked before jobs start, not while planning: a plan can be looked at without the data.
    """
    context = models.Context(media=Path(), seed=plan.config.seed)
    remote = {model for model, file in plan.models.items() if models.create(file, context).remote}
    for dataset, chosen in plan.config.datasets.items():
        made = Path(f"{plan.config.results}/datasets/{dataset}/samples.jsonl")
        if not plan.embedded(dataset) and not Path(chosen.data).is_dir() and not made.is_file():
            return f"datasets.{dataset}.data: no folder '{chosen.data}'. {plan.metadata[dataset].access.how}"
    if unmade := next((cell for cell in plan.grid if cell.representation not in MADE), None):
        return (
            f"{unmade.path}: the representation {unmade.representation} cannot be made yet, only "
            f"{', '.join(MADE)}; set cells.include to those"
        )
    for cell in plan.grid:
        leak = plan.metadata[cell.dataset].visible_truth
        accepted = plan.config.datasets[cell.dataset].accept_visible_truth
        if leak and not accepted and not plan.models[cell.model].baseline:
            return (
                f"{cell.dataset}: {leak}: a model would read the answer; leave the dataset out, or set "
                f"datasets.{cell.dataset}.accept_visible_truth: true"
            )
        answered = Path(plan.file(cell, "responses.jsonl")).is_file()
        if cell.model in remote and not _may_upload(plan, cell.dataset) and not answered:
            return (
                f"{cell.model} is a remote model and the terms of {cell.dataset} "
                f"({plan.metadata[cell.dataset].licence}) do not allow sending it media; if you have the "
                f"right to, set datasets.{cell.dataset}.i_may_upload: true"
            )
    return None


@cache
def code(stage: str, dataset: str | None = None) -> str:
    """Return a digest of the library code that decides a stage's results.

    Snakemake does not see a changed import; rules carry this digest as a parameter instead. With a
    dataset, the folders of other datasets do not count.
    """
    digest = hashlib.sha256()
    for part in STAGES[stage]:
        path = LIBRARY / part
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if not _decides(file, dataset):
                continue
            if file.suffix in {".py", ".j2", ".yaml", ".html", ".css"} and file.is_file():
                digest.update(file.name.encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _path(model: str, folders: tuple[Path, ...]) -> Path:
    return next(path for folder in folders if (path := folder / f"{model}.yaml").is_file())


def _decides(file: Path, dataset: str | None) -> bool:
    """Say whether a file can change results: not what fetches data, not the folder of another dataset."""
    if "acquire" in file.parts or file.name == "sources.yaml":
        return False
    folder = file.parent
    own = dataset is None or folder.name == dataset.replace("-", "_")
    return own or not (folder / "metadata.yaml").is_file()


def _resolve(dataset: str, chosen: DatasetConfig) -> datasets.Dataset:
    return datasets.resolve(dataset, None if chosen.data == "embedded" else Path(chosen.data))


def _may_upload(plan: Plan, dataset: str) -> bool:
    chosen: DatasetConfig = plan.config.datasets[dataset]
    return plan.embedded(dataset) or chosen.i_may_upload or plan.metadata[dataset].upload
