"""From numbers to tables, figures and the report.

Needs: scores.csv, predictions.csv and metrics.json of every cell.
"""

from aqa.reporting.layout import printable

TABLES = printable(PLAN.grid, [model for model, file in PLAN.models.items() if file.baseline])
DATASETS = tuple(dict.fromkeys(cell.dataset for cell in PLAN.grid))


rule labels:
    """Write down what was planned: the names to print, the cells, and what is not applicable."""
    input:
        list(PLAN.model_paths.values()),
        verifications=PLAN.verifications(),
    output:
        f"{RESULTS}/labels.json",
    log:
        f"{LOGS}/labels.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        config=PLAN.config.model_dump_json(),
        verifications=lambda wildcards, input: folders(input.verifications),
        code=code("labels"),
    shell:
        "python $AQA/labels.py --config {params.config:q} --root $AQA/.. --verifications {params.verifications:q}"
        " --output {output:q} --log {log:q}"


for number in TABLES:

    rule:
        """Tables 1 to 5 of the paper, as far as the grid has their cells, with a companion of intervals."""
        name:
            f"table{number}"
        input:
            scores=rules.collect.output,
            labels=rules.labels.output,
        output:
            report(
                multiext(f"{RESULTS}/tables/table{number}", ".csv", ".tex", ".md"),
                caption=f"../report/table{number}.rst",
                category="Tables",
            ),
            multiext(f"{RESULTS}/tables/table{number}_intervals", ".csv", ".tex", ".md"),
        log:
            f"{LOGS}/table{number}.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            number=number,
            stem=lambda wildcards, output: stem(output),
            code=code("report"),
        shell:
            "python $AQA/table.py --number {params.number} --scores {input.scores:q} --labels {input.labels:q}"
            " --output {params.stem:q} --log {log:q}"


rule figure1:
    """Figure 1: predictions of correct execution and predicted scores against the truth (section 3.4)."""
    input:
        labels=rules.labels.output,
        samples=PLAN.dataset_files(PLAN.grid, "samples.jsonl"),
        predictions=[PLAN.file(cell, "predictions.csv") for cell in PLAN.grid],
    output:
        report(
            multiext(f"{RESULTS}/figures/figure1", ".pdf", ".svg", ".png"),
            caption="../report/figure1.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/figure1.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        stem=lambda wildcards, output: stem(output),
        cells=lambda wildcards, input: folders(input.predictions),
        code=code("report"),
    shell:
        "python $AQA/figure.py --number 1 --labels {input.labels:q} --samples {input.samples:q}"
        " --cells {params.cells:q} --output {params.stem:q} --log {log:q}"


for dataset in DATASETS:

    rule:
        """A contact sheet: a few clips in every representation (Appendix A), and how well poses are known."""
        name:
            f"appearance_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            manifests=list(PLAN.targets(dataset)),
            poses=f"{RESULTS}/pose/{dataset}/manifest.jsonl" if PLAN.posed(dataset) else [],
        output:
            f"{RESULTS}/appearance/{dataset}.json",
        log:
            f"{LOGS}/appearance/{dataset}.log",
        localrule: True
        conda:
            "../../envs/media.yaml"
        params:
            dataset=dataset,
            seed=PLAN.config.seed,
            optional=lambda wildcards, input, dataset=dataset: flags(
                ("--poses", input.poses), ("--placeholders", not PLAN.may_show(dataset))
            ),
            code=code("appearance"),
        shell:
            "python $AQA/appearance.py --dataset {params.dataset} --samples {input.samples:q}"
            " --manifests {input.manifests:q} --seed {params.seed} {params.optional}"
            " --output {output:q} --log {log:q}"


rule report_page:
    """The report: one page that opens without network."""
    input:
        scores=rules.collect.output,
        labels=rules.labels.output,
        tables=[f"{RESULTS}/tables/table{number}.csv" for number in TABLES],
        figures=[*rules.figure1.output, *DRAWINGS],
        metrics=[PLAN.file(cell, "metrics.json") for cell in (*PLAN.grid, *PLAN.people())],
        appearances=[f"{RESULTS}/appearance/{dataset}.json" for dataset in DATASETS],
        sections=SECTIONS,
    output:
        report(f"{RESULTS}/report.html", caption="../report/report.rst", category="Report"),
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        tables=lambda wildcards, input: folders(input.tables),
        figures=lambda wildcards, input: folders(input.figures),
        code=code("report"),
    shell:
        "python $AQA/report.py --scores {input.scores:q} --labels {input.labels:q}"
        " --tables {params.tables:q} --figures {params.figures:q} --metrics {input.metrics:q}"
        " --appearances {input.appearances:q} --sections {input.sections:q} --output {output:q} --log {log:q}"


rule cells:
    """Print the cells of the grid, and why each absent one is absent."""
    output:
        f"{RESULTS}/cells.csv",
    log:
        f"{LOGS}/cells.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        config=PLAN.config.model_dump_json(),
        code=code("report"),
    shell:
        "python $AQA/cells.py --config {params.config:q} --root $AQA/.. --output {output:q} --log {log:q}"


rule preview:
    """Show what a cell sends: messages, frames and the expected answers, before a token is spent."""
    input:
        requests=f"{RESULTS}/cells/{{dataset}}/{{task}}/{{representation}}/{{strategy}}/{{model}}/requests.jsonl",
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.jsonl",
        pairs=lambda wildcards: (
            f"{RESULTS}/datasets/{wildcards.dataset}/pairs.jsonl" if wildcards.task == "compare" else []
        ),
        model=lambda wildcards: PLAN.model_paths[wildcards.model],
    output:
        f"{RESULTS}/preview/{{dataset}}/{{task}}/{{representation}}/{{strategy}}/{{model}}.html",
    log:
        f"{LOGS}/preview/{{dataset}}/{{task}}/{{representation}}/{{strategy}}/{{model}}.log",
    localrule: True
    conda:
        "../../envs/media.yaml"
    params:
        media=f"{RESULTS}/media",
        optional=lambda wildcards, input: flags(
            ("--pairs", input.pairs),
            ("--placeholders", not PLAN.may_show(wildcards.dataset)),
            ("--model", [] if PLAN.models[wildcards.model].baseline else input.model),
            ("--seed", [] if PLAN.models[wildcards.model].baseline else PLAN.config.seed),
        ),
        code=code("report"),
    shell:
        "python $AQA/preview.py --requests {input.requests:q} --samples {input.samples:q} --media {params.media:q}"
        " {params.optional} --output {output:q} --log {log:q}"
