#!/usr/bin/env python3
"""A double of `apptainer` that runs commands on this machine, as if in an image made from a recipe.

What the image holds lies in the folder of the double: `conda` (a double too) and `conda-envs`, made by the
commands of the recipe. Each command that ran in the image is a line of `executed`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def install(folder: Path, recipe: str, here: Path) -> str:
    """Build the image of a recipe whose files are named from `here`; return the PATH with the double."""
    import conda_double

    inside = conda_double.install(folder / "conda")
    for source, target in re.findall(r"^ +(\S+) (/conda-envs/\w+/environment\.yaml)$", recipe, re.M):
        prefix = Path(f"{folder}{target}").parent
        prefix.mkdir(parents=True)
        Path(f"{folder}{target}").write_text((here / source).read_text())
    for command in re.findall(r"^ +(conda env create .*)$", recipe, re.M):
        made = command.replace(" /conda-envs", f" {folder}/conda-envs").split()
        made += ["--quiet", "--no-default-packages"]
        subprocess.run(made, check=True, env={**os.environ, **inside})
    double = folder / "apptainer"
    double.write_text(Path(__file__).read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1))
    double.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def main() -> None:
    """Answer one call."""
    if sys.argv[1:] == ["--version"]:
        print("apptainer version 1.4.0")
        return
    *_, image, shell, flag, command = sys.argv
    assert "exec" in sys.argv, sys.argv
    assert Path(image).is_file(), f"no image {image}"
    assert flag == "-c", sys.argv
    with (HERE / "executed").open("a") as executed:
        executed.write(command.replace("\n", " ") + "\n")
    command = command.replace("/conda-envs/", f"{HERE}/conda-envs/")
    path = f"{HERE / 'conda' / 'bin'}:/usr/bin:/bin"
    sys.exit(subprocess.run([shell, "-c", command], env={**os.environ, "PATH": path}, check=False).returncode)


if __name__ == "__main__":
    main()
