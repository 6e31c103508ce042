"""The experiment that a configuration describes: everything checked, before any job starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqa import datasets, grid, models, profiles, prompts
from aqa.config import Config, DatasetConfig, MediaProfile, ModelFile, Pose, load_model, parse
from aqa.datasets import Metadata
from aqa.errors import UserError
from aqa.grid import Cell, Grid
from aqa.media.masks import load_masks
from aqa.pose import needs


@dataclass(frozen=True)
class Plan:
    """A checked configuration with everything that it names."""

    config: Config
    metadata: Mapping[str, Metadata]
    models: Mapping[str, ModelFile]
    model_paths: Mapping[str, Path]
    grid: Grid
    judge: ModelFile | None = None
    """The model that judges reasoning, if one is configured."""
    judge_path: Path | None = None

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

    def masks(self, dataset: str) -> str | None:
        """Return the file of reviewed boxes that hide the truth in a dataset's pictures, if there is one.

        The configured one, or `masks.yaml` beside the data; the embedded data bring their own, which lies
        there once they are built, so it is no input of a rule (`own_masks` is).
        """
        if self.embedded(dataset) and self.config.datasets[dataset].masks is None:
            return f"{self.data(dataset)}/masks.yaml" if self.metadata[dataset].visible_truth else None
        return next(iter(self.own_masks(dataset)), None)

    def own_masks(self, dataset: str) -> list[str]:
        """Return the user's own file of masks, as a list of at most one."""
        configured = self.config.datasets[dataset].masks
        return [configured] if configured is not None else self.own_files(dataset, "masks.yaml")

    def verified(self, dataset: str) -> list[str]:
        """Return the file that cells wait for, where masks must be verified: a list of at most one."""
        chosen, shows = self.config.datasets[dataset], self.metadata[dataset].visible_truth
        needed = shows and not chosen.accept_visible_truth and self.masks(dataset) and self.seen(dataset)
        return [f"{self.config.results}/masks/{dataset}/verified.txt"] if needed else []

    def verifications(self) -> list[str]:
        """Return the files that say of each clip of a masked dataset whether it hides the truth."""
        stamps = [Path(file) for dataset in self.metadata for file in self.verified(dataset)]
        return [str(stamp.with_name("verification.json")) for stamp in stamps]

    def seen(self, dataset: str) -> list[str]:
        """Return the media manifests that show the pixels of a dataset's sources to some cell."""
        cells = [cell for cell in self.grid if cell.dataset == dataset]
        shown = [cell for cell in cells if cell.representation != "skeleton_only"]
        return list(dict.fromkeys(file for cell in shown for file in self.manifests(cell)))

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

    def targets(self, dataset: str) -> dict[str, dict[str, Any]]:
        """Return the media manifests of a dataset that some cell needs, each with what makes it
        (the fields of `aqa.media.target.Target`)."""
        models: dict[str, set[str]] = {}
        for cell in self.grid:
            if cell.dataset == dataset:
                models.setdefault(cell.representation, set()).add(cell.model)
        return {
            f"{self.config.results}/media/{dataset}/{representation}/{name}/manifest.jsonl": {
                "representation": representation,
                "name": name,
                "profile": self.config.profiles[name].model_dump(mode="json"),
                "only": self.needed(dataset, representation),
                "exercises": self.exercises(dataset, representation, name),
            }
            for representation, shown in models.items()
            for name in sorted({name for model in shown for name in self.profiles(model, dataset)})
        }

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

    def shown(self, dataset: str) -> list[str]:
        """Return the lists of samples whose clips some cell needs in any representation."""
        needed = [name for target in self.targets(dataset).values() for name in target["only"]]
        return list(dict.fromkeys(needed or self.needed(dataset, "original")))

    def posed(self, dataset: str) -> list[str]:
        """Return the lists of samples whose poses some cell needs; empty if no cell shows them."""
        shown = dict.fromkeys(cell.representation for cell in self.grid if cell.dataset == dataset)
        posed = [representation for representation in shown if representation != "original"]
        return list(dict.fromkeys(file for name in posed for file in self.needed(dataset, name)))

    def pose(self, dataset: str) -> Pose:
        """Return how joints are found in a dataset."""
        return self.config.datasets[dataset].pose or self.config.pose

    def subjects(self, dataset: str) -> str | None:
        """Return the file that says who is judged: the configured one, or the one beside the data."""
        beside = self.own_files(dataset, "subjects.yaml")
        return self.config.datasets[dataset].subjects or next(iter(beside), None)

    def pose_files(self, dataset: str) -> list[str]:
        """Return the user's files that decide a dataset's poses, those that are there."""
        chosen = self.pose(dataset)
        files = [chosen.weights, chosen.detector, self.subjects(dataset)]
        files += self.own_files(dataset, chosen.file)
        return [file for file in files if file is not None and Path(file).is_file()]

    def tested(self) -> dict[str, str | None]:
        """Return the models under test, each with the id of the same model without thinking."""
        return {m: file.without_thinking for m, file in self.models.items() if not file.baseline}

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
        if entry.subjects is not None and not Path(entry.subjects).is_file():
            raise UserError(f"configuration: datasets.{dataset}.subjects: no file '{entry.subjects}'")
        if entry.masks is not None and not Path(entry.masks).is_file():
            raise UserError(f"configuration: datasets.{dataset}.masks: no file '{entry.masks}'")
    for model, file in chosen.items():
        exercises = {dataset: tuple(entry.exercises) for dataset, entry in metadata.items()}
        profiles.check(file.profile, config.profiles, exercises, f"model {model}")
    judge = config.traces.judge
    plan = Plan(
        config=config,
        metadata=metadata,
        models=chosen,
        model_paths={model: _path(model, folders) for model in chosen},
        grid=grid.build(config.cells, axes(config, metadata)),
        judge=None if judge is None else load_model(judge, folders),
        judge_path=None if judge is None else _path(judge, folders),
    )
    if plan.judge is not None and plan.judge.baseline:
        raise UserError(f"configuration: traces.judge: {judge} is a baseline, which reads no sentence")
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
    for dataset in plan.config.datasets:
        if problem := _no_poses(plan, dataset):
            return problem
    for cell in plan.grid:
        if not plan.models[cell.model].baseline and (leak := _leak(plan, cell.dataset)):
            return leak
        answered = Path(plan.file(cell, "responses.jsonl")).is_file()
        if cell.model in remote and not _may_upload(plan, cell.dataset) and not answered:
            return (
                f"{cell.model} is a remote model and the terms of {cell.dataset} "
                f"({plan.metadata[cell.dataset].licence}) do not allow sending it media; if you have the "
                f"right to, set datasets.{cell.dataset}.i_may_upload: true"
            )
    return None


