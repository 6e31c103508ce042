"""One vLLM server over several machines of one allocation: vLLM's own multi-node launch, no Ray.

The first node runs the server, as on one machine, with `--nnodes --node-rank=0 --master-addr --master-port`.
On each other node a launcher starts the same command with its own rank and `--headless`, behind a supervisor
of its own: when the launcher's standard input closes there, however the session ended, vLLM ends too. Read in
the source of vLLM 0.32: parallel sizes are multiplied over all nodes, a headless node takes no API servers.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aqa.errors import UserError
from aqa.models import _supervisor

SRUN = (
    *("srun", "--jobid={job}", "--overlap", "--nodes=1", "--ntasks=1", "--relative={rank}"),
    "--cpu-bind=none",
)
"""A step of the Slurm job that the session runs in, on its node number `rank`, counted from 0."""

_JOB = "SLURM_JOB_ID"
_IDENTITY = {_JOB, "SLURM_JOBID", "SLURM_CONF", "SLURM_CLUSTER_NAME"}
"""What a step may know of the job: all else describes the step that the session itself is."""


class Commands(NamedTuple):
    """What runs on the first node, and what starts the others from there."""

    first: list[str]
    others: list[list[str]]


@dataclass(frozen=True)
class Nodes:
    """How many machines a server has, how they are reached, and the address of the first among them."""

    number: int
    launcher: Sequence[str] = SRUN
    address: str | None = None

    def commands(self, program: Sequence[str], flags: Sequence[str], port: int, grace_s: float) -> Commands:
        """Return the commands of all nodes; `port` is free on the first one, `flags` are without HTTP's."""
        address = self.address or socket.gethostname()
        shared = [f"--nnodes={self.number}", f"--master-addr={address}", f"--master-port={port}"]
        headless = [flag for flag in flags if not flag.startswith("--api-server-count=")]
        supervised = [sys.executable, "-I", _supervisor.__file__, "--grace", str(grace_s), "--"]
        others = [
            [
                *self._launch(rank),
                *(*supervised, *program, *headless, *shared, f"--node-rank={rank}", "--headless"),
            ]
            for rank in range(1, self.number)
        ]
        return Commands([*program, *flags, *shared, "--node-rank=0"], others)

    def _launch(self, rank: int) -> list[str]:
        known = {"{rank}": str(rank), "{nodes}": str(self.number), "{job}": os.environ.get(_JOB, "")}
        written = []
        for argument in self.launcher:
            for name, value in known.items():
                argument = argument.replace(name, value)  # noqa: PLW2901
            written.append(argument)
        return written

    def check(self, place: str) -> None:
        """Refuse what would start somewhere else: without a job, srun asks for an allocation of its own.

        Raises:
            UserError: the launcher needs a Slurm job, and there is none.
        """
        if any("{job}" in argument for argument in self.launcher) and not os.environ.get(_JOB):
            raise UserError(
                f"{place}: the model needs {self.number} nodes of one Slurm job, and this is none ({_JOB} is "
                "not set): run with a Slurm profile, or set options.launcher to what starts a command there"
            )


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what describes the session's own step to the steps that it starts."""
    return {
        name: value
        for name, value in values.items()
        if name in _IDENTITY or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }


def from_resources(resources: Mapping[str, Any], gpus: int, place: str) -> int:
    """Return how many nodes a model's file asks for, 1 if it says nothing.

    Args:
        resources: `resources` of the file: `nodes`, and `gpu` (one node) or `gres` (GPUs of each node).
        gpus: what the server's parallel sizes make, over all nodes.
        place: what a message begins with.

    Raises:
        UserError: the numbers contradict each other.
    """
    nodes, gpu = resources.get("nodes", 1), resources.get("gpu")
    if not isinstance(nodes, int) or nodes < 1:
        raise UserError(f"{place}: resources.nodes is {nodes!r}; a number above 0 is expected")
    if nodes == 1:
        if gpu and gpu != gpus:
            raise UserError(
                f"{place}: resources.gpu is {gpu}, but the server's parallel sizes make {gpus}; make them "
                "equal"
            )
        return 1
    if gpus % nodes:
        raise UserError(
            f"{place}: the server's parallel sizes make {gpus} GPUs, which {nodes} nodes (resources.nodes) "
            "cannot share equally"
        )
    if gpu:
        raise UserError(
            f"{place}: resources.gpu counts the GPUs of a whole job; with nodes: {nodes} say what each node "
            f'has, gres: "gpu:{gpus // nodes}"'
        )
    gres = str(resources.get("gres", ""))
    if gres.startswith("gpu") and gres.rpartition(":")[2] != str(gpus // nodes):
        raise UserError(
            f"{place}: resources.gres is '{gres}', but the server's parallel sizes make {gpus // nodes} GPUs "
            f"on each of {nodes} nodes"
        )
    return nodes
