"""The model in the box, trained from nothing: `snakemake train_tiny`, and `snakemake evaluate_tiny`.

Needs: config/training/tiny-qwen3-vl.yaml and the embedded renderer; no other data. Nothing depends on it: the
weights that are used lie in resources/tiny-qwen3-vl, and a new training goes to `results/training`.
Makes: blocks of rendered clips (about 1 GB; a CPU minute for each round of the five datasets), the checkpoints
beside the model, undeclared, so that a stopped job goes on where it was, and the scores on rounds that were not
trained on.
"""

TRAINING = "config/training/tiny-qwen3-vl.yaml"
TRAINED = f"{RESULTS}/training"


for dataset in PLAN.config.datasets:

    rule:
        """Render a dataset's embedded data of other seeds than the benchmark's, as the model sees them."""
        name:
            f"training_blocks_{dataset}"
        input:
            workflow.source_path(f"../../{TRAINING}"),
        output:
            f"{TRAINED}/blocks/{dataset}.done",
        log:
            f"{LOGS}/training/{dataset}.log",
        conda:
            "../../envs/transformers.yaml"
        resources:
            mem_mb=3000,
            runtime=120,
        params:
            dataset=dataset,
            blocks=f"{TRAINED}/blocks",
        shell:
            "python $AQA/train_tiny.py blocks --plan {input:q} --blocks {params.blocks:q}"
            " --dataset {params.dataset} --done {output:q} --log {log:q}"


rule train_tiny:
    """Train the small model on the blocks; a stopped job goes on from its last checkpoint."""
    input:
        plan=workflow.source_path(f"../../{TRAINING}"),
        blocks=expand(f"{TRAINED}/blocks/{{dataset}}.done", dataset=PLAN.config.datasets),
    output:
        f"{TRAINED}/model/model.safetensors",
    log:
        f"{LOGS}/training/train.log",
    conda:
        "../../envs/transformers.yaml"
    resources:
        mem_mb=6000,
        runtime=1440,
    params:
        blocks=f"{TRAINED}/blocks",
        out=TRAINED,
    shell:
        "python $AQA/train_tiny.py train --plan {input.plan:q} --blocks {params.blocks:q} --out {params.out:q}"
        " --log {log:q}"


rule evaluate_tiny:
    """Ask the model in the box about clips of seeds, bodies and cameras that it was not trained on."""
    input:
        plan=workflow.source_path(f"../../{TRAINING}"),
        blocks=expand(f"{TRAINED}/blocks/{{dataset}}.done", dataset=PLAN.config.datasets),
        model=workflow.source_path("../../resources/tiny-qwen3-vl/model.safetensors"),
    output:
        f"{TRAINED}/scores.jsonl",
    log:
        f"{LOGS}/training/evaluate.log",
    conda:
        "../../envs/transformers.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        blocks=f"{TRAINED}/blocks",
        model=lambda wildcards, input: str(Path(input.model).parent),
    shell:
        "python $AQA/train_tiny.py evaluate --plan {input.plan:q} --blocks {params.blocks:q}"
        " --model {params.model:q} --done {output:q} --log {log:q}"
