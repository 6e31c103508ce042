"""Every rule in its own small environment: through a double of conda, and as a container's recipe."""

import os
import re

import apptainer_double
import conda_double
import pytest
import yaml
from test_module import embed
from workflow_runs import ROOT, Study

pytestmark = pytest.mark.xdist_group("workflow")

ENVIRONMENTS = {path.stem for path in (ROOT / "envs").glob("*.yaml")}
SMALL = {"datasets": {"mtl-aqa": {"limit": 6}}, "models": ["random"], "scoring": {"resamples": 100}}
EVERYTHING = {
    "datasets": {"fitness-aqa": {}},
    "models": ["random", "qwen3-vl-2b", "qwen3-vl-2b-transformers"],
    "profiles": {"native": {}, "fps-2": {"fps": 2}},
    "pose": {"backend": "ultralytics", "weights": "net.onnx"},
    "cells": {"include": [{"tasks": ["judge"], "strategies": ["base"]}]},
}
"""A configuration whose rules need every environment."""


def names(text: str) -> set[str]:
    return set(re.findall(r"envs/([\w-]+)\.yaml", text))


@pytest.fixture
def small(tmp_path):
    study = Study(tmp_path / "study")
    study.folder.mkdir()
    study.configure(**SMALL)
    embed(study.results / "embedded" / "mtl-aqa")
    return study


@pytest.mark.thorough
def test_with_conda_each_stage_runs_in_the_environment_that_its_rule_names(small, tmp_path):
    found = conda_double.install(tmp_path / "conda")
    cell = "results/cells/mtl-aqa/judge/original/base/random/metrics.json"
    small.make("--sdm", "conda", "--conda-prefix", str(tmp_path / "envs"), cell, **found)
    created = set((tmp_path / "conda" / "created").read_text().split())
    assert created == {"aqa-core", "aqa-media", "aqa-inference", "aqa-scoring"}
    activated = set((tmp_path / "conda" / "activated").read_text().split())
    assert len(activated) == len(created)
    assert (small.folder / cell).is_file()


def test_all_environments_can_be_made_beforehand_and_nothing_else_is(tmp_path):
    study = Study(tmp_path)
    study.configure(**EVERYTHING)
    found = conda_double.install(tmp_path / "conda")
    study.make("--sdm", "conda", "--conda-create-envs-only", "all", "acquire_fitness-aqa", **found)
    created = (tmp_path / "conda" / "created").read_text().split()
    assert sorted(created) == sorted(f"aqa-{name}" for name in ENVIRONMENTS)
    assert not study.results.exists()


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_an_environment_is_python_pip_and_pins_and_says_whose(name):
    """That the pins are the lock's is tested in test_house.py."""
    text = (ROOT / "envs" / f"{name}.yaml").read_text()
    environment = yaml.safe_load(text)
    assert environment["name"] == f"aqa-{name}"
    *conda, block = environment["dependencies"]
    assert "pip" in conda
    assert re.fullmatch(r"python=3\.\d+", conda[0])
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.+]+", pin) for pin in block["pip"])
    own = ROOT / f"requirements-{name}.lock"
    head = re.match(r"(#.*\n)+", text)
    assert head
    said = set(re.findall(r"requirements[\w-]*\.lock", head[0]))
    assert said == {own.name} if own.is_file() else said <= {"requirements.lock", "requirements-dev.lock"}


@pytest.mark.parametrize("form", ["dockerfile", "apptainer"])
def test_a_containers_recipe_makes_every_environment(tmp_path, form):
    study = Study(tmp_path)
    study.configure(**EVERYTHING)
    recipe = study.make("--containerize", form, **conda_double.install(tmp_path / "conda")).output
    assert names(recipe) == ENVIRONMENTS
    created = re.findall(r"conda env create --prefix (/conda-envs/\w+) --file", recipe)
    assert len(set(created)) == len(ENVIRONMENTS)
    for name in ENVIRONMENTS:
        for pin in yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"][-1]["pip"]:
            assert pin in recipe


def test_a_containers_recipe_leaves_out_what_no_cell_needs(tmp_path):
    study = Study(tmp_path)
    study.configure(**SMALL)
    recipe = study.make("--containerize", "apptainer", **conda_double.install(tmp_path / "conda")).output
    assert not {"pose", "transformers", "vllm", "vertex"} & set(names(recipe))


@pytest.mark.thorough
def test_in_a_container_each_stage_runs_in_the_images_environments(small, tmp_path):
    """As docs/environments.md says: write the recipe, build it, name the image."""
    conda = conda_double.install(tmp_path / "outside")
    recipe = small.make("--containerize", "apptainer", **conda).output
    path = apptainer_double.install(tmp_path / "image", recipe, small.folder)
    # Snakemake asks the conda outside for its platform, and for nothing else.
    (tmp_path / "outside" / "created").mkdir()
    outside = f"{tmp_path / 'outside' / 'bin'}{os.pathsep}{path}"
    (small.folder / "aqa.sif").touch()
    chosen = ("--sdm", "conda", "apptainer", "--config", "container=aqa.sif")
    cell = "results/cells/mtl-aqa/judge/original/base/random/metrics.json"
    small.make(cell, *chosen, PATH=outside)
    executed = (tmp_path / "image" / "executed").read_text()
    for script in ("index", "media", "render", "infer", "score"):
        assert re.search(rf"activate '?/conda-envs/\w+'?; .*python \$AQA/{script}\.py", executed)


@pytest.mark.envs
def test_the_whole_embedded_benchmark_runs_with_nothing_but_what_the_environments_pin(small, tmp_path):
    found = conda_double.install(tmp_path / "conda")
    assert os.environ.get("AQA_UV"), "run .ci/envs"
    prefix = os.environ.get("AQA_ENVS_PREFIX", str(tmp_path / "envs"))
    small.make("--sdm", "conda", "--conda-prefix", prefix, **found)
    assert (small.results / "report.html").is_file()
