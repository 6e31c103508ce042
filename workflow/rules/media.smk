"""From videos to the frames that models see: `results/media/{dataset}/{representation}/{profile}`.

Needs: samples.jsonl, evaluated.txt and the dataset's files; the boxes to fill, where there are some; the
poses, if some cell shows them: a grid of nothing but originals finds none.
Makes: all manifests of a dataset in one job, because every source is decoded once for all representations
and profiles. The clips lie beside them, undeclared: a stopped job keeps them, and one that runs again makes
only those whose recipe changed. For a cluster, `media.shards` splits the job by sources.
"""


scattergather:
    media=PLAN.config.media.shards,


def media_flags(dataset, poses):
    """Return the flags of a dataset's media jobs that not all have."""
    return flags(
        ("--masks", PLAN.masks(dataset)),
        ("--poses", poses),
        ("--accept-broken", PLAN.config.datasets[dataset].accept_broken_clips),
    )


for dataset, targets in ((dataset, PLAN.targets(dataset)) for dataset in PLAN.config.datasets):
    if not targets:
        continue
    sharded = PLAN.config.media.shards > 1
    place = f"media/{dataset}" + (".{scatteritem}" if sharded else "")

    rule:
        """Decode each clip once: mask it, and keep the frames of every representation and profile."""
        name:
            f"media_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            only=list(dict.fromkeys(name for target in targets.values() for name in target["only"])),
            masks=PLAN.own_masks(dataset),
            poses=f"{RESULTS}/pose/{dataset}/manifest.jsonl" if PLAN.posed(dataset) else [],
        output:
            f"{RESULTS}/media/{dataset}/shards/{{scatteritem}}.jsonl" if sharded else list(targets),
        log:
            f"{LOGS}/{place}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{place}.tsv"
        conda:
            "../../envs/media.yaml"
        threads: share
        resources:
            **growing(mem_mb=2000, runtime=240),
        params:
            data=PLAN.data(dataset),
            media=lambda wildcards, dataset=dataset: f"{RESULTS}/media/{dataset}",
            targets=lambda wildcards, targets=targets: [dumps(t).decode() for t in targets.values()],
            optional=lambda wildcards, input, dataset=dataset: media_flags(dataset, input.poses),
            shard=lambda wildcards: flag("--shard", wildcards.get("scatteritem")),
            code=code("media"),
        shell:
            "python $AQA/media.py --samples {input.samples:q} --split all --data {params.data:q}"
            " --target {params.targets:q} {params.optional} {params.shard} --workers {threads}"
            " --media {params.media:q} --log {log:q}"

    if sharded:

        rule:
            """Write the manifests from the files of the shards."""
            name:
                f"gather_media_{dataset}"
            input:
                gather.media(f"{RESULTS}/media/{dataset}/shards/{{scatteritem}}.jsonl"),
            output:
                list(targets),
            log:
                f"{LOGS}/media/{dataset}.gather.log",
            localrule: True
            conda:
                "../../envs/media.yaml"
            params:
                code=code("media"),
            shell:
                "python $AQA/gather.py --shards {input:q} --manifests {output:q} --log {log:q}"
