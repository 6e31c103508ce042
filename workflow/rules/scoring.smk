"""From answers to numbers: predictions.csv and metrics.json of every cell, and scores.csv.

Needs: samples.jsonl, requests.jsonl, drafts.json, responses.jsonl; for people, the dataset's files. Asks no model.
"""

for key, cells in group(PLAN.grid, PLAN.score_key).items():

    rule:
        """Parse and score the cells of one session and dataset."""
        name:
            f"score_{'_'.join(key)}"
        input:
            samples=f"{RESULTS}/datasets/{cells[0].dataset}/samples.jsonl",
            evaluated=f"{RESULTS}/datasets/{cells[0].dataset}/evaluated.txt",
            asked=list(dict.fromkeys(map(PLAN.asked, cells))),
            pairs=PLAN.dataset_files(PLAN.comparing(cells), "pairs.jsonl"),
            requests=[PLAN.file(cell, "requests.jsonl") for cell in cells],
            drafts=[PLAN.file(cell, "drafts.json") for cell in cells],
            responses=[PLAN.file(cell, "responses.jsonl") for cell in cells],
        output:
            [PLAN.file(cell, "predictions.csv") for cell in cells],
            [PLAN.file(cell, "metrics.json") for cell in cells],
        log:
            f"{LOGS}/score/{'_'.join(key)}.log",
        localrule: True
        conda:
            "../../envs/scoring.yaml"
        params:
            kind=PLAN.metadata[cells[0].dataset].kind,
            unit=PLAN.unit(cells[0].dataset),
            pairs=lambda wildcards, input: flags(("--pairs", input.pairs)),
            seed=PLAN.config.seed,
            resamples=PLAN.config.scoring.resamples,
            cells=lambda wildcards, output: folders(output),
            asked=list(map(PLAN.asked, cells)),
            code=code("score"),
        shell:
            "python $AQA/score.py --samples {input.samples:q}"
            " --evaluated {input.evaluated:q} --asked {params.asked:q} --kind {params.kind}"
            " --unit {params.unit} --seed {params.seed} --resamples {params.resamples}"
            " {params.pairs} --cells {params.cells:q} --log {log:q}"


for cell in PLAN.people():

    rule:
        """Score people against one another, where a dataset tells what each of them said."""
        name:
            f"human_{cell.dataset}"
        input:
            samples=f"{RESULTS}/datasets/{cell.dataset}/samples.jsonl",
            evaluated=f"{RESULTS}/datasets/{cell.dataset}/evaluated.txt",
        output:
            PLAN.file(cell, "predictions.csv"),
            PLAN.file(cell, "metrics.json"),
        log:
            f"{LOGS}/human/{cell.dataset}.log",
        localrule: True
        conda:
            "../../envs/scoring.yaml"
        params:
            dataset=cell.dataset,
            data=PLAN.data(cell.dataset),
            settings=dumps(PLAN.config.datasets[cell.dataset].settings).decode(),
            unit=PLAN.unit(cell.dataset),
            seed=PLAN.config.seed,
            resamples=PLAN.config.scoring.resamples,
            cell=lambda wildcards, output: str(Path(output[0]).parent),
            code=code("human", cell.dataset),
        shell:
            "python $AQA/human.py --dataset {params.dataset} --data {params.data:q} --settings {params.settings:q}"
            " --samples {input.samples:q} --evaluated {input.evaluated:q} --unit {params.unit}"
            " --seed {params.seed} --resamples {params.resamples} --cell {params.cell:q} --log {log:q}"


rule collect:
    """Gather the metrics of all cells in one tidy table."""
    input:
        metrics=[PLAN.file(cell, "metrics.json") for cell in (*PLAN.grid, *PLAN.people())],
    output:
        f"{RESULTS}/scores.csv",
    log:
        f"{LOGS}/collect.log",
    localrule: True
    conda:
        "../../envs/scoring.yaml"
    params:
        code=code("score"),
    shell:
        "python $AQA/collect.py --metrics {input.metrics:q} --output {output:q} --log {log:q}"


rule effects:
    """Test what strategies, representations, models and thinking change (design decision 7)."""
    input:
        metrics=[PLAN.file(cell, "metrics.json") for cell in PLAN.grid],
        predictions=[PLAN.file(cell, "predictions.csv") for cell in PLAN.grid],
        samples=PLAN.dataset_files(PLAN.grid, "samples.jsonl"),
    output:
        f"{RESULTS}/effects.csv",
    log:
        f"{LOGS}/effects.log",
    conda:
        "../../envs/scoring.yaml"
    resources:
        **growing(mem_mb=2000, runtime=60),
    params:
        cells=lambda wildcards, input: folders(input.metrics),
        families=PLAN.config.scoring.families,
        models=dumps(PLAN.tested()).decode(),
        seed=PLAN.config.seed,
        resamples=PLAN.config.scoring.resamples,
        code=code("score"),
    shell:
        "python $AQA/effects.py --cells {params.cells:q} --samples {input.samples:q} --families {params.families}"
        " --models {params.models:q} --seed {params.seed} --resamples {params.resamples}"
        " --output {output:q} --log {log:q}"
