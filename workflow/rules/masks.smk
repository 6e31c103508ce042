"""What shows the truth in the pictures, hidden: boxes that a person reviews, and proof that they hide it.

Needs: samples.jsonl and the dataset's files; reviewed boxes in `datasets.<id>.masks` or `<data>/masks.yaml`.
Makes, in `results/masks/<dataset>`: with `snakemake propose_masks_<dataset>` proposed.yaml and proposed.html, a
contact sheet for the person who reviews; verification.json, a verdict for each clip that models receive, and
verified.txt, which cells wait for; `videos/<name>.mp4` on request: a masked copy of a source. The boxes are
applied by the media stage. Words are read where tesseract is installed.
"""

MASKS = f"{RESULTS}/masks"


for dataset in [name for name, metadata in PLAN.metadata.items() if metadata.visible_truth]:

    rule:
        """Propose boxes, which hide nothing before a person has approved them."""
        name:
            f"propose_masks_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            only=PLAN.shown(dataset),
        output:
            proposal=f"{MASKS}/{dataset}/proposed.yaml",
            sheet=f"{MASKS}/{dataset}/proposed.html",
        log:
            f"{LOGS}/masks/{dataset}/propose.log",
        conda:
            "../../envs/media.yaml"
        threads: share
        resources:
            **growing(mem_mb=4000, runtime=1440),
        params:
            dataset=dataset,
            data=PLAN.data(dataset),
            target=f"{PLAN.data(dataset)}/masks.yaml",
            publish=flag("--publish", PLAN.may_show(dataset)),
            code=code("masks"),
        shell:
            "python $AQA/propose_masks.py --dataset {params.dataset} --data {params.data:q}"
            " --samples {input.samples:q} --only {input.only:q} --target {params.target:q} {params.publish}"
            " --workers {threads} --output {output.proposal:q} --sheet {output.sheet:q} --log {log:q}"

    if not PLAN.verified(dataset):
        continue

    rule:
        """Read the clips that models receive before and after masking, and say of each whether it hides the truth."""
        name:
            f"verify_masks_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            manifests=PLAN.seen(dataset),
            masks=PLAN.own_masks(dataset),
        output:
            f"{MASKS}/{dataset}/verification.json",
        log:
            f"{LOGS}/masks/{dataset}/verify.log",
        conda:
            "../../envs/media.yaml"
        threads: share
        resources:
            **growing(mem_mb=4000, runtime=1440),
        params:
            dataset=dataset,
            data=PLAN.data(dataset),
            masks=PLAN.masks(dataset),
            code=code("masks"),
        shell:
            "python $AQA/verify_masks.py read --dataset {params.dataset} --data {params.data:q}"
            " --samples {input.samples:q} --masks {params.masks:q} --manifest {input.manifests:q}"
            " --workers {threads} --output {output:q} --log {log:q}"

    rule:
        """Stop the dataset's cells if a clip fails and is not accepted by name."""
        name:
            f"require_masks_{dataset}"
        input:
            f"{MASKS}/{dataset}/verification.json",
        output:
            f"{MASKS}/{dataset}/verified.txt",
        log:
            f"{LOGS}/masks/{dataset}/require.log",
        localrule: True
        conda:
            "../../envs/media.yaml"
        params:
            accept=list(PLAN.config.datasets[dataset].accept_unmasked),
            code=code("masks"),
        shell:
            "python $AQA/verify_masks.py require --verification {input:q} --accept {params.accept:q}"
            " --output {output:q} --log {log:q}"


rule mask_video:
    """Write a masked copy of one video, without sound, for people; nothing else needs it."""
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.jsonl",
        masks=lambda wildcards: PLAN.own_masks(wildcards.dataset),
    output:
        f"{MASKS}/{{dataset}}/videos/{{name}}.mp4",
    log:
        f"{LOGS}/masks/{{dataset}}/videos/{{name}}.log",
    wildcard_constraints:
        name=".+",
    conda:
        "../../envs/media.yaml"
    threads: 2
    resources:
        **growing(mem_mb=2000, runtime=240),
    params:
        data=lambda wildcards: PLAN.data(wildcards.dataset),
        masks=lambda wildcards: PLAN.masks(wildcards.dataset) or f"{PLAN.data(wildcards.dataset)}/masks.yaml",
        code=code("masks"),
    shell:
        "python $AQA/mask_video.py --data {params.data:q} --masks {params.masks:q} --name {wildcards.name:q}"
        " --threads {threads} --output {output:q} --log {log:q}"
