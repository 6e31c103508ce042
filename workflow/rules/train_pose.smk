"""A small pose network, trained from nothing: `snakemake train_pose`, and `snakemake evaluate_pose`.

Needs: config/training/pose-net.yaml and the embedded renderer; no other data. Nothing depends on it: a
configuration that wants its poses found names `results/training/pose/model/model.onnx` (docs/pose-net.md).
Makes: blocks of rendered pictures (about 45 MB and 45 CPU seconds for each round of the five datasets), the
checkpoints beside the model, undeclared, so that a stopped job goes on where it was, and the scores on rounds that
were not trained on. The rules carry no digest of the code: hours of training are not begun anew because a file
changed.
"""

from aqa.config import load_yaml

POSE_TRAINING = str(ROOT / "config/training/pose-net.yaml")
POSE_TRAINED = f"{RESULTS}/training/pose"
PICTURES = expand(f"{POSE_TRAINED}/blocks/{{taught}}.done", taught=load_yaml(Path(POSE_TRAINING))["blocks"])


rule pose_blocks:
    """Render a dataset's embedded data of other seeds than the benchmark's, as pictures with joints."""
    input:
        POSE_TRAINING,
    output:
        f"{POSE_TRAINED}/blocks/{{taught}}.done",
    log:
        f"{LOGS}/training/pose/blocks/{{taught}}.log",
    conda:
        "../../envs/pose.yaml"
    resources:
        **growing(mem_mb=2000, runtime=120),
    params:
        blocks=lambda wildcards, output: str(Path(output[0]).parent),
    shell:
        "python $AQA/train_pose.py blocks --plan {input:q} --blocks {params.blocks:q}"
        " --dataset {wildcards.taught} --done {output:q} --log {log:q}"


rule train_pose:
    """Train the pose network on the blocks; a stopped job goes on from its last checkpoint."""
    input:
        plan=POSE_TRAINING,
        blocks=PICTURES,
    output:
        f"{POSE_TRAINED}/model/model.onnx",
    log:
        f"{LOGS}/training/pose/train.log",
    conda:
        "../../envs/pose.yaml"
    resources:
        **growing(mem_mb=3000, runtime=720),
    params:
        blocks=lambda wildcards, input: str(Path(input.blocks[0]).parent),
        out=lambda wildcards, output: str(Path(output[0]).parents[1]),
    shell:
        "python $AQA/train_pose.py train --plan {input.plan:q} --blocks {params.blocks:q}"
        " --out {params.out:q} --log {log:q}"


rule evaluate_pose:
    """Measure the pose network on pictures of seeds, bodies and cameras that it was not trained on."""
    input:
        plan=POSE_TRAINING,
        blocks=PICTURES,
        model=rules.train_pose.output[0],
    output:
        f"{POSE_TRAINED}/scores.jsonl",
    log:
        f"{LOGS}/training/pose/evaluate.log",
    conda:
        "../../envs/pose.yaml"
    resources:
        **growing(mem_mb=3000, runtime=60),
    params:
        blocks=lambda wildcards, input: str(Path(input.blocks[0]).parent),
    shell:
        "python $AQA/train_pose.py evaluate --plan {input.plan:q} --blocks {params.blocks:q}"
        " --model {input.model:q} --done {output:q} --log {log:q}"
