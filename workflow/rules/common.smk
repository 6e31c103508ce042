"""The checked plan of the run, and the few names that all rules share."""

import re
import shlex
from functools import cache

from aqa.config import REPRESENTATIONS, TASKS
from aqa.errors import UserError
from aqa.files import dumps
from aqa.grid import group
from aqa.models import needs
from aqa.obstacles import obstacle, refusal
from aqa.plan import load
from aqa.stages import code

# Whose configuration is wrong: this workflow's own, or that of a module of another workflow.
MODULE = workflow.modifier.namespace
WHO = f"vlm-aqa, as module {MODULE}" if MODULE else "vlm-aqa"

try:
    PLAN = load(config, ROOT)
except UserError as error:
    sys.exit(f"{WHO}: {error}")

RESULTS = PLAN.config.results
LOGS = f"{RESULTS}/logs"
if workflow.modifier.path_modifier.replace_prefix(RESULTS) != RESULTS:
    sys.exit(f"{WHO}: `prefix:` does not move data and media; leave it out and set `results` in `config:`")

CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}

# Every shell command says `python $AQA/<script>.py`: the Python of the rule's conda environment or, without
# conda, the one that runs Snakemake. Variables and no `shell.prefix`, which belongs to whoever uses this module.
os.environ |= {"AQA": str(ROOT / "scripts")}
if not CONDA:
    os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])}


if PLAN.config.container is not None:

    containerized: PLAN.config.container


wildcard_constraints:
    dataset="|".join(map(re.escape, PLAN.config.datasets)),
    task="|".join(TASKS),
    representation="|".join(REPRESENTATIONS),
    strategy="|".join({cell.strategy for cell in PLAN.grid}),
    model="|".join(map(re.escape, PLAN.config.models)),
    profile="|".join(map(re.escape, PLAN.config.profiles)),


onstart:
    if not prepares(workflow.dag_settings.targets) and (problem := obstacle(PLAN)):
        sys.exit(f"{WHO}: {problem}")


def prepares(targets):
    """Say whether a run only brings data or makes files on masks: what mends an obstacle must not meet it."""
    names = ("acquire_", "provenance", "propose_masks_", f"{RESULTS}/masks/")
    return bool(targets) and all(str(target).startswith(names) for target in targets)


@cache
def refused(dataset, model):
    """Return the flag by which a session sends nothing of a dataset that its model must not get."""
    return flag("--refuse", refusal(PLAN, dataset, model))


def flag(name, value):
    """Return a command-line flag: `--name value`, `--name` if true, nothing if there is no value."""
    if value is None or value is False or value == []:
        return ""
    return name if value is True else f"{name} {shlex.quote(str(value))}"


def flags(*pairs):
    """Return several flags as one string."""
    return " ".join(filter(None, (flag(name, value) for name, value in pairs)))


def folders(files):
    """Return the folders of cells' files, each once."""
    return list(dict.fromkeys(str(Path(file).parent) for file in files))


def stem(files):
    """Return the path of the first file without its suffix."""
    return str(Path(files[0]).with_suffix(""))
