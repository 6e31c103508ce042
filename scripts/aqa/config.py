"""Typed configuration: the only place that says which keys exist, what they mean and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from aqa.checked import Bins, Section, load_yaml, parse
from aqa.errors import UserError, nearest
from aqa.profiles import ProfileChoice
from aqa.records import Name, Sha256

Task: TypeAlias = Literal["judge", "compare"]
Representation: TypeAlias = Literal["original", "cropped", "skeleton_overlay", "skeleton_only"]
Session: TypeAlias = Literal["cell", "dataset", "model"]
Unit: TypeAlias = Literal["item", "exercise"]
Policy: TypeAlias = Literal["strict", "answered"]
Contrast: TypeAlias = Literal["strategy", "representation", "model", "thinking"]

TASKS: tuple[str, ...] = get_args(Task)
REPRESENTATIONS: tuple[str, ...] = get_args(Representation)


class MediaProfile(Section):
    """Which frames of a clip a model sees, and how large. All left out: every frame, as it is."""

    fps: float | None = Field(
        None, gt=0, le=1000, description="Frames a second to keep; null keeps every frame of the clip."
    )
    max_frames: int | None = Field(
        None, ge=1, description="At most this many frames, uniformly over the clip, first and last kept."
    )
    scale: float = Field(1.0, gt=0, le=1, description="Factor on width and height.")
    crop: Literal["clip", "frame"] = Field(
        "clip",
        description="What `cropped` cuts: one box for the clip, or in each frame a box of one size that "
        "follows the subject.",
    )


class MediaStage(Section):
    """How clips are prepared."""

    shards: int = Field(
        1,
        ge=1,
        description="Jobs that share a dataset's videos, for a cluster; no video is decoded by two of them.",
    )


class Pose(Section):
    """How the joints of the subject are found, for the representations that draw or crop by them."""

    backend: Literal["precomputed", "opencv", "ultralytics", "sam3d_body"] = Field(
        "precomputed",
        description="`precomputed` reads COCO-17 keypoints from a file in the data folder; `ultralytics` "
        "runs any pose network of that library (AGPL-3.0), `opencv` those that it exported as .onnx, on the "
        "CPU and without it; `sam3d_body` is the paper's, and needs a GPU.",
    )
    file: str = Field(
        "poses.jsonl",
        description="The keypoints of `precomputed`; for `sam3d_body` without a detector, the people's "
        "boxes. In the data folder; docs/own-data.md states the format.",
    )
    weights: str | None = Field(
        None,
        description="File of the network: .onnx, .safetensors (with the network's .yaml beside it), .pt, "
        ".ckpt, or a .yaml alone (random weights). Nothing is ever downloaded. `embedded` is the network of "
        "docs/pose-net.md, for embedded data only.",
    )
    sha256: tuple[Sha256, ...] = Field(
        (),
        description="Digests of weights that you know: a file that can carry code (.pt, .ckpt) needs one.",
    )
    trust: bool = Field(False, description="Load weights that can carry code although no digest is stated.")
    code: str | None = Field(None, description="Folder of the sam-3d-body checkout, for `sam3d_body`.")
    detector: str | None = Field(
        None,
        description="Ultralytics weights that find people for `sam3d_body`; null takes boxes from `file`.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the network runs; auto takes a GPU if there is one, else the CPU."
    )
    batch: int = Field(16, ge=1, description="Frames a network sees at once, on a GPU.")
    image_size: int = Field(
        640, ge=32, description="Longer side of the picture that the network sees, pixels."
    )
    confidence: float = Field(0.25, gt=0, lt=1, description="Least confidence of a person.")
    joint_confidence: float = Field(
        0.1, ge=0, lt=1, description="A joint below this confidence counts as not found."
    )
    stride: int = Field(
        1, ge=1, description="Run the network on every n-th frame of a clip; those between are interpolated."
    )
    fill_gaps: int | None = Field(
        None,
        ge=0,
        description="Longest run of frames without the subject that is interpolated; null: 15 for networks, "
        "none for `precomputed`.",
    )
    smooth: bool | None = Field(
        None, description="Smooth joints with a one-euro filter; null: for networks, not for `precomputed`."
    )
    low_margin: float = Field(
        1.5,
        ge=1,
        description="Flag a clip whose subject scores less than this many times the next best person.",
    )


class DatasetConfig(Section):
    """One dataset of the experiment."""

    data: str = Field(
        "embedded",
        description="Folder that holds the dataset as its owners distribute it; "
        "`embedded` builds the synthetic benchmark in the same layout.",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="Evaluate only this many samples: seeded, stratified by exercise and truth, nested "
        "(a larger number keeps every earlier sample). null evaluates all.",
    )
    accept_broken_clips: bool = Field(
        False, description="Leave out clips that cannot be decoded instead of stopping; they are counted."
    )
    i_may_upload: bool = Field(
        False, description="State that the dataset's terms let you send its media to a remote model."
    )
    masks: str | None = Field(
        None,
        description="File of reviewed boxes that hide what shows the truth (a scoreboard); null takes "
        "`masks.yaml` in the folder of the data, if it is there.",
    )
    accept_unmasked: tuple[Name, ...] = Field(
        (),
        description="Ids of samples whose clips failed the verification of the masks and that are asked "
        "about all the same; a note below the tables says so.",
    )
    accept_visible_truth: bool = Field(
        False,
        description="Run models although the pictures show the truth (a scoreboard) and nobody has reviewed "
        "boxes that hide it; a note below the tables says so.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="The dataset's own settings; see its metadata.yaml."
    )
    unit: Unit | None = Field(
        None,
        description="Unit of this dataset's metrics; null takes `scoring.unit` (for choices), or "
        "else its own default.",
    )
    wording: str | None = Field(
        None, description="File of texts that you have reviewed, in the form of a dataset's guidelines.yaml."
    )
    allow_draft: bool = Field(
        False, description="Use guidelines and rephrased questions that nobody has approved; marked draft."
    )
    pose: Pose | None = Field(
        None, description="How joints are found in this dataset; null takes the section `pose`."
    )
    subjects: str | None = Field(
        None,
        description="File that says who is judged, where the choice is wrong; null takes `subjects.yaml` of "
        "the data folder, if it is there.",
    )


class Block(Section):
    """A product of cells; what is left out means all that the configuration declares."""

    datasets: tuple[Name, ...] | None = Field(None, description="Dataset ids; null means all.")
    tasks: tuple[Task, ...] | None = Field(None, description="judge, compare; null means all.")
    representations: tuple[Representation, ...] | None = Field(
        None, description="original, cropped, skeleton_overlay, skeleton_only; null means all."
    )
    strategies: tuple[Name, ...] | None = Field(None, description="Prompt strategies; null means all.")
    models: tuple[Name, ...] | None = Field(None, description="Model ids; null means all.")


class Included(Block):
    """A product of cells to run, how many samples they ask about, and how often."""

    limit: int | None = Field(
        None,
        ge=1,
        description="Ask about only this many samples of each dataset: nested, so that a larger number asks "
        "only what is new; null asks about all that are evaluated. A cell in several blocks takes the most.",
    )

    repeats: int | None = Field(
        None, ge=1, description="How often each request is asked; null takes `cells.repeats`."
    )


class NotApplicable(Block):
    """Cells of the grid that are declared impossible; they print as –∗."""

    reason: str = Field(min_length=1, description="Why; printed below the tables.")


class Cells(Section):
    """Which cells to run: the union of `include`, less `exclude`, less `not_applicable`."""

    repeats: int = Field(
        1,
        ge=1,
        description="How often each request is asked, to tell the spread of a model's answers from that "
        "of samples; a block of `include` may say its own (a cell in several blocks takes the largest). "
        "Raising it keeps every answer and asks only what is new.",
    )
    include: tuple[Included, ...] = Field(
        (Included(tasks=("judge",), representations=("original",), strategies=("base",)),),
        description="Products of cells to run.",
    )
    exclude: tuple[Block, ...] = Field((), description="Products of cells to leave out.")
    not_applicable: tuple[NotApplicable, ...] = Field(
        (), description="Products of cells that cannot be run, with the reason."
    )


class Scoring(Section):
    """How answers become numbers."""

    policy: Policy = Field(
        "strict",
        description="Headline policy for unusable answers: `strict` counts them as wrong, `answered` "
        "leaves them out and prints the coverage. Both are in scores.csv. The study does not say what it "
        "did; `strict` rewards no refusal, and scores all models on the same samples.",
    )
    resamples: int = Field(10_000, ge=100, description="Bootstrap resamples for each interval.")
    unit: Unit | None = Field(
        None,
        description="Unit of balanced accuracy: `item` (each question or error, then their mean in the "
        "exercise) or `exercise` (pooled). null takes the dataset's own default. Metrics of scores have no "
        "part in it.",
    )
    gap_bins: Bins = Field(
        5,
        description="Bins of Figure 2, accuracy against the gap of a pair. A number makes so many bins of "
        "equally many pairs, so that every point is as sure as the others; the study does not state its "
        "bins, and five leave 70 and 100 pairs a bin in its two regression datasets. A list of shares of the "
        "scale, like [0.1, 0.2, 0.4], says where bins meet.",
    )
    families: tuple[Contrast, ...] = Field(
        ("strategy", "representation", "model", "thinking"),
        description="Questions that are tested, each one family of tests per dataset over all models (Holm): "
        "strategy against base, representation against original, model against model, thinking against not. "
        "See effects.csv.",
    )


class Inference(Section):
    """How sessions treat failures."""

    accept_failed: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of requests of a cell that may have failed for good without stopping the run.",
    )
    ask_rejected: bool = Field(
        False,
        description="Ask again what a provider rejected for good (a 400, say), after its cause is mended. "
        "Answers are never asked again.",
    )
    max_cost_usd: float | None = Field(
        None,
        gt=0,
        description="Most US dollars that may be spent on an account of a paid provider, over all runs whose "
        "journals are in `results`; a session stops before it could pass them. null: no cap.",
    )
    max_requests: int | None = Field(
        None,
        ge=1,
        description="Most requests that may be sent to an account of a remote provider, repeats included, "
        "over all runs whose journals are in `results`. null: no cap.",
    )


class Traces(Section):
    """How models' reasoning is read (paper, section 3.6)."""

    limit: int | None = Field(
        500,
        ge=1,
        description="Responses of each cell whose reasoning is read, chosen by the seed; a larger number "
        "keeps every earlier one. null reads all.",
    )
    judge: Name | None = Field(
        None,
        description="A model (a file of `model_files`) that also says of sentences whether they state prior "
        "knowledge or an observation; null asks none. It need not be among `models`.",
    )
    judge_sentences: int = Field(
        40, ge=1, description="Most sentences of each cell that the judge is asked about, one request each."
    )


