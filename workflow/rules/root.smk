"""Where this workflow lies: ROOT, the folder of its scripts, models' files and environments.

Needs: nothing. Never the working directory: the workflow may be a module of another one. A module that comes
straight from a git server (`github(…)`, as snakedeploy writes it) is checked out once for each commit, into
`.snakemake/vlm-aqa`, because its scripts are a library and not single files.
"""

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path


def root(here):
    """Return the folder of the workflow as an absolute path; `here` is the folder of this file."""
    if isinstance(here, os.PathLike):
        return Path(here).resolve().parents[1]
    if hasattr(here, "hosted_repo"):
        return checkout(here.hosted_repo.repo, here.ref)
    sys.exit(
        f"vlm-aqa: the workflow's scripts cannot be fetched from {here}; clone it, and name its Snakefile"
    )


def checkout(repo, ref):
    """Write the files of a commit into the working directory, once, and return their folder."""
    commit = repo.commit(ref).hexsha
    folder = Path(".snakemake", "vlm-aqa", commit).absolute()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        packed = io.BytesIO()
        repo.archive(packed, commit)
        packed.seek(0)
        with tempfile.TemporaryDirectory(dir=folder.parent) as new, tarfile.open(fileobj=packed) as files:
            files.extractall(f"{new}/{commit}", filter="data")
            try:
                Path(new, commit).rename(folder)
            except OSError:  # Another job of this run was faster.
                if not folder.is_dir():
                    raise
    return folder


ROOT = root(workflow.current_basedir)
sys.path.insert(0, str(ROOT / "scripts"))
