"""The checked plan of the run, and the few names that all rules share."""

import re
import shlex
from functools import cache

from aqa.config import REPRESENTATIONS, TASKS
from aqa.errors import UserError
from aqa.files import dumps
from aqa.grid import PLAIN, group
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
    limit=r"[1-9]\d*",


onstart:
    if problem := misused(workflow.dag_settings.targets):
        sys.exit(f"vlm-aqa: {problem}")
    if not prepares(workflow.dag_settings.targets) and (problem := obstacle(PLAN)):
        sys.exit(f"{WHO}: {problem}")
    # Snakemake 9 starts one more timer, for good, with every job that ends while others wait: after 150 jobs it looks
    # for the next one 150 times a second. The timers serve to hand a queue few jobs at once; one machine has none.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def misused(targets):
    """Return how a run and `--config model=...` do not fit each other, and what would; None if they do."""
    models = ", ".join(sorted({path.stem for folder in PLAN.folders for path in folder.glob("*.yaml")}))
    if "evaluate" in targets and PLAN.config.model is None:
        return (
            "`evaluate` needs a model: snakemake evaluate --config model=<id>, or the path of a model's file; "
            f"there are {models}"
        )
    if "evaluate" in targets and not EVALUATED:
        return (
            f"`evaluate` finds nothing of {PLAN.config.model}: its cells with the base prompt on original media are all "
            "excluded or not applicable; look at `cells` of the configuration"
        )
    if PLAN.config.model is not None and not targets:
        return (
            f"model={PLAN.config.model} is for one target: snakemake evaluate --config model={PLAN.config.model}; to "
            "run a model in the whole grid, add it to `models` of the configuration"
        )
    return None


def prepares(targets):
    """Say whether a run only brings data, makes files on masks or scores what is there: no obstacle to these."""
    names = ("acquire_", "provenance", "partial", "propose_masks_", f"{RESULTS}/masks/")
    return bool(targets) and all(str(target).startswith(names) for target in targets)


@cache
def refused(dataset, model):
    """Return the flag by which a session sends nothing of a dataset that its model must not get."""
    return flag("--refuse", refusal(PLAN, dataset, model))


def share(wildcards):
    """Return how many cores a job that handles all clips of a dataset takes: on one machine its share of them.

    A job of two cores waits until both are free, and they idle while a session of one core still runs. Each of
    eight workers has room in the memory that these jobs ask for.
    """
    if workflow.remote_exec or not workflow.local_exec:
        return 2
    return min(8, max(1, workflow.cores // len(PLAN.config.datasets)))


def growing(**resources):
    """Return resources of which memory and time grow by half with each attempt; profiles say how many there are."""
    return {
        name: _by_attempt(value) if name in ("mem_mb", "runtime") and isinstance(value, int) else value
        for name, value in resources.items()
    }


def _by_attempt(first):
    return lambda wildcards, attempt: first * (attempt + 1) // 2


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
