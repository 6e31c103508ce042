"""What is shipped can be planned, and Snakemake's own views of the workflow work."""

import importlib.util
import re
import subprocess
import zipfile

import pytest
import yaml
from workflow_runs import ROOT, SNAKEMAKE

pytestmark = [pytest.mark.xdist_group("workflow"), pytest.mark.thorough]

CONFIGURATIONS = sorted((ROOT / "config").glob("*.yaml"))
PROFILES = sorted(path.parent for path in (ROOT / "workflow" / "profiles").glob("*/config.yaml"))


def snakemake(folder, *arguments):
    """Run snakemake of the repository with outputs in another folder; return its standard output."""
    command = [SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--directory", folder, *arguments]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def default(*more):
    """Return the arguments for the default configuration, in a folder that does not have it."""
    return [*more, "--configfile", str(ROOT / "config" / "config.yaml")]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_a_shipped_configuration_can_be_planned(tmp_path, path):
    said = snakemake(tmp_path, "-n", "--configfile", str(path))
    assert re.search(r"^total +\d+$", said, re.M)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("folder", PROFILES, ids=lambda path: path.name)
def test_a_shipped_profile_can_be_planned_with(tmp_path, folder):
    """Settings of plugins that are not installed are left out: only the plugin knows them."""
    values = yaml.safe_load((folder / "config.yaml").read_text())
    executor = values.get("executor", "local")
    plugin = f"snakemake_executor_plugin_{executor.replace('-', '_')}"
    if executor not in ("local", "dryrun", "touch") and importlib.util.find_spec(plugin) is None:
        foreign = (executor, "default-storage-")
        values = {key: value for key, value in values.items() if not key.startswith(foreign)}
        values["executor"] = "local"
        folder = tmp_path / "profile"
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
    said = snakemake(tmp_path, *default("-n", "--cores", "2", "--profile", str(folder)))
    assert re.search(r"^total +\d+$", said, re.M)


@pytest.mark.parametrize("entry", ["Snakefile", "workflow/Snakefile"])
def test_the_linter_has_nothing_to_say(tmp_path, entry):
    command = [SNAKEMAKE, "--snakefile", ROOT / entry, "--lint", *default()]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "your workflow is in a good condition" in finished.stderr


@pytest.mark.parametrize(
    ("form", "first", "edge"),
    [("dot", "digraph snakemake_dag {", r"^\t\d+ -> \d+$"), ("mermaid-js", "---", r"^\s*id\d+ --> id\d+$")],
)
def test_the_graph_of_rules_is_all_that_is_printed(tmp_path, form, first, edge):
    printed = snakemake(tmp_path, *default("--rulegraph", form))
    assert printed.splitlines()[0] == first
    assert len(re.findall(edge, printed, re.M)) > 10
    for rule in ("embed", "index", "collect", "report_page"):
        assert rule in printed


@pytest.mark.parametrize("suffix", ["html", "zip"])
def test_snakemakes_own_report_holds_tables_figures_and_captions(study, suffix):
    path = study.folder / f"snakemake.{suffix}"
    study.make("--report", str(path))
    if suffix == "html":
        page = path.read_text()
    else:
        with zipfile.ZipFile(path) as packed:
            assert packed.testzip() is None
            names = packed.namelist()
            page = packed.read(min((n for n in names if n.endswith(".html")), key=len)).decode()
        assert any(name.endswith("figure1.pdf") for name in names)
    for word in ("Tables", "Figures", "table1.md", "figure1.svg"):
        assert word in page
