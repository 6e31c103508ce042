"""The experiment that a configuration describes: everything checked, before any job starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from aqa import datasets, grid, models, profiles, prompts
from aqa.config import (
    Cells,
    Config,
    DatasetConfig,
    Included,
    MediaProfile,
    ModelFile,
    NotApplicable,
    Pose,
    Unit,
    load_model,
    parse,
)
from aqa.datasets import Metadata
from aqa.errors import UserError
from aqa.grid import Cell, Grid

HUMAN = "human"
"""The name under which people stand among the models."""


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

    @property
    def folders(self) -> list[Path]:
        """The folders that hold the models' files."""
        return list(dict.fromkeys(path.parent for path in self.model_paths.values()))

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
        cells = (cell for cell in self.grid if cell.dataset == dataset)
        return self.manifests(cell for cell in cells if cell.representation != "skeleton_only")

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

    def manifests(self, cells: Iterable[Cell]) -> list[str]:
        """Return the media manifests that the requests of cells are rendered from, each once."""
        folders = {
            f"{self.config.results}/media/{cell.dataset}/{cell.representation}/{profile}": None
            for cell in cells
            for profile in self.profiles(cell.model, cell.dataset)
        }
        return [f"{folder}/manifest.jsonl" for folder in folders]

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
                "only": self.needed(dataset, self._shown_in(representation, name)),
                "exercises": self.exercises(dataset, representation, name),
            }
            for representation, shown in models.items()
            for name in sorted({name for model in shown for name in self.profiles(model, dataset)})
        }

    def shows_examples(self, cells: Iterable[Cell]) -> bool:
        """Say whether a strategy of the cells shows in-context examples."""
        return any(prompts.load_strategy(cell.strategy).examples for cell in cells)

    def comparing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return those of the cells that compare pairs."""
        return [cell for cell in cells if cell.task == "compare"]

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

    def asked(self, cell: Cell, name: str = "evaluated") -> str:
        """Return the list of the samples that a cell asks about; `paired`: of those that its pairs show."""
        limit = self.grid.limits.get(cell)
        return f"{self.config.results}/datasets/{cell.dataset}/{name}{f'-{limit}' if limit else ''}.txt"

    def needed(self, dataset: str, shows: Callable[[Cell], bool]) -> list[str]:
        """Return the lists of samples whose clips some of the cells of a dataset needs."""
        cells = [cell for cell in self.grid if cell.dataset == dataset and shows(cell)]
        files = [self.asked(cell, "paired" if cell.task == "compare" else "evaluated") for cell in cells]
        files += self.dataset_files(cells, "shown.txt") if self.shows_examples(cells) else []
        return list(dict.fromkeys(files))

    def _shown_in(self, representation: str, profile: str) -> Callable[[Cell], bool]:
        return lambda cell: (
            cell.representation == representation and profile in self.profiles(cell.model, cell.dataset)
        )

    def shown(self, dataset: str) -> list[str]:
        """Return the lists of samples whose clips some cell needs in any representation."""
        needed = [name for target in self.targets(dataset).values() for name in target["only"]]
        return list(dict.fromkeys(needed)) or [f"{self.config.results}/datasets/{dataset}/evaluated.txt"]

    def posed(self, dataset: str) -> list[str]:
        """Return the lists of samples whose poses some cell shows or judges by; empty if none does."""
        return self.needed(
            dataset, lambda cell: cell.representation != "original" or bool(self.poses([cell]))
        )

    def poses(self, cells: Iterable[Cell]) -> list[str]:
        """Return the manifests of the poses that the models of the cells judge by."""
        posed = [cell for cell in cells if models.needs(self.models[cell.model]).poses]
        return list(dict.fromkeys(f"{self.config.results}/pose/{cell[0]}/manifest.jsonl" for cell in posed))

    def pairs(self, cells: Iterable[Cell]) -> list[str]:
        """Return the files of the pairs whose truth the models of the cells read."""
        reading = [cell for cell in cells if models.needs(self.models[cell.model]).pairs]
        return self.dataset_files(self.comparing(reading), "pairs.jsonl")

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

    def people(self) -> list[Cell]:
        """Return the cells of human agreement: beside the base prompt, of datasets with single ratings."""
        beside = dict.fromkeys(cell[:4] for cell in self.grid)
        rated = [dataset for dataset, metadata in self.metadata.items() if metadata.human]
        cells = [Cell(dataset, "judge", "original", "base", HUMAN) for dataset in rated]
        return [cell for cell in cells if cell[:4] in beside]

    def tested(self) -> dict[str, str | None]:
        """Return the models under test, each with the id of the same model without thinking."""
        return {m: file.without_thinking for m, file in self.models.items() if not file.baseline}

    def unit(self, dataset: str) -> Unit:
        """Return the unit over which a dataset's metrics are computed; that of all is of choices only."""
        own, metadata = self.config.datasets[dataset].unit, self.metadata[dataset]
        of_all = self.config.scoring.unit if metadata.kind == "classification" else None
        return own or of_all or metadata.unit

    def render_key(self, cell: Cell) -> tuple[str, ...]:
        """Return what cells of one rendering job have in common."""
        return grid.render_key(cell, self.models[cell.model].session)

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
    config = _with_model(parse(Config, values, "configuration"))
    metadata = {dataset: _resolve(dataset, chosen).metadata for dataset, chosen in config.datasets.items()}
    if HUMAN in config.models:
        raise UserError(f"models: '{HUMAN}' is what people's agreement is called; name your model otherwise")
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
        grid=_grid(config, _possible(config, chosen), axes(config, metadata)),
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


