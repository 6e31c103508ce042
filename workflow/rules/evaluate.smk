"""Numbers before the whole grid is done: one model, or whatever is answered so far.

`snakemake evaluate --config model=<id>`: one model on every dataset, base prompt and original media.

Needs: the plain judge cells of that model, which are those of the grid, with the same journals: what the grid
has answered is not asked again.
Makes: `results/evaluate/<model>.json` and `.md`, which `evaluate` prints.

`snakemake partial`: scores what the journals hold into `results/partial` and prints the coverage.
Needs: journals; nothing is made that is missing, and nothing is asked.
"""

EVALUATED = [cell for cell in HEADLINE if cell.model == PLAN.config.model]


if EVALUATED:

    rule evaluation:
        """Summarise a model: headline metric, chance, interval and usable answers a dataset, and its skill."""
        input:
            metrics=[PLAN.file(cell, "metrics.json") for cell in EVALUATED],
            predictions=[PLAN.file(cell, "predictions.csv") for cell in EVALUATED],
            samples=PLAN.dataset_files(EVALUATED, "samples.jsonl"),
        output:
            multiext(f"{RESULTS}/evaluate/{PLAN.config.model}", ".json", ".md"),
        log:
            f"{LOGS}/evaluate/{PLAN.config.model}.log",
        localrule: True
        conda:
            "../../envs/scoring.yaml"
        params:
            config=PLAN.config.model_dump_json(),
            stem=lambda wildcards, output: stem(output),
            code=code("report"),
        shell:
            "python $AQA/evaluate.py --config {params.config:q} --root $AQA/.. --output {params.stem:q} --log {log:q}"


rule evaluate:
    """Print the summary of the model that `--config model=<id>` names."""
    input:
        rules.evaluation.output[1] if EVALUATED else [],
    log:
        f"{LOGS}/evaluate.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    shell:
        "cat {input:q} 2> {log:q}"


rule partial:
    """Score what is answered so far into results/partial, and print the coverage. Asks no model."""
    log:
        f"{LOGS}/partial.log",
    localrule: True
    conda:
        "../../envs/scoring.yaml"
    params:
        config=PLAN.config.model_dump_json(),
    shell:
        "python $AQA/partial.py --config {params.config:q} --root $AQA/.. --log {log:q}"
