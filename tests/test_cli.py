"""What every command line does with its messages when the disk is full."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"
WORK = (
    "import sys; sys.path.insert(0, {scripts!r}); from pathlib import Path; from aqa import cli; "
    "cli.run(lambda: [cli.log.info('line %d', n) for n in range(3)], Path({log!r}))"
)


def work(log):
    """Run a command line that says three lines and writes them to `log` too."""
    code = WORK.format(scripts=str(SCRIPTS), log=str(log))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_log_on_a_full_disk_is_given_up_in_one_line_and_the_work_goes_on():
    done = work("/dev/full")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert [line for line in lines if "cannot" not in line] == [f"INFO: line {n}" for n in range(3)]
    (told,) = (line for line in lines if "cannot" in line)
    assert told.startswith("WARNING: /dev/full: cannot be written")
    assert "No space left on device" in told


def test_a_log_that_cannot_be_opened_stops_the_work_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = work(tmp_path / "file/run.log")
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"ERROR: {tmp_path}/file/run.log: cannot be written")


def test_a_log_holds_what_was_said(tmp_path):
    assert work(tmp_path / "logs/run.log").returncode == 0
    assert (tmp_path / "logs/run.log").read_text().count("INFO line") == 3