def _with_model(config: Config) -> Config:
    """Return a configuration in which the model to evaluate is one of the models.

    Raises:
        UserError: the path of a model's file leads nowhere.
    """
    if config.model is None:
        return config
    name, folders = config.model, config.model_files
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file() or path.suffix != ".yaml":
            raise UserError(f"configuration: model: no file '{name}' that ends in .yaml")
        name, folders = path.stem, (str(path.parent), *folders)
    models = config.models if name in config.models else (*config.models, name)
    chosen = {"model": name, "models": models, "model_files": folders}
    return parse(Config, {**config.model_dump(), **chosen}, "configuration")


def _grid(config: Config, wanted: Cells, allowed: grid.Axes) -> grid.Grid:
    """Expand the cells; of a model to evaluate there are its plain judge cells and no others."""
    if config.model is None:
        return grid.build(wanted, allowed)
    plain = dict(
        zip(("tasks", "representations", "strategies"), ([part] for part in grid.PLAIN), strict=True)
    )
    block = Included.model_validate({**plain, "models": [config.model]})
    cells = wanted.model_copy(update={"include": (*wanted.include, block)})
    return grid.build(cells, allowed).plain(config.model)


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


def _possible(config: Config, chosen: Mapping[str, ModelFile]) -> Cells:
    """Return the configured cells, those declared not applicable that a dataset lacks something for."""
    implied = tuple(
        NotApplicable(datasets=(dataset,), models=(model,), reason=reason)
        for dataset, (model, file) in product(config.datasets, chosen.items())
        if (reason := models.impossible(file, dataset))
    )
    declared = (*implied, *config.cells.not_applicable)
    return config.cells.model_copy(update={"not_applicable": declared}) if implied else config.cells


def _needs_texts_or_examples(name: str) -> bool:
    strategy = prompts.load_strategy(name)
    return strategy.examples or strategy.guidelines is not None


def _path(model: str, folders: tuple[Path, ...]) -> Path:
    return next(path for folder in folders if (path := folder / f"{model}.yaml").is_file())


def _resolve(dataset: str, chosen: DatasetConfig) -> datasets.Dataset:
    return datasets.resolve(dataset, None if chosen.data == "embedded" else Path(chosen.data))