class Config(Section):
    """The whole configuration of a run."""

    results: str = Field(
        "results",
        pattern=r"^[^{}\n]*[^{}\n/]$",
        description="Folder for everything that is made; no braces, no slash at the end.",
    )
    seed: int = Field(
        0, ge=0, lt=1_000_000, description="Seed of everything random; higher ones are for training models."
    )
    datasets: dict[Name, DatasetConfig] = Field(min_length=1, description="Datasets to evaluate, by id.")
    models: tuple[Name, ...] = Field(
        min_length=1, description="Models to evaluate: names of files in `model_files`, without .yaml."
    )
    model: str | None = Field(
        None,
        min_length=1,
        description="The model of `snakemake evaluate --config model=...`: an id of `model_files`, or the "
        "path of a model's file. It need not be among `models`; only its base prompt on original media runs.",
    )
    model_files: tuple[str, ...] = Field(
        ("config/models",), description="Folders with one YAML file a model; the first match counts."
    )
    profiles: dict[Name, MediaProfile] = Field(
        default_factory=lambda: {"native": MediaProfile()},
        description="Media profiles, by a name that says what they do; a model's file names one.",
    )
    container: str | None = Field(
        None,
        min_length=1,
        description="Image that holds the environments (docs/environments.md), for "
        "`snakemake --sdm conda apptainer`; null: none.",
    )
    media: MediaStage = Field(default_factory=MediaStage, description="How clips are prepared.")
    pose: Pose = Field(default_factory=Pose, description="How joints are found; a dataset may have its own.")
    cells: Cells = Field(default_factory=Cells, description="The cells of the experiment.")
    scoring: Scoring = Field(default_factory=Scoring, description="How answers become numbers.")
    inference: Inference = Field(default_factory=Inference, description="How sessions treat failures.")
    traces: Traces = Field(default_factory=Traces, description="How models' reasoning is read.")

    @field_validator("models")
    @classmethod
    def _no_repeats(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(models)) < len(models):
            raise ValueError("a model is named twice")
        return models