def _path(model: str, folders: tuple[Path, ...]) -> Path:
    return next(path for folder in folders if (path := folder / f"{model}.yaml").is_file())


def _resolve(dataset: str, chosen: DatasetConfig) -> datasets.Dataset:
    return datasets.resolve(dataset, None if chosen.data == "embedded" else Path(chosen.data))


def _no_poses(plan: Plan, dataset: str) -> str | None:
    """Return what the dataset's pose backend lacks, where its poses are needed and not there yet."""
    made = Path(f"{plan.config.results}/pose/{dataset}/manifest.jsonl")
    if not plan.posed(dataset) or made.is_file():
        return None
    lacking = needs.missing(plan.pose(dataset), Path(plan.data(dataset)), made_here=plan.embedded(dataset))
    return lacking and f"{dataset}: {lacking}"


def _leak(plan: Plan, dataset: str) -> str | None:
    """Return why a model would read the answer in a dataset's pictures, and what to do; None if it cannot."""
    shows, chosen = plan.metadata[dataset].visible_truth, plan.config.datasets[dataset]
    if shows is None or chosen.accept_visible_truth:
        return None
    if plan.masks(dataset) is None:
        return (
            f"{dataset}: {shows}: a model would read the answer; run `snakemake propose_masks_{dataset}`, "
            f"look at {plan.config.results}/masks/{dataset}/proposed.html and approve its boxes in "
            f"{chosen.data}/masks.yaml (or leave the dataset out, or set datasets.{dataset}."
            "accept_visible_truth: true)"
        )
    try:
        for file in plan.own_masks(dataset):
            load_masks(Path(file))
    except UserError as error:
        return str(error)
    return None


def _may_upload(plan: Plan, dataset: str) -> bool:
    chosen: DatasetConfig = plan.config.datasets[dataset]
    return plan.embedded(dataset) or chosen.i_may_upload or plan.metadata[dataset].upload
