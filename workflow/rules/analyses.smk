"""What follows from scores and predictions besides tables: numbers, figures, and sections of the report.

Needs: scores.csv, effects.csv, labels.json, predictions.csv of every cell. Asks no model.
Makes: for each analysis a CSV file and a section (`aqa.reporting.section`), which the report lays out in
the order of SECTIONS; figures of their own are listed in DRAWINGS.
"""

SECTIONS = [f"{RESULTS}/effects.json"]
DRAWINGS = []
ANALYSES = f"{RESULTS}/analyses"
REPEATED = list(PLAN.grid.repeats)
HEADLINE = [cell for cell in PLAN.grid if cell[1:4] == PLAIN]


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


if HEADLINE:
    SECTIONS.insert(0, f"{RESULTS}/skill.json")

    rule skill:
        """Compute every model's skill: one number over all datasets, from guessing (0) to perfect (1)."""
        input:
            metrics=[PLAN.file(cell, "metrics.json") for cell in HEADLINE],
            predictions=[PLAN.file(cell, "predictions.csv") for cell in HEADLINE],
            samples=PLAN.dataset_files(HEADLINE, "samples.jsonl"),
        output:
            f"{RESULTS}/skill.csv",
        log:
            f"{LOGS}/skill.log",
        localrule: True
        conda:
            "../../envs/scoring.yaml"
        params:
            cells=lambda wildcards, input: folders(input.metrics),
            datasets=list(PLAN.config.datasets),
            code=code("score"),
        shell:
            "python $AQA/skill.py --cells {params.cells:q} --samples {input.samples:q}"
            " --datasets {params.datasets:q} --output {output:q} --log {log:q}"

    rule skill_section:
        """Lay out every model's skill, at the top of the report."""
        input:
            skill=rules.skill.output,
            labels=f"{RESULTS}/labels.json",
        output:
            f"{RESULTS}/skill.json",
        log:
            f"{LOGS}/skill_section.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            code=code("report"),
        shell:
            "python $AQA/skill_section.py --skill {input.skill:q} --labels {input.labels:q}"
            " --output {output:q} --log {log:q}"


if REPEATED:
    SECTIONS.append(f"{ANALYSES}/reliability.json")

    rule reliability:
        """Tell the spread between repeats from that between samples, where cells are asked several times."""
        input:
            metrics=[PLAN.file(cell, "metrics.json") for cell in REPEATED],
            predictions=[PLAN.file(cell, "predictions.csv") for cell in REPEATED],
            samples=PLAN.dataset_files(REPEATED, "samples.jsonl"),
            pairs=PLAN.dataset_files(PLAN.comparing(REPEATED), "pairs.jsonl"),
        output:
            f"{ANALYSES}/reliability.csv",
        log:
            f"{LOGS}/reliability.log",
        localrule: True
        conda:
            "../../envs/scoring.yaml"
        params:
            cells=lambda wildcards, input: folders(input.metrics),
            seed=PLAN.config.seed,
            resamples=PLAN.config.scoring.resamples,
            code=code("score"),
        shell:
            "python $AQA/reliability.py --cells {params.cells:q} --samples {input.samples:q} --pairs {input.pairs:q}"
            " --seed {params.seed} --resamples {params.resamples} --output {output:q} --log {log:q}"

    rule reliability_section:
        """Draw the reliability of repeated sampling and lay it out for the report."""
        input:
            reliability=rules.reliability.output,
            labels=f"{RESULTS}/labels.json",
        output:
            section=f"{ANALYSES}/reliability.json",
            figure=multiext(f"{RESULTS}/figures/reliability", ".pdf", ".svg", ".png"),
        log:
            f"{LOGS}/reliability_section.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            figure=lambda wildcards, output: stem(output.figure),
            code=code("report"),
        shell:
            "python $AQA/reliability_section.py --reliability {input.reliability:q} --labels {input.labels:q}"
            " --figure {params.figure:q} --output {output.section:q} --log {log:q}"
