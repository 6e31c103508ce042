"""From the owners' files to `results/datasets/{dataset}/samples.jsonl`.

Needs: the folder named in `datasets.<id>.data`, or nothing for the embedded benchmark.
Makes: samples.jsonl (all splits) and evaluated.txt (the ids that are asked about).
"""


rule embed:
    """Build the embedded benchmark in the real on-disk layout of a dataset."""
    output:
        f"{RESULTS}/embedded/{{dataset}}/embedded.json",
    log:
        f"{LOGS}/embed/{{dataset}}.log",
    conda:
        "../../envs/media.yaml"
    threads: share
    resources:
        **growing(mem_mb=2000, runtime=20),
    params:
        seed=PLAN.config.seed,
        code=lambda wildcards: code("embed", wildcards.dataset),
    shell:
        "python $AQA/embed.py --dataset {wildcards.dataset} --seed {params.seed}"
        " --workers {threads} --output {output:q} --log {log:q}"


rule index:
    """Read a dataset's annotations and videos into one file of samples."""
    input:
        lambda wildcards: rules.embed.output if PLAN.embedded(wildcards.dataset) else [],
        lambda wildcards: PLAN.own_files(wildcards.dataset, "dataset.yaml", "samples.csv", "samples.jsonl"),
        wording=lambda wildcards: PLAN.wording(wildcards.dataset) or [],
    output:
        f"{RESULTS}/datasets/{{dataset}}/samples.jsonl",
    log:
        f"{LOGS}/index/{{dataset}}.log",
    conda:
        "../../envs/core.yaml"
    resources:
        **growing(mem_mb=1000, runtime=120),
    params:
        data=lambda wildcards: PLAN.data(wildcards.dataset),
        settings=lambda wildcards: dumps(PLAN.config.datasets[wildcards.dataset].settings).decode(),
        wording=lambda wildcards, input: flag("--wording", input.wording),
        code=lambda wildcards: code("index", wildcards.dataset),
    shell:
        "python $AQA/index.py --dataset {wildcards.dataset} --data {params.data:q}"
        " --settings {params.settings:q} {params.wording} --require-media --output {output:q} --log {log:q}"


rule subset:
    """Choose the samples to evaluate: the evaluated split, or a nested subset of it."""
    input:
        rules.index.output,
    output:
        f"{RESULTS}/datasets/{{dataset}}/evaluated.txt",
    log:
        f"{LOGS}/subset/{{dataset}}.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        split=lambda wildcards: PLAN.metadata[wildcards.dataset].evaluated_split,
        limit=lambda wildcards: flag("--limit", PLAN.config.datasets[wildcards.dataset].limit),
        seed=PLAN.config.seed,
        code=lambda wildcards: code("index", wildcards.dataset),
    shell:
        "python $AQA/subset.py --samples {input:q} --split {params.split} {params.limit}"
        " --seed {params.seed} --output {output:q} --log {log:q}"


rule subset_limited:
    """Choose the samples that a limited cell asks about, nested in those that are evaluated."""
    input:
        rules.index.output,
    output:
        f"{RESULTS}/datasets/{{dataset}}/evaluated-{{limit}}.txt",
    log:
        f"{LOGS}/subset/{{dataset}}-{{limit}}.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        split=lambda wildcards: PLAN.metadata[wildcards.dataset].evaluated_split,
        limit=lambda wildcards: min(
            int(wildcards.limit), PLAN.config.datasets[wildcards.dataset].limit or int(wildcards.limit)
        ),
        seed=PLAN.config.seed,
        code=lambda wildcards: code("index", wildcards.dataset),
    shell:
        "python $AQA/subset.py --samples {input:q} --split {params.split} --limit {params.limit}"
        " --seed {params.seed} --output {output:q} --log {log:q}"


rule examples:
    """Choose the in-context examples: other subjects, other videos, other content than what is asked."""
    input:
        samples=rules.index.output,
        evaluated=rules.subset.output,
    output:
        examples=f"{RESULTS}/datasets/{{dataset}}/examples.jsonl",
        shown=f"{RESULTS}/datasets/{{dataset}}/shown.txt",
    log:
        f"{LOGS}/examples/{{dataset}}.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        data=lambda wildcards: PLAN.data(wildcards.dataset),
        seed=PLAN.config.seed,
        code=lambda wildcards: code("index", wildcards.dataset),
    shell:
        "python $AQA/examples.py --dataset {wildcards.dataset} --data {params.data:q}"
        " --samples {input.samples:q} --evaluated {input.evaluated:q} --seed {params.seed}"
        " --output {output.examples:q} --shown {output.shown:q} --log {log:q}"


rule pairs:
    """Pair samples for the compare task: same action, another subject, unequal truth (section 3.5)."""
    input:
        samples=rules.index.output,
        evaluated=rules.subset.output,
        texts=lambda wildcards: PLAN.own_files(wildcards.dataset, "contrastive.yaml"),
        wording=lambda wildcards: PLAN.wording(wildcards.dataset) or [],
    output:
        pairs=f"{RESULTS}/datasets/{{dataset}}/pairs.jsonl",
        report=f"{RESULTS}/datasets/{{dataset}}/pairs_report.json",
        paired=f"{RESULTS}/datasets/{{dataset}}/paired.txt",
    log:
        f"{LOGS}/pairs/{{dataset}}.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        data=lambda wildcards: PLAN.data(wildcards.dataset),
        wording=lambda wildcards, input: flag("--wording", input.wording),
        draft=lambda wildcards: flag("--allow-draft", PLAN.config.datasets[wildcards.dataset].allow_draft),
        seed=PLAN.config.seed,
        code=lambda wildcards: code("index", wildcards.dataset),
    shell:
        "python $AQA/pairs.py --dataset {wildcards.dataset} --data {params.data:q} --samples {input.samples:q}"
        " --evaluated {input.evaluated:q} --seed {params.seed} {params.wording} {params.draft}"
        " --output {output.pairs:q} --report {output.report:q} --media-list {output.paired:q} --log {log:q}"


rule paired_limited:
    """List the samples that the pairs of a limited cell show."""
    input:
        pairs=rules.pairs.output.pairs,
        anchors=rules.subset_limited.output,
    output:
        f"{RESULTS}/datasets/{{dataset}}/paired-{{limit}}.txt",
    log:
        f"{LOGS}/pairs/{{dataset}}-{{limit}}.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        code=lambda wildcards: code("index", wildcards.dataset),
    shell:
        "python $AQA/paired.py --pairs {input.pairs:q} --anchors {input.anchors:q} --output {output:q} --log {log:q}"
