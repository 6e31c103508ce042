"""What models answered besides the metrics: distributions, unusable answers, costs and reasoning.

Needs: scores.csv, labels.json; of every cell predictions.csv and responses.jsonl; samples.jsonl.
Makes: for each analysis numbers and a section in `results/analyses`, and its figures in `results/figures`. Asks
a model only if `traces.judge` names one: its requests are a cell outside the grid, asked through a journal as
any other.
"""

ANALYSES = f"{RESULTS}/analyses"
FORMS = (".pdf", ".svg", ".png")
JUDGE = f"{RESULTS}/analyses/traces/judge/text/statement/{PLAN.config.traces.judge}"
SECTIONS += [f"{ANALYSES}/{name}.json" for name in ("distributions", "outcomes", "costs", "traces")]
DRAWINGS += [
    f"{RESULTS}/figures/{name}{form}"
    for name in (
        *("distributions_options", "distributions_scores", "outcomes"),
        *("costs", "traces", "traces_results"),
    )
    for form in FORMS
]


rule distributions:
    """Set the distributions of predictions beside the truth's (section 3.4)."""
    input:
        labels=f"{RESULTS}/labels.json",
        samples=PLAN.dataset_files(PLAN.grid, "samples.jsonl"),
        predictions=[PLAN.file(cell, "predictions.csv") for cell in PLAN.grid],
    output:
        numbers=multiext(f"{ANALYSES}/distributions", ".json", "_options.csv", "_scores.csv"),
        options=multiext(f"{RESULTS}/figures/distributions_options", *FORMS),
        scores=multiext(f"{RESULTS}/figures/distributions_scores", *FORMS),
    log:
        f"{LOGS}/distributions.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        output=lambda wildcards, output: folders(output.numbers),
        figures=lambda wildcards, output: folders(output.options),
        cells=lambda wildcards, input: folders(input.predictions),
        code=code("report"),
    shell:
        "python $AQA/distributions.py --labels {input.labels:q} --samples {input.samples:q} --cells {params.cells:q}"
        " --output {params.output:q} --figures {params.figures:q} --log {log:q}"


rule outcomes:
    """Show which cells lack usable answers, and why."""
    input:
        scores=rules.collect.output,
        labels=f"{RESULTS}/labels.json",
    output:
        numbers=multiext(f"{ANALYSES}/outcomes", ".json", ".csv"),
        figure=multiext(f"{RESULTS}/figures/outcomes", *FORMS),
    log:
        f"{LOGS}/outcomes.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        output=lambda wildcards, output: stem(output.numbers),
        figure=lambda wildcards, output: stem(output.figure),
        code=code("report"),
    shell:
        "python $AQA/outcomes.py --scores {input.scores:q} --labels {input.labels:q} --output {params.output:q}"
        " --figure {params.figure:q} --log {log:q}"


rule costs:
    """Set tokens and money beside quality."""
    input:
        scores=rules.collect.output,
        labels=f"{RESULTS}/labels.json",
        models=list(PLAN.model_paths.values()),
        responses=[PLAN.file(cell, "responses.jsonl") for cell in PLAN.grid],
    output:
        numbers=multiext(f"{ANALYSES}/costs", ".json", ".csv"),
        figure=multiext(f"{RESULTS}/figures/costs", *FORMS),
    log:
        f"{LOGS}/costs.log",
    conda:
        "../../envs/report.yaml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        output=lambda wildcards, output: stem(output.numbers),
        figure=lambda wildcards, output: stem(output.figure),
        cells=lambda wildcards, input: folders(input.responses),
        seed=PLAN.config.seed,
        code=code("report"),
    shell:
        "python $AQA/costs.py --scores {input.scores:q} --labels {input.labels:q} --models {input.models:q}"
        " --seed {params.seed} --cells {params.cells:q} --output {params.output:q} --figure {params.figure:q}"
        " --log {log:q}"


