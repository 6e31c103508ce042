"""From videos to the joints of who is judged: `results/pose/{dataset}`, for what is cropped or drawn by them.

Needs: samples.jsonl, evaluated.txt, the dataset's files; for a network its weights, else the file of poses.
Makes: manifest.jsonl, only where some cell shows, crops or judges by joints. The poses lie beside it, undeclared: a
stopped job keeps them, and one that runs again makes only those whose recipe changed. For a cluster,
`media.shards` splits the job by sources.
"""

from aqa.pose.needs import in_torch


scattergather:
    pose=PLAN.config.media.shards,


for dataset in filter(PLAN.posed, PLAN.config.datasets):
    sharded = PLAN.config.media.shards > 1
    part = f"{dataset}.{{scatteritem}}" if sharded else dataset
    heavy = in_torch(PLAN.pose(dataset))

    rule:
        """Find the joints of who is judged, in each clip."""
        name:
            f"pose_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            only=PLAN.posed(dataset),
            files=PLAN.pose_files(dataset),
        output:
            f"{RESULTS}/pose/{dataset}/{'shards/{scatteritem}' if sharded else 'manifest'}.jsonl",
        log:
            f"{LOGS}/pose/{part}.log",
        benchmark:
            f"{RESULTS}/benchmarks/pose/{part}.tsv"
        conda:
            "../../envs/pose.yaml" if heavy else "../../envs/media.yaml"
        threads: 2 if heavy else share
        resources:
            **growing(
                mem_mb=16000 if heavy else 2000,
                runtime=1440 if heavy else 60,
                gpu=int(heavy and PLAN.pose(dataset).device != "cpu"),
            ),
        params:
            data=PLAN.data(dataset),
            settings=PLAN.pose(dataset).model_dump_json(),
            folder=lambda wildcards, output, up=int(sharded): str(Path(output[0]).parents[up]),
            optional=flags(
                ("--subjects", PLAN.subjects(dataset)),
                ("--embedded", PLAN.embedded(dataset)),
                ("--accept-broken", PLAN.config.datasets[dataset].accept_broken_clips),
            ),
            shard=lambda wildcards: flag("--shard", wildcards.get("scatteritem")),
            code=code("pose"),
        shell:
            "python $AQA/pose.py find --samples {input.samples:q} --only {input.only:q} --data {params.data:q}"
            " --settings {params.settings:q} {params.optional} {params.shard} --workers {threads}"
            " --folder {params.folder:q} --log {log:q}"

    if sharded:

        rule:
            """Write the manifest from the files of the shards."""
            name:
                f"gather_pose_{dataset}"
            input:
                gather.pose(f"{RESULTS}/pose/{dataset}/shards/{{scatteritem}}.jsonl"),
            output:
                f"{RESULTS}/pose/{dataset}/manifest.jsonl",
            log:
                f"{LOGS}/pose/{dataset}.log",
            localrule: True
            conda:
                "../../envs/media.yaml"
            params:
                code=code("pose"),
            shell:
                "python $AQA/pose.py gather --shards {input:q} --output {output:q} --log {log:q}"
