"""Drafts of the texts that a person has to approve, in `results/drafts/<dataset>`.

Needs: samples.jsonl; for `annotate` a model of the configuration, which reads text alone.
Makes: with `snakemake draft_wording_<dataset>` wording.yaml (guidelines, and which option means correct
execution), with `draft_pairs_<dataset>` contrastive.yaml (rephrased questions), and with
`annotate_<dataset>_<model>` annotate.<model>.yaml (as wording.yaml, the options proposed by a model), every
entry with `reviewed: false`. Nothing depends on them: copy a file to a place of yours, approve its entries
there, and name the copy in `datasets.<dataset>.wording` (contrastive.yaml goes into the data's folder). They
are write-protected, so that no approval is lost.
"""

from itertools import product

ANNOTATE = f"{RESULTS}/drafts/{{dataset}}/annotate/text/correct_option/{{model}}"
READERS = [model for model, file in PLAN.models.items() if not file.baseline]


for dataset in PLAN.config.datasets:

    rule:
        """List the guidelines and correct options that nobody has approved, drafted by rule where one can."""
        name:
            f"draft_wording_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            wording=PLAN.wording(dataset) or [],
        output:
            protected(f"{RESULTS}/drafts/{dataset}/wording.yaml"),
        log:
            f"{LOGS}/drafts/{dataset}/wording.log",
        localrule: True
        conda:
            "../../envs/core.yaml"
        params:
            dataset=dataset,
            wording=lambda wildcards, input: flag("--wording", input.wording),
            code=code("draft"),
        shell:
            "python $AQA/wording.py draft --dataset {params.dataset} --samples {input.samples:q}"
            " {params.wording} --output {output:q} --log {log:q}"

    rule:
        """Draft the rephrased questions of the compare task that a dataset lacks (paper, section 3.5)."""
        name:
            f"draft_pairs_{dataset}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            texts=PLAN.own_files(dataset, "contrastive.yaml"),
        output:
            protected(f"{RESULTS}/drafts/{dataset}/contrastive.yaml"),
        log:
            f"{LOGS}/drafts/{dataset}/contrastive.log",
        localrule: True
        conda:
            "../../envs/core.yaml"
        params:
            dataset=dataset,
            data=PLAN.data(dataset),
            code=code("draft"),
        shell:
            "python $AQA/pairs.py draft --dataset {params.dataset} --data {params.data:q}"
            " --samples {input.samples:q} --output {output:q} --log {log:q}"


rule annotate_requests:
    """Ask which option of each question means correct execution: one request a question, no media."""
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.jsonl",
        wording=lambda wildcards: PLAN.wording(wildcards.dataset) or [],
        texts=lambda wildcards: PLAN.own_files(wildcards.dataset, "dataset.yaml"),
        model=lambda wildcards: PLAN.model_paths[wildcards.model],
    output:
        f"{ANNOTATE}/requests.jsonl",
    log:
        f"{LOGS}/drafts/{{dataset}}/annotate/{{model}}/requests.log",
    wildcard_constraints:
        model="|".join(PLAN.models),
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        data=lambda wildcards: PLAN.data(wildcards.dataset),
        wording=lambda wildcards, input: flag("--wording", input.wording),
        may=lambda wildcards: flag(
            "--may-upload",
            PLAN.embedded(wildcards.dataset)
            or PLAN.config.datasets[wildcards.dataset].i_may_upload
            or PLAN.metadata[wildcards.dataset].upload,
        ),
        seed=PLAN.config.seed,
        cell=lambda wildcards, output: Path(output[0]).parent,
        code=code("draft"),
    shell:
        "python $AQA/annotate.py requests --dataset {wildcards.dataset} --data {params.data:q}"
        " --samples {input.samples:q} --model {input.model:q} --seed {params.seed} {params.wording} {params.may}"
        " --cell {params.cell:q} --log {log:q}"


rule annotate_responses:
    """Ask the model what its journal lacks, as for any cell."""
    input:
        requests=f"{ANNOTATE}/requests.jsonl",
        model=lambda wildcards: PLAN.model_paths[wildcards.model],
    output:
        f"{ANNOTATE}/responses.jsonl",
    log:
        f"{LOGS}/drafts/{{dataset}}/annotate/{{model}}/responses.log",
    wildcard_constraints:
        model="|".join(PLAN.models),
    conda:
        "../../envs/inference.yaml"
    resources:
        **growing(mem_mb=2000, runtime=120),
    params:
        media=f"{RESULTS}/media",
        journals=f"{RESULTS}/journals",
        seed=PLAN.config.seed,
        cell=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python $AQA/infer.py --model-id {wildcards.model} --model {input.model:q} --media {params.media:q}"
        " --journals {params.journals:q} --seed {params.seed} --cells {params.cell:q} --log {log:q}"


for dataset, model in product(PLAN.config.datasets, READERS):

    rule:
        """Draft which option of each question means correct execution, as a model proposes (section 3.4)."""
        name:
            f"annotate_{dataset}_{model}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            wording=PLAN.wording(dataset) or [],
            requests=f"{ANNOTATE.format(dataset=dataset, model=model)}/requests.jsonl",
            responses=f"{ANNOTATE.format(dataset=dataset, model=model)}/responses.jsonl",
            model=PLAN.model_paths[model],
        output:
            protected(f"{RESULTS}/drafts/{dataset}/annotate.{model}.yaml"),
        log:
            f"{LOGS}/drafts/{dataset}/annotate/{model}/draft.log",
        localrule: True
        conda:
            "../../envs/core.yaml"
        params:
            dataset=dataset,
            wording=lambda wildcards, input: flag("--wording", input.wording),
            cell=lambda wildcards, input: Path(input.requests).parent,
            code=code("draft"),
        shell:
            "python $AQA/annotate.py draft --dataset {params.dataset} --samples {input.samples:q}"
            " --model {input.model:q} {params.wording} --cell {params.cell:q} --output {output:q} --log {log:q}"
