"""The workflow as a module of another one: its own paths, its own names, the same refusals."""

import subprocess
from pathlib import Path

import pytest
import yaml
from workflow_runs import ROOT, Study

from aqa.datasets.mtl_aqa import embedded

pytestmark = pytest.mark.xdist_group("workflow")

SNAKEFILE = """
shell.prefix("set -o pipefail; MINE=yes; ")

module aqa:
    snakefile: {snakefile}
    config: config["judged"]
    {more}

use rule * from aqa as aqa_*

rule mine:
    input: "judged/scores.csv"
    output: "mine.txt"
    default_target: True
    shell: "echo $MINE > {{output}}; wc -l < {{input}} >> {{output}}"
"""
JUDGED = {
    "results": "judged",
    "datasets": {"mtl-aqa": {"limit": 6}},
    "models": ["random"],
    "scoring": {"resamples": 100},
}


def other(folder: Path, snakefile: str = repr(str(ROOT / "Snakefile")), more: str = "", **judged) -> Study:
    """Write another workflow, with this one as a module, and the small embedded data that it needs."""
    (folder / "workflow").mkdir(parents=True)
    path = folder / "workflow" / "Snakefile"
    path.write_text(SNAKEFILE.format(snakefile=snakefile, more=more))
    study = Study(folder, path)
    study.configure(judged=JUDGED | judged)
    return study


def embed(folder: Path) -> None:
    """Make what the rule `embed` makes, but fewer clips."""
    folder.mkdir(parents=True)
    embedded.write(folder, 0, 1, embedded.Size(train=1, train_dives=3, test=2, test_dives=3))
    (folder / "embedded.json").write_text("{}")


def test_another_workflow_runs_it_under_other_names_with_other_results(tmp_path):
    study = other(tmp_path / "other")
    embed(study.folder / "judged" / "embedded" / "mtl-aqa")
    run = study.make()
    assert run.jobs["aqa_collect"] == run.jobs["aqa_infer_random_mtl-aqa"] == run.jobs["mine"] == 1
    assert all(name.startswith("aqa_") for name in run.jobs if name != "mine")
    assert (study.folder / "mine.txt").read_text().split()[0] == "yes", (
        "the other workflow's prefix is its own"
    )
    assert {path.name for path in study.folder.iterdir()} == {
        *(".snakemake", "judged", "mine.txt", "my.yaml", "workflow")
    }
    assert "Nothing to be done" in study.make("-n").output


def test_it_can_be_one_of_two_modules_each_with_its_own_configuration(tmp_path):
    study = other(tmp_path / "other")
    second = """
module again:
    snakefile: {snakefile!r}
    config: {config!r}

use rule * from again as again_*
"""
    config = {**JUDGED, "results": "again", "models": ["constant"]}
    text = study.snakefile.read_text()
    study.snakefile.write_text(text + second.format(snakefile=str(ROOT / "Snakefile"), config=config))
    jobs = study.make("-n", "judged/scores.csv", "again/scores.csv").jobs
    assert jobs["aqa_infer_random_mtl-aqa"] == jobs["again_infer_constant_mtl-aqa"] == 1
    assert "aqa_infer_constant_mtl-aqa" not in jobs


@pytest.mark.parametrize(
    ("more", "judged", "said"),
    [
        ("", {"sead": 1}, "vlm-aqa, as module aqa: configuration: unknown key 'sead'; did you mean 'seed'?"),
        ('prefix: "x"', {}, "vlm-aqa, as module aqa: `prefix:` does not move data and media;"),
        ('replace_prefix: {"judged": "x"}', {}, "vlm-aqa, as module aqa: `prefix:` does not move"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_module(tmp_path, more, judged, said):
    run = other(tmp_path / "other", more=more, **judged).snakemake("-n")
    assert run.status == 1
    (line,) = run.said
    assert line.startswith(said)


def test_a_module_without_a_configuration_says_so(tmp_path):
    study = other(tmp_path / "other")
    study.snakefile.write_text(study.snakefile.read_text().replace('config: config["judged"]', ""))
    run = study.snakemake("-n")
    assert run.status == 1
    assert run.said[-1].startswith("vlm-aqa, as module aqa: configuration: ")
    assert "Traceback" not in run.output


@pytest.mark.thorough
def test_what_stops_a_run_before_its_jobs_stops_a_module_before_anything_is_sent(tmp_path):
    """Snakemake ignores a module's `onstart`: the session itself must refuse."""
    study = other(
        tmp_path / "other",
        datasets={"mtl-aqa": {"data": "data"}},
        models=["remote"],
        model_files=["."],
    )
    (study.folder / "remote.yaml").write_text(
        "{title: R, backend: openai, options: {base_url: 'https://example.org/v1', model: m}}"
    )
    (study.folder / "data").mkdir()
    embedded.write(study.folder / "data", 0, 1, embedded.Size(train=1, train_dives=3, test=2, test_dives=3))
    run = study.snakemake("judged/cells/mtl-aqa/judge/original/base/remote/responses.jsonl")
    assert run.status == 1
    assert "set datasets.mtl-aqa.i_may_upload: true" in run.output
    assert not list(study.folder.glob("judged/journals/**/*.jsonl"))


def git(folder: Path, *arguments: str) -> str:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A git repository with the workflow's files, tagged v1."""
    folder = tmp_path_factory.mktemp("published") / "vlm-aqa"
    names = ["Snakefile", "workflow", "profiles", "scripts", "config", "envs"]
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (ROOT / name).is_symlink():
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    git(folder, "tag", "v1")
    return folder


@pytest.mark.thorough
def test_a_module_from_a_repository_brings_its_scripts_as_snakedeploy_writes_it(tmp_path, published):
    """`github(…)` with its server exchanged for a folder, and nothing else."""
    study = other(tmp_path / "other", 'github("us/vlm-aqa", path="workflow/Snakefile", tag="v1")')
    embed(study.folder / "judged" / "embedded" / "mtl-aqa")
    environment = {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{published.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/us/vlm-aqa",
        "GITHUB_TOKEN": "",
    }
    target = "judged/cells/mtl-aqa/judge/original/base/random/metrics.json"
    study.make(target, **environment)
    assert (study.folder / target).is_file()
    commit = git(published, "rev-parse", "v1^{commit}").strip()
    folder = study.folder / ".snakemake" / "vlm-aqa"
    assert [path.name for path in folder.iterdir()] == [commit]
    assert (folder / commit / "scripts" / "infer.py").is_file()
    assert "Nothing to be done" in study.make("-n", target, **environment).output


def test_the_catalogs_entry_plans_the_same_as_the_workflows_own(tmp_path):
    plans = []
    for name in ("Snakefile", "workflow/Snakefile"):
        study = Study(tmp_path, ROOT / name)
        study.configure(**JUDGED)
        plans.append(study.make("-n").jobs)
    assert plans[0] == plans[1] != {}


def test_what_the_catalog_looks_for_is_there():
    shown = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert shown["mandatory-flags"]["flags"] == []
    assert shown["software-stack-deployment"]["conda"] is shown["report"] is True
    assert "## As a module" in (ROOT / "config" / "README.md").read_text()
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
