"""A real Slurm on this one machine: two nodes with GPUs that exist by name only, loopback only, no systemd.

Needs root and the Debian packages that `.ci/slurm` installs. Every node is a slurmd of its own on a port of
its own, so that one can be lost while the other works. The daemons' files lie in a folder that all may enter,
which munge insists on; `/etc/slurm` gets links to them, because a job step of Snakemake's plugin drops every
SLURM_ variable and finds its configuration nowhere else. By hand:

    python tests/slurm/cluster.py start [--accounting] [--folder FOLDER]
    python tests/slurm/cluster.py stop [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

ETC = Path("/etc/slurm")
NODES = ("node1", "node2")
GPUS = 2
CPUS = 4
MEMORY_MB = 8000
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "slurmdbd", "mariadbd", "mariadb-install-db")

CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SrunPortRange=17100-17600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/run/spool.%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
SlurmdParameters=config_overrides
PluginDir={plugins}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,sched_min_interval=0,bf_interval=2
MinJobAge=300
KillWait=5
SlurmctldTimeout=30
SlurmdTimeout=60
InactiveLimit=0
DefMemPerCPU=200
GresTypes=gpu
{accounting}
{nodes}
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP LLN=YES
"""

ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=16819
AccountingStoragePass={folder}/run/munge.socket
AccountingStorageTRES=gres/gpu"""

DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort=16819
CommunicationParameters=NoInAddrAny
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
PluginDir={plugins}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""

CGROUPS = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainDevices=no\nConstrainRAMSpace=no\n"


class Cluster:
    """The daemons of one cluster; `accounting` starts a database and slurmdbd too.

    As a context manager without a folder it makes one and removes it.
    """

    def __init__(self, folder: Path | None = None, *, accounting: bool = False) -> None:
        self._made = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="aqa-slurm-"))
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.accounting = accounting
        self._host = socket.gethostname().split(".")[0]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._made:
            shutil.rmtree(self.folder)

    def start(self) -> None:
        """Write the configuration, start every daemon and wait until both nodes are idle."""
        if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
            raise RuntimeError(f"not installed: {', '.join(lacking)}; .ci/slurm installs them")
        self._write()
        self._start_munge()
        if self.accounting:
            self._start_database()
        run("slurmctld", "-i")
        for node in NODES:
            self.start_node(node)
        wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "both nodes are idle")

    def stop(self) -> None:
        """Cancel every job and end every daemon that this folder's pid files name."""
        if (self.folder / "run/slurmctld.pid").is_file():
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(["scancel", "--user=root"], timeout=10, capture_output=True, check=False)
        pid_files = [self.folder / f"run/slurmd.{node}.pid" for node in NODES]
        for name in ("slurmctld", "slurmdbd", "mariadbd", "munged"):
            pid_files.append(self.folder / f"run/{name}.pid")
        for pid_file in pid_files:
            end(pid_file)
        for link in ETC.iterdir() if ETC.is_dir() else ():
            if link.is_symlink() and link.readlink().is_relative_to(self.folder):
                link.unlink()

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        (self.folder / f"run/spool.{node}").mkdir(exist_ok=True)
        run("slurmd", "-N", node)

    def lose_node(self, node: str, *, processes: bool) -> None:
        """Kill a node's slurmd as a failure of the machine would, and tell Slurm that the node is down.

        Without `processes` the jobs' own processes live on: a node that only the network has lost.
        """
        steps = self.steps(node) if processes else []
        for pid in [pid_of(self.folder / f"run/slurmd.{node}.pid"), *steps]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def steps(self, node: str) -> list[int]:
        """Return the processes of all jobs on a node, after those of Slurm's own that watch them."""
        work, watch = [], set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and f"SLURMD_NODENAME={node}".encode() in (
                    (entry / "environ").read_bytes().split(b"\0")
                ):
                    work.append(int(entry.name))
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    if Path(f"/proc/{parent}/comm").read_text() == "slurmstepd\n":
                        watch.add(int(parent))
        return [*watch, *work]

    def return_node(self, node: str) -> None:
        """Start a lost node again and wait until it takes jobs."""
        self.start_node(node)
        succeeds("scontrol", "update", f"nodename={node}", "state=resume")  # It may have come back by itself.
        wait(lambda: self.states()[node] in ("idle", "mixed", "allocated"), f"{node} takes jobs")

    def states(self) -> dict[str, str]:
        """Return the state of each node."""
        shown = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%N %T"], capture_output=True, text=True, check=False
        )
        return dict(line.split() for line in shown.stdout.splitlines())

    def jobs(self) -> list[dict[str, str]]:
        """Return what Slurm knows of every job, those that ended within five minutes included: JobId,
        JobState, NodeList, TresPerJob, Comment (which names the rule) and others."""
        shown = subprocess.run(
            ["scontrol", "--oneliner", "show", "jobs"], capture_output=True, text=True, check=False
        )
        lines = (line for line in shown.stdout.splitlines() if line.startswith("JobId="))
        return [dict(field.split("=", 1) for field in line.split() if "=" in field) for line in lines]

    def working(self) -> list[dict[str, str]]:
        """Return the jobs that wait or run."""
        return [job for job in self.jobs() if job["JobState"] in ("PENDING", "RUNNING", "COMPLETING")]

    def _write(self) -> None:
        for name in ("etc", "log", "run", "munge", "state", "dev"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name).chmod(0o755)  # munged refuses folders that others may write.
        (self.folder / "munge").chmod(0o700)
        plugins = next(Path("/usr/lib").glob("*/slurm-wlm"))
        facts = {"folder": self.folder, "host": self._host, "plugins": plugins}
        nodes, devices = "", ""
        for number, node in enumerate(NODES, start=1):
            nodes += (
                f"NodeName={node} NodeHostname={self._host} NodeAddr=127.0.0.1 Port={17000 + number} "
                f"CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:{GPUS} State=UNKNOWN\n"
            )
            for gpu in range(GPUS):
                self._device(f"{node}_gpu{gpu}")
            devices += f"NodeName={node} Name=gpu File={self.folder}/dev/{node}_gpu[0-{GPUS - 1}]\n"
        accounting = ACCOUNTING.format(**facts) if self.accounting else ""
        files = {
            "slurm.conf": CONFIGURATION.format(**facts, nodes=nodes, accounting=accounting),
            "gres.conf": devices,
            "cgroup.conf": CGROUPS,
        }
        files |= {"slurmdbd.conf": DATABASE.format(**facts)} if self.accounting else {}
        ETC.mkdir(exist_ok=True)
        for name, text in files.items():
            if (ETC / name).exists() and not (ETC / name).is_symlink():
                raise RuntimeError(f"{ETC / name} is another cluster's")
            path = self.folder / "etc" / name
            path.write_text(text)
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(path)

    def _device(self, name: str) -> None:
        """Make a character device, which is all that Slurm asks of a GPU; this one is /dev/null."""
        path = self.folder / "dev" / name
        if not path.exists():
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))

    def _start_munge(self) -> None:
        key = self.folder / "munge/munge.key"
        if not key.exists():
            key.write_bytes(secrets.token_bytes(1024))
            key.chmod(0o400)
        places = {
            "key-file": key,
            "socket": self.folder / "run/munge.socket",
            "pid-file": self.folder / "run/munged.pid",
            "log-file": self.folder / "munge/munged.log",
            "seed-file": self.folder / "munge/munged.seed",
        }
        run("munged", "--num-threads=2", *(f"--{name}={path}" for name, path in places.items()))

    def _start_database(self) -> None:
        data, made = self.folder / "mysql", (self.folder / "mysql/mysql").is_dir()
        at = self.folder / "run/mysql.sock"
        if not made:
            data.mkdir(exist_ok=True)
            run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db")
        with (self.folder / "log/mariadbd.log").open("ab") as log:
            subprocess.Popen(
                [
                    *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={at}"),
                    *("--skip-networking", f"--pid-file={self.folder}/run/mariadbd.pid"),
                    *("--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900"),
                    "--innodb-flush-log-at-trx-commit=0",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        sql = ["mariadb", "--no-defaults", f"--socket={at}", "--execute"]
        wait(lambda: succeeds(*sql, "select 1"), "the database answers")
        run(
            *sql,
            "create database if not exists slurm_acct_db; "
            "create user if not exists 'slurm'@'localhost' identified by 'slurm'; "
            "grant all on slurm_acct_db.* to 'slurm'@'localhost';",
        )
        run("slurmdbd", MYSQL_UNIX_PORT=str(at))
        wait(lambda: succeeds("sacctmgr", "--noheader", "list", "cluster"), "slurmdbd answers")
        add = ("sacctmgr", "--immediate", "add")
        for entry in (
            ("cluster", "local"),
            ("account", "judges", "Description=test", "Organization=test"),
            ("user", "root", "Account=judges", "AdminLevel=Admin"),
        ):
            succeeds(*add, *entry)


def run(*command: str, **environment: str) -> str:
    """Run a command and return what it printed; it must succeed."""
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def succeeds(*command: str) -> bool:
    """Run a command and say whether it succeeded."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def wait(condition: Callable[[], bool], what: str, seconds: float = 60.0, pause: float = 0.2) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"after {seconds:g} s it still does not hold that {what}")
        time.sleep(pause)


def pid_of(pid_file: Path) -> int:
    return int(pid_file.read_text())


def end(pid_file: Path) -> None:
    """End the daemon that a pid file names, if it is still that daemon."""
    try:
        pid = pid_of(pid_file)
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return
    if not pid_file.name.startswith(name):
        return
    os.kill(pid, signal.SIGTERM)
    gone = Path(f"/proc/{pid}")
    try:
        wait(lambda: not gone.exists() or " Z " in (gone / "stat").read_text(), f"{name} has ended", 15)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


def main() -> None:
    """Start or stop a cluster by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=("start", "stop"))
    parser.add_argument("--folder", type=Path, default=Path("/tmp/slurm"))
    parser.add_argument("--accounting", action="store_true")
    chosen = parser.parse_args()
    cluster = Cluster(chosen.folder.resolve(), accounting=chosen.accounting)
    if chosen.do == "stop":
        cluster.stop()
        return
    try:
        cluster.start()
    except (RuntimeError, TimeoutError) as error:
        cluster.stop()
        sys.exit(str(error))
    print(" ".join(f"{node}={state}" for node, state in cluster.states().items()))


if __name__ == "__main__":
    main()
