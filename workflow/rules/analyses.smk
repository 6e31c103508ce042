"""What follows from scores and predictions besides tables: numbers, figures, and sections of the report.

Needs: scores.csv, effects.csv, labels.json, predictions.csv of every cell. Asks no model.
Makes: for each analysis a CSV file and a section (`aqa.reporting.section`), which the report lays out in
the order of SECTIONS; figures of their own are listed in DRAWINGS.
"""

SECTIONS = [f"{RESULTS}/effects.json"]
DRAWINGS = []


rule effects_section:
    """Lay out the tested differences for the report."""
    input:
        effects=rules.effects.output,
        labels=f"{RESULTS}/labels.json",
    output:
        f"{RESULTS}/effects.json",
    log:
        f"{LOGS}/effects_section.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("report"),
    shell:
        "python $AQA/effects_section.py --effects {input.effects:q} --labels {input.labels:q}"
        " --output {output:q} --log {log:q}"
