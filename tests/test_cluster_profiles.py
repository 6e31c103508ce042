"""The shipped profiles: every entry explained, retries nowhere else, jobs that grow with each attempt."""

import re
from pathlib import Path

import pytest
import yaml

from aqa.config import load_model
from aqa.models import needs

ROOT = Path(__file__).parents[1]
PROFILES = sorted((ROOT / "workflow/profiles").glob("*/config.yaml"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
NAMES = [path.parent.name for path in PROFILES]
STUDY = ("qwen3-vl-235b-instruct", "qwen3-vl-235b-thinking", "internvl3.5-241b", "internvl3.5-241b-thinking")


def load(name):
    return yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text())


@pytest.mark.parametrize("path", PROFILES, ids=NAMES)
def test_every_entry_of_a_profile_is_explained_above_it(path):
    lines = path.read_text().splitlines()
    entries = [number for number, line in enumerate(lines) if re.match(r"[a-z]", line)]
    assert entries
    for number in entries:
        assert lines[number - 1].startswith("#"), lines[number]


@pytest.mark.parametrize("path", PROFILES, ids=NAMES)
def test_profiles_go_on_after_failures_and_make_half_made_files_again(path):
    profile = yaml.safe_load(path.read_text())
    assert profile["keep-going"] is True
    assert profile["rerun-incomplete"] is True
    assert path.parent.name == "default" or profile["retries"] >= 2


def test_the_operators_page_names_every_profile():
    page = (ROOT / "docs/operators.md").read_text()
    assert all(f"`profiles/{name}`" in page for name in NAMES)


@pytest.mark.parametrize("name", ["slurm", "slurm-accounting", "slurm-gpu"])
def test_slurm_never_starts_a_session_again_by_itself(name):
    profile = load(name)
    assert profile["slurm-no-requeue"] is True
    assert "slurm-requeue" not in profile
    asks = "sacct" if name == "slurm-accounting" else "squeue"
    assert profile["slurm-status-command"] == asks
    # Below three times this many seconds of MinJobAge the plugin asks `sacct`, accounting or not.
    assert 3 * profile["slurm-init-seconds-before-status-checks"] <= 60


def test_retries_stand_in_profiles_only():
    for path in RULES:
        assert not re.search(r"^\s+retries:", path.read_text(), re.M), path


def test_a_rule_is_light_or_states_memory_and_time_that_grow():
    for path in RULES:
        for block in re.split(r"^(?= *rule\b)", path.read_text(), flags=re.M)[1:]:
            name = block.split(":")[0].strip()
            light = "localrule: True" in block
            grows = "**growing(" in block
            assert light != grows, f"{path.name}: {name}"


@pytest.mark.parametrize("model", STUDY)
def test_the_gpu_profile_sizes_the_models_of_the_study(model):
    file = load_model(model, (ROOT / "config/models",))
    sized = load("slurm-gpu")["set-resources"][f"infer_{model}"]
    assert sized["gpu"] == file.resources["gpu"] == file.options["serve"]["tensor-parallel-size"] == 8
    limits = yaml.safe_load((ROOT / "workflow/profiles/slurm-gpu/partitions.yaml").read_text())["partitions"]
    for attempt in range(1, load("slurm-gpu")["retries"] + 2):
        memory = eval(sized["mem_mb"], {"attempt": attempt, "min": min})
        assert file.resources["mem_mb"] <= memory <= limits["gpu"]["max_mem_mb"]
    assert sized["runtime"] <= limits["gpu"]["max_runtime"]
    assert file.resources["threads"] <= limits["gpu"]["max_threads"]


@pytest.mark.parametrize("model", ["qwen3-vl-235b-instruct", "qwen3-vl-235b-thinking"])
def test_an_fp8_variant_differs_in_weights_and_memory_alone(model):
    plain, variant = (load_model(name, (ROOT / "config/models",)) for name in (model, f"{model}-fp8"))
    assert variant.options["model"] == f"{plain.options['model']}-FP8"
    assert variant.options["serve"].pop("enable-expert-parallel") is True
    assert variant.options["serve"] == plain.options["serve"]
    for field in ("profile", "sampling", "session", "concurrency", "thinking"):
        assert getattr(variant, field) == getattr(plain, field)
    assert needs(variant).resources["mem_mb"] < needs(plain).resources["mem_mb"]


@pytest.mark.parametrize(("model", "light"), [("random", True), ("qwen3-vl-2b", False)])
def test_baselines_are_no_jobs_of_a_cluster_and_models_are(model, light):
    assert needs(load_model(model, (ROOT / "config/models",))).light is light
