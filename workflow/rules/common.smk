"""The checked plan of the run, and the few names that all rules share."""

import re
import shlex

from aqa.config import REPRESENTATIONS, TASKS
from aqa.errors import UserError
from aqa.files import dumps
from aqa.grid import PLAIN, group
from aqa.models import needs
from aqa.plan import load, obstacle
from aqa.stages import code

try:
    PLAN = load(config, Path(workflow.basedir))
except UserError as error:
    sys.exit(f"vlm-aqa: {error}")

RESULTS = PLAN.config.results
LOGS = f"{RESULTS}/logs"
CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}

# Every shell command says `python $AQA/<script>.py`: the Python of the rule's conda environment or, without
# conda, the one that runs Snakemake.
shell.prefix(
    f"export AQA={shlex.quote(str(Path(workflow.basedir) / 'scripts'))}; "
    + ("" if CONDA else f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")
)


wildcard_constraints:
    dataset="|".join(map(re.escape, PLAN.config.datasets)),
    task="|".join(TASKS),
    representation="|".join(REPRESENTATIONS),
    strategy="|".join({cell.strategy for cell in PLAN.grid}),
    model="|".join(map(re.escape, PLAN.config.models)),
    profile="|".join(map(re.escape, PLAN.config.profiles)),
    limit=r"[1-9]\d*",


onstart:
    if not prepares(workflow.dag_settings.targets) and (problem := obstacle(PLAN)):
        sys.exit(f"vlm-aqa: {problem}")


def prepares(targets):
    """Say whether a run only brings data or makes files on masks: what mends an obstacle must not meet it."""
    names = ("acquire_", "provenance", "propose_masks_", f"{RESULTS}/masks/")
    return bool(targets) and all(str(target).startswith(names) for target in targets)


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
