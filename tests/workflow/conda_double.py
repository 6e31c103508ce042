#!/usr/bin/env python3
"""A double of `conda` that speaks what Snakemake asks of it, for machines that have none.

`conda env create` makes a virtual environment. With AQA_UV (a path of `uv`) it installs exactly the `pip:`
block of the file, as conda would; without, it lends the packages of the Python that runs the tests, which
takes no time. Each environment that it made is a line of `created`, each activation a line of `activated`, in
the folder of the double.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from itertools import pairwise
from pathlib import Path

import yaml

PREFIX = Path(__file__).resolve().parents[1]
ACTIVATE = """
echo "$1" >> "{prefix}/activated"
export PATH="$1/bin:$PATH"
"""


def install(folder: Path) -> dict[str, str]:
    """Put the double into a folder; return the environment in which Snakemake finds it."""
    (folder / "bin").mkdir(parents=True)
    conda = folder / "bin" / "conda"
    conda.write_text(Path(__file__).read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1))
    conda.chmod(0o755)
    (folder / "bin" / "activate").write_text(ACTIVATE.format(prefix=folder))
    return {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def create(arguments: list[str]) -> None:
    """Make an environment from a file."""
    given = dict(pairwise(arguments))
    assert {"--quiet", "--no-default-packages"} <= set(arguments)
    file, folder = Path(given["--file"]), Path(given["--prefix"])
    wanted = yaml.safe_load(file.read_text())
    assert wanted["channels"] == ["conda-forge", "nodefaults"]
    (block,) = (entry["pip"] for entry in wanted["dependencies"] if isinstance(entry, dict))
    venv.create(folder, with_pip=False)
    if uv := os.environ.get("AQA_UV"):
        python = folder / "bin" / "python"
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *block], check=True)
    else:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        lent = folder / "lib" / version / "site-packages" / "lent.pth"
        lent.write_text(sysconfig.get_path("purelib") + "\n")
    with (PREFIX / "created").open("a") as created:
        created.write(f"{wanted['name']}\n")


def main() -> None:
    """Answer one call."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print("conda 25.9.1")
    elif arguments == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(PREFIX), "platform": "linux-64"}))
    elif arguments[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["clean", "-y"]:
        pass
    elif arguments[:2] == ["env", "create"]:
        create(arguments[2:])
    else:
        sys.exit(f"conda: error: unknown call {arguments}")


if __name__ == "__main__":
    main()
