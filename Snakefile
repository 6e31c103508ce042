"""vlm-aqa: can vision-language models judge how well a movement was performed?

One file of rules a stage, in data-flow order; any file that README.md names is a target.
"""

import sys

from snakemake.utils import min_version

min_version("9.10")

if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


for stage in (
    *("root", "common", "datasets", "pose", "media", "masks", "inference"),
    *("scoring", "analyses", "answers", "bias", "evaluate", "report"),
    *("acquire", "wording"),
    # An image's recipe takes the environments of all rules that there are: 3 GB more for what no experiment runs.
    *(() if "--containerize" in sys.argv else ("train", "train_pose")),
):

    include: f"workflow/rules/{stage}.smk"


rule all:
    """Everything: tables, figures and the report."""
    default_target: True
    input:
        [f"{RESULTS}/report.html", *rules.effects.output, *rules.figure1.output, *DRAWINGS],
        [f"{RESULTS}/tables/table{number}.tex" for number in TABLES],
        [PLAN.file(cell, "metrics.json") for cell in PLAN.grid],
    localrule: True
