"""What prompts, positions and guesses do to numbers, and what the study reported (sections 2.3, 3.4, 3.5).

Needs: scores.csv, labels.json; samples.jsonl, evaluated.txt and pairs.jsonl of the datasets; predictions.csv and
metrics.json of cells. Asks no model.
Makes: for each analysis numbers and a section in `results/analyses`, its figures in `results/figures`; Figure 2.
"""

COMPARED = [cell for cell in PLAN.grid if cell.task == "compare"]
SCORED = [dataset for dataset, metadata in PLAN.metadata.items() if metadata.kind == "regression"]
GAPS = [cell for cell in COMPARED if cell.dataset in SCORED]
JUDGED = [cell for cell in PLAN.grid if cell.task == "judge"]
GUIDED = [
    cell
    for cell in JUDGED
    if cell.representation == "original"
    and cell.strategy in ("base", "positive_guidelines", "negative_guidelines")
]
FIGURE_2 = any(cell[2:4] == ("original", "base") for cell in GAPS)

if GUIDED:
    SECTIONS.append(f"{RESULTS}/analyses/polarity.json")
    DRAWINGS += multiext(f"{RESULTS}/figures/polarity_shift", ".pdf", ".svg", ".png")

    rule polarity:
        """Correctness bias, and what the polarity of guidelines changes (section 3.4)."""
        input:
            labels=f"{RESULTS}/labels.json",
            metrics=[PLAN.file(cell, "metrics.json") for cell in GUIDED],
            predictions=[PLAN.file(cell, "predictions.csv") for cell in GUIDED],
            samples=PLAN.dataset_files(GUIDED, "samples.jsonl"),
        output:
            section=f"{RESULTS}/analyses/polarity.json",
            numbers=[f"{RESULTS}/analyses/polarity_{name}.csv" for name in ("levels", "shifts")],
            figures=multiext(f"{RESULTS}/figures/polarity_shift", ".pdf", ".svg", ".png"),
        log:
            f"{LOGS}/polarity.log",
        conda:
            "../../envs/report.yaml"
        resources:
            **growing(mem_mb=2000, runtime=60),
        params:
            cells=lambda wildcards, input: folders(input.metrics),
            figures=lambda wildcards, output: folders(output.figures),
            seed=PLAN.config.seed,
            resamples=PLAN.config.scoring.resamples,
            code=code("report"),
        shell:
            "python $AQA/polarity.py --labels {input.labels:q} --cells {params.cells:q} --samples {input.samples:q}"
            " --seed {params.seed} --resamples {params.resamples} --figures {params.figures:q}"
            " --output {output.section:q} --log {log:q}"


if COMPARED:
    SECTIONS.append(f"{RESULTS}/analyses/comparisons.json")
    DRAWINGS += multiext(f"{RESULTS}/figures/position_bias", ".pdf", ".svg", ".png")

    rule comparisons:
        """The compare task: consistency, position preference, accuracy by score gap (section 3.5)."""
        input:
            scores=rules.collect.output,
            labels=f"{RESULTS}/labels.json",
            predictions=[PLAN.file(cell, "predictions.csv") for cell in GAPS],
            pairs=PLAN.dataset_files(GAPS, "pairs.jsonl"),
            samples=PLAN.dataset_files(GAPS, "samples.jsonl"),
        output:
            section=f"{RESULTS}/analyses/comparisons.json",
            gaps=f"{RESULTS}/analyses/gaps.csv",
            trends=f"{RESULTS}/analyses/gap_trends.csv",
            figures=multiext(f"{RESULTS}/figures/position_bias", ".pdf", ".svg", ".png"),
        log:
            f"{LOGS}/comparisons.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            cells=lambda wildcards, input: folders(input.predictions),
            figures=lambda wildcards, output: folders(output.figures),
            bins=dumps(PLAN.config.scoring.gap_bins).decode(),
            code=code("report"),
        shell:
            "python $AQA/comparisons.py --scores {input.scores:q} --labels {input.labels:q} --cells {params.cells:q}"
            " --pairs {input.pairs:q} --samples {input.samples:q} --gap-bins {params.bins:q}"
            " --figures {params.figures:q} --output {output.section:q} --log {log:q}"


if FIGURE_2:
    DRAWINGS += multiext(f"{RESULTS}/figures/figure2", ".pdf", ".svg", ".png")

    rule figure2:
        """Figure 2: accuracy of the compare task against the score gap of the pair (section 3.5)."""
        input:
            labels=f"{RESULTS}/labels.json",
            gaps=rules.comparisons.output.gaps,
            trends=rules.comparisons.output.trends,
        output:
            report(
                multiext(f"{RESULTS}/figures/figure2", ".pdf", ".svg", ".png"),
                caption="../report/figure2.rst",
                category="Figures",
            ),
        log:
            f"{LOGS}/figure2.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            stem=lambda wildcards, output: stem(output),
            code=code("report"),
        shell:
            "python $AQA/figure.py --number 2 --labels {input.labels:q} --gaps {input.gaps:q}"
            " --trends {input.trends:q} --output {params.stem:q} --log {log:q}"


if any(cell.dataset in SCORED for cell in JUDGED):
    SECTIONS.append(f"{RESULTS}/analyses/distance.json")

    rule distance:
        """The relative distance in both forms, and what guessing scores on it (section 2.3)."""
        input:
            scores=rules.collect.output,
            labels=f"{RESULTS}/labels.json",
            samples=PLAN.dataset_files([c for c in JUDGED if c.dataset in SCORED], "samples.jsonl"),
            evaluated=PLAN.dataset_files([c for c in JUDGED if c.dataset in SCORED], "evaluated.txt"),
        output:
            section=f"{RESULTS}/analyses/distance.json",
            numbers=f"{RESULTS}/analyses/distance.csv",
        log:
            f"{LOGS}/distance.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            code=code("report"),
        shell:
            "python $AQA/distance.py --scores {input.scores:q} --labels {input.labels:q} --samples {input.samples:q}"
            " --evaluated {input.evaluated:q} --output {output.section:q} --log {log:q}"


SECTIONS += [f"{RESULTS}/analyses/{name}.json" for name in ("reproduced", "settings")]


rule reproduced:
    """The values that the study printed, beside those of this run."""
    input:
        scores=rules.collect.output,
        labels=f"{RESULTS}/labels.json",
        metrics=[PLAN.file(cell, "metrics.json") for cell in JUDGED],
        predictions=[PLAN.file(cell, "predictions.csv") for cell in JUDGED],
        samples=PLAN.dataset_files(JUDGED, "samples.jsonl"),
    output:
        section=f"{RESULTS}/analyses/reproduced.json",
        numbers=f"{RESULTS}/analyses/reproduced.csv",
    log:
        f"{LOGS}/reproduced.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        cells=lambda wildcards, input: folders(input.metrics),
        code=code("report"),
    shell:
        "python $AQA/reproduced.py --scores {input.scores:q} --labels {input.labels:q} --cells {params.cells:q}"
        " --samples {input.samples:q} --output {output.section:q} --log {log:q}"


rule open_settings:
    """The settings that the study leaves open, with what this run took and why."""
    input:
        labels=f"{RESULTS}/labels.json",
    output:
        section=f"{RESULTS}/analyses/settings.json",
        numbers=f"{RESULTS}/analyses/settings.csv",
    log:
        f"{LOGS}/open_settings.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("report"),
    shell:
        "python $AQA/open_settings.py --labels {input.labels:q} --output {output.section:q} --log {log:q}"
