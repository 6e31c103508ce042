"""A small model, trained from nothing: `snakemake train_tiny`, and `snakemake evaluate_tiny`.

Needs: config/training/tiny-qwen3-vl.yaml and the embedded renderer; no other data. Nothing depends on it:
config/models/tiny-qwen3-vl.yaml names resources/tiny-qwen3-vl, a copy of what this once made.
Makes: blocks of rendered clips (about 3 GB; a CPU minute for each round of the five datasets), the checkpoints
beside the model, undeclared, so that a stopped job goes on where it was, and the scores on rounds that were not
trained on. The rules carry no digest of the code: hours of training are not begun anew because a file changed.
"""

from aqa.config import load_yaml

TRAINING = str(ROOT / "config/training/tiny-qwen3-vl.yaml")
TRAINED = f"{RESULTS}/training"
BLOCKS = expand(f"{TRAINED}/blocks/{{taught}}.done", taught=load_yaml(Path(TRAINING))["blocks"])


rule training_blocks:
    """Render a dataset's embedded data of other seeds than the benchmark's, as the model sees them."""
    input:
        TRAINING,
    output:
        f"{TRAINED}/blocks/{{taught}}.done",
    log:
        f"{LOGS}/training/blocks/{{taught}}.log",
    conda:
        "../../envs/transformers.yaml"
    resources:
        **growing(mem_mb=3000, runtime=120),
    params:
        blocks=lambda wildcards, output: str(Path(output[0]).parent),
    shell:
        "python $AQA/train_tiny.py blocks --plan {input:q} --blocks {params.blocks:q}"
        " --dataset {wildcards.taught} --done {output:q} --log {log:q}"


rule train_tiny:
    """Train the small model on the blocks; a stopped job goes on from its last checkpoint."""
    input:
        plan=TRAINING,
        blocks=BLOCKS,
    output:
        f"{TRAINED}/model/model.safetensors",
    log:
        f"{LOGS}/training/train.log",
    conda:
        "../../envs/transformers.yaml"
    threads: 2
    resources:
        **growing(mem_mb=6000, runtime=1440),
    params:
        blocks=lambda wildcards, input: str(Path(input.blocks[0]).parent),
        out=lambda wildcards, output: str(Path(output[0]).parents[1]),
    shell:
        "python $AQA/train_tiny.py train --plan {input.plan:q} --blocks {params.blocks:q}"
        " --out {params.out:q} --log {log:q}"


rule evaluate_tiny:
    """Ask the small model about clips of seeds, bodies and cameras that it was not trained on."""
    input:
        plan=TRAINING,
        blocks=BLOCKS,
        model=rules.train_tiny.output[0],
    output:
        f"{TRAINED}/scores.jsonl",
    log:
        f"{LOGS}/training/evaluate.log",
    conda:
        "../../envs/transformers.yaml"
    resources:
        **growing(mem_mb=3000, runtime=120),
    params:
        blocks=lambda wildcards, input: str(Path(input.blocks[0]).parent),
        model=lambda wildcards, input: str(Path(input.model).parent),
    shell:
        "python $AQA/train_tiny.py evaluate --plan {input.plan:q} --blocks {params.blocks:q}"
        " --model {params.model:q} --done {output:q} --log {log:q}"
