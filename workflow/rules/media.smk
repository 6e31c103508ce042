"""From videos to the frames that models see: `results/media/{dataset}/{representation}/{profile}`.

Needs: samples.jsonl, evaluated.txt and the dataset's files.
Makes: manifest.jsonl; the clips lie beside it, undeclared, so that a stopped job keeps them.
"""


rule media:
    """Decode each clip once and keep the frames that the profile asks for."""
    input:
        samples=rules.index.output,
        only=lambda wildcards: PLAN.needed(wildcards.dataset, wildcards.representation),
    output:
        f"{RESULTS}/media/{{dataset}}/{{representation}}/{{profile}}/manifest.jsonl",
    log:
        f"{LOGS}/media/{{dataset}}/{{representation}}/{{profile}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/media/{{dataset}}/{{representation}}/{{profile}}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        data=lambda wildcards: PLAN.data(wildcards.dataset),
        profile=lambda wildcards: PLAN.config.profiles[wildcards.profile].model_dump_json(),
        exercises=lambda wildcards: PLAN.exercises(*wildcards),
        accept=lambda wildcards: flag(
            "--accept-broken",
            PLAN.config.datasets[wildcards.dataset].accept_broken_clips,
        ),
        code=code("media"),
    shell:
        "python $AQA/media.py --samples {input.samples:q} --only {input.only:q} --split all"
        " --data {params.data:q} --representation {wildcards.representation}"
        " --profile-name {wildcards.profile} --profile {params.profile:q}"
        " --exercises {params.exercises:q} {params.accept}"
        " --workers {threads} --output {output:q} --log {log:q}"
