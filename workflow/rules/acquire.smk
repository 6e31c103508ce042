"""From the owners to a folder of yours: `snakemake acquire_<dataset>`, for example before the first run.

Needs: the network; a folder named in `datasets.<id>.data`; what only a person can get (see README.md).
Makes: the files of the dataset in that folder. Nothing depends on these rules: a run never downloads. They
have no output, so that each call looks at the folder again; what is there is not fetched twice.
"""

for dataset in PLAN.config.datasets:

    rule:
        """Download, extract and re-encode what is open, say how to get the rest, and check all of it."""
        name:
            f"acquire_{dataset}"
        log:
            f"{LOGS}/acquire/{dataset}.log",
        localrule: True
        conda:
            "../../envs/acquire.yaml"
        threads: 2
        params:
            dataset=dataset,
            data=[] if PLAN.embedded(dataset) else ["--data", PLAN.data(dataset)],
        shell:
            "python $AQA/acquire.py get --dataset {params.dataset} {params.data:q}"
            " --threads {threads} --log {log:q}"


rule provenance:
    """List every file of every dataset: source, licence, checksum, and when it was added."""
    output:
        multiext(f"{RESULTS}/provenance", ".csv", ".md"),
    log:
        f"{LOGS}/provenance.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        code=code("index"),
    shell:
        "python $AQA/acquire.py provenance --output {output:q} --log {log:q}"