class ModelFile(Section):
    """One model: what it is, how it is asked and what it may see."""

    title: str = Field(min_length=1, description="Name in tables and figures.")
    backend: Name = Field(description="The module of scripts/aqa/models that asks it.")
    session: Session = Field(
        "cell", description="What one job asks: a cell, all cells of a dataset, or all cells of the model."
    )
    profile: ProfileChoice = Field(
        ProfileChoice("native"),
        description="Media profile that the model sees: a name, or `default` and, by dataset, a name or "
        "names by exercise.",
    )
    thinking: bool = Field(False, description="The model reasons before it answers (marked † in tables).")
    without_thinking: Name | None = Field(
        None, description="Id of the same model without thinking, with which effects.csv compares it."
    )
    baseline: bool = Field(False, description="Not a model under test: printed apart, above the models.")
    note: str | None = Field(None, description="What a reader must know; printed below tables.")
    concurrency: int = Field(32, ge=1, description="Most requests in flight at once.")
    resources: dict[Name, int | str] | None = Field(
        None,
        description="What a session needs, for Snakemake and the cluster: gpu, mem_mb, runtime (minutes), "
        "threads, and any other resource of your executor.",
    )
    sampling: dict[str, float | int | bool | str] = Field(
        default_factory=dict,
        description="Sampling parameters, sent exactly as written; one that the backend does not know is "
        "an error.",
    )
    system: str | None = Field(None, description="System prompt, if the model needs one.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the backend.")


def load_model(model_id: str, folders: tuple[Path, ...]) -> ModelFile:
    """Read the file of a model.

    Raises:
        UserError: no folder has such a file (with the nearest name), or the file is wrong.
    """
    for folder in folders:
        path = folder / f"{model_id}.yaml"
        if path.is_file():
            return parse(ModelFile, load_yaml(path), str(path))
    known = {path.stem for folder in folders for path in folder.glob("*.yaml")}
    places = ", ".join(str(folder) for folder in folders)
    raise UserError(f"models: no file for model '{model_id}' in {places}{nearest(model_id, known)}")
