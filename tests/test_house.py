"""The house rules that a program can check."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "scripts" / "aqa"
FLOORS = [
    {"errors", "files", "records", "profiles", "checked", "config", "cli", "workers"},
    {"grid", "synthetic"},
    {"datasets"},
    {"pose"},
    {"media"},
    {"masking"},
    {"prompts", "models"},
    {"inference"},
    {"scoring"},
    {"training"},
    {"plan", "schema", "stages", "obstacles"},
    {"reporting"},
]
PYTHON = sorted(LIBRARY.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in PYTHON]


def part(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(height for height, names in enumerate(FLOORS) if name in names)


def imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


@pytest.mark.parametrize("path", PYTHON, ids=NAMES)
def test_imports_run_one_way(path):
    own = part(path)
    if own == "__init__":
        return
    for module in imported(path):
        assert module.split(".")[0] != "snakemake", "the library knows nothing of Snakemake"
        names = module.split(".")
        if names[0] == "aqa" and len(names) > 1 and any(names[1] in names_ for names_ in FLOORS):
            assert names[1] == own or floor(names[1]) <= floor(own), f"{own} must not import {names[1]}"


@pytest.mark.parametrize("path", [*PYTHON, *sorted((ROOT / "scripts").glob("*.py"))], ids=str)
def test_rooms_are_small(path):
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is long: find the missing idea"


def test_nothing_outside_its_folder_names_a_dataset():
    datasets = [folder.parent.name for folder in (LIBRARY / "datasets").glob("*/metadata.yaml")]
    assert datasets
    for path in PYTHON:
        parts = path.relative_to(LIBRARY).parts
        if path.name == "schema.py":  # the default configuration names what it evaluates
            continue
        for name in datasets:
            if parts[:2] == ("datasets", name):
                continue
            for spelling in (name, name.replace("_", "-")):
                assert spelling not in path.read_text(), f"{path} names {spelling}"


def test_the_snakefile_stays_an_entry():
    assert (ROOT / "Snakefile").read_text().count("\n") <= 40


def rules() -> list[tuple[str, str]]:
    found = []
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for block in re.split(r"^(?= *rule\b)", path.read_text(), flags=re.M)[1:]:
            found.append((f"{path.name}:{block.split(':')[0].strip()}", block))
    return found


@pytest.mark.parametrize(("name", "block"), rules(), ids=[name for name, _ in rules()])
def test_every_rule_is_documented_logged_and_has_an_environment(name, block):
    assert '"""' in block
    assert re.search(r"^\s+run:", block, re.M) is None
    for directive in ("log:", "conda:", "shell:"):
        assert directive in block, f"{name} lacks {directive}"
    environment = re.search(r'conda:\s+"\.\./\.\./(envs/\w+\.yaml)"', block)
    assert environment
    assert (ROOT / environment[1]).is_file()


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", path.read_text(), re.M))


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.name)
def test_environments_pin_what_a_lock_file_pins(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    packages = environment["dependencies"][-1]["pip"]
    own = ROOT / f"requirements-{path.stem}.lock"
    locked = pins(own if own.is_file() else ROOT / "requirements-dev.lock")
    for package in packages:
        name, version = package.split("==")
        assert locked[name] == version, f"{path.name} pins {package}, the lock file {locked[name]}"


def test_the_development_lock_extends_the_lock():
    locked = pins(ROOT / "requirements.lock")
    assert locked.items() <= pins(ROOT / "requirements-dev.lock").items()


def test_no_lock_file_names_a_registry_or_lacks_a_hash():
    for path in ROOT.glob("requirements*.lock"):
        text = path.read_text()
        assert "http" not in re.sub(r"#.*|[a-z]*http[a-z0-9-]*==|http[a-z]*", "", text)
        assert "--index-url" not in text
        assert text.count("==") <= text.count("--hash=sha256:")


def test_no_secret_machine_path_or_made_file_is_tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        assert not name.startswith(("results/", ".snakemake/", ".venv/"))
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 1 << 20:
            text = path.read_bytes()
            for forbidden in (b"/" + b"work/main", b"/ro" + b"ot/", b"BEGIN " + b"PRIVATE KEY"):
                assert forbidden not in text, f"{name} contains {forbidden!r}"


def test_the_lock_for_clusters_extends_the_lock():
    locked = pins(ROOT / "requirements.lock")
    extended = pins(ROOT / "requirements-slurm.lock")
    assert locked.items() <= extended.items()
    assert all(name.startswith("snakemake-executor-plugin-") for name in extended.keys() - locked)