rule traces:
    """Read what models' reasoning states before they answer (section 3.6)."""
    input:
        labels=f"{RESULTS}/labels.json",
        samples=PLAN.dataset_files(PLAN.grid, "samples.jsonl"),
        predictions=[PLAN.file(cell, "predictions.csv") for cell in PLAN.grid],
        responses=[PLAN.file(cell, "responses.jsonl") for cell in PLAN.grid],
        judge=[] if PLAN.judge is None else f"{JUDGE}/responses.jsonl",
    output:
        [] if PLAN.judge is None else f"{ANALYSES}/traces_judge.csv",
        numbers=multiext(f"{ANALYSES}/traces", ".json", ".csv"),
        statements=multiext(f"{RESULTS}/figures/traces", *FORMS),
        results=multiext(f"{RESULTS}/figures/traces_results", *FORMS),
    log:
        f"{LOGS}/traces.log",
    conda:
        "../../envs/report.yaml"
    resources:
        **growing(mem_mb=4000, runtime=240),
    params:
        output=lambda wildcards, output: folders(output.numbers),
        figures=lambda wildcards, output: folders(output.statements),
        cells=lambda wildcards, input: folders(input.predictions),
        optional=lambda wildcards, input: flags(
            ("--limit", PLAN.config.traces.limit), ("--judge", input.judge and Path(input.judge).parent)
        ),
        sentences=PLAN.config.traces.judge_sentences,
        seed=PLAN.config.seed,
        resamples=PLAN.config.scoring.resamples,
        code=code("report"),
    shell:
        "python $AQA/traces.py report --labels {input.labels:q} --samples {input.samples:q} --cells {params.cells:q}"
        " {params.optional} --sentences {params.sentences} --seed {params.seed} --resamples {params.resamples}"
        " --output {params.output:q} --figures {params.figures:q} --log {log:q}"


if PLAN.judge is not None:
    judging = needs(PLAN.judge)

    rule judge_requests:
        """Ask what sentences of models' reasoning state: one request a sentence, no media."""
        input:
            labels=f"{RESULTS}/labels.json",
            samples=PLAN.dataset_files(PLAN.grid, "samples.jsonl"),
            predictions=[PLAN.file(cell, "predictions.csv") for cell in PLAN.grid],
            responses=[PLAN.file(cell, "responses.jsonl") for cell in PLAN.grid],
            model=str(PLAN.judge_path),
        output:
            f"{JUDGE}/requests.jsonl",
        log:
            f"{LOGS}/judge_requests.log",
        conda:
            "../../envs/report.yaml"
        resources:
            **growing(mem_mb=4000, runtime=240),
        params:
            cells=lambda wildcards, input: folders(input.predictions),
            limit=lambda wildcards, input: flag("--limit", PLAN.config.traces.limit),
            may=[
                dataset
                for dataset, chosen in PLAN.config.datasets.items()
                if PLAN.embedded(dataset) or chosen.i_may_upload or PLAN.metadata[dataset].upload
            ],
            sentences=PLAN.config.traces.judge_sentences,
            seed=PLAN.config.seed,
            cell=lambda wildcards, output: Path(output[0]).parent,
            code=code("report"),
        shell:
            "python $AQA/traces.py judge --labels {input.labels:q} --samples {input.samples:q}"
            " --cells {params.cells:q} {params.limit} --sentences {params.sentences} --seed {params.seed}"
            " --model {input.model:q} --may-upload {params.may:q} --cell {params.cell:q} --log {log:q}"

    rule judge_responses:
        """Ask the judge what its journal lacks, as for any cell."""
        input:
            requests=f"{JUDGE}/requests.jsonl",
            model=str(PLAN.judge_path),
        output:
            f"{JUDGE}/responses.jsonl",
        log:
            f"{LOGS}/judge_responses.log",
        conda:
            "../../envs/inference.yaml"
            if judging.environment is None
            else f"../../envs/{judging.environment}"
        threads: judging.threads
        resources:
            **growing(**judging.resources),
        params:
            model=PLAN.config.traces.judge,
            media=f"{RESULTS}/media",
            journals=f"{RESULTS}/journals",
            seed=PLAN.config.seed,
            accept=PLAN.config.inference.accept_failed,
            caps=lambda wildcards, input: flags(
                ("--max-cost-usd", PLAN.config.inference.max_cost_usd),
                ("--max-requests", PLAN.config.inference.max_requests),
            ),
            cell=lambda wildcards, output: Path(output[0]).parent,
        shell:
            "python $AQA/infer.py --model-id {params.model} --model {input.model:q} --media {params.media:q}"
            " --journals {params.journals:q} --seed {params.seed} --accept-failed {params.accept} {params.caps}"
            " --cells {params.cell:q} --log {log:q}"
