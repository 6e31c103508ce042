"""From frames to answers: requests.jsonl, drafts.json and responses.jsonl of every cell.

Needs: samples.jsonl, evaluated.txt, media manifests, the models' files.
Makes: one rule for each group of cells that one process can serve, with concrete outputs and a name
(design decision 1). Answers live in journals beside the cells: a stopped session loses none, and a
finished one asks nothing again.
"""

for key, cells in group(PLAN.grid, PLAN.render_key).items():
    dataset, model = cells[0].dataset, cells[0].model

    rule:
        """Render the requests of cells that share a dataset and a session, and wait for joints or do not."""
        name:
            f"render_{'_'.join(key)}"
        input:
            samples=f"{RESULTS}/datasets/{dataset}/samples.jsonl",
            evaluated=list(dict.fromkeys(map(PLAN.asked, cells))),
            manifests=PLAN.manifests(cells),
            poses=PLAN.poses(cells),
            verified=PLAN.verified(dataset),
            examples=PLAN.dataset_files(cells, "examples.jsonl") if PLAN.shows_examples(cells) else [],
            pairs=PLAN.dataset_files(PLAN.comparing(cells), "pairs.jsonl"),
            report=PLAN.dataset_files(PLAN.comparing(cells), "pairs_report.json"),
            texts=PLAN.own_files(dataset, "dataset.yaml"),
            wording=PLAN.wording(dataset) or [],
            model=PLAN.model_paths[model],
        output:
            [PLAN.file(cell, "requests.jsonl") for cell in cells],
            [PLAN.file(cell, "drafts.json") for cell in cells],
        log:
            f"{LOGS}/render/{'_'.join(key)}.log",
        localrule: True
        conda:
            "../../envs/core.yaml"
        params:
            dataset=dataset,
            data=PLAN.data(dataset),
            media=lambda wildcards, input: Path(input.manifests[0]).parents[3],
            optional=lambda wildcards, input, dataset=dataset: flags(
                ("--examples", input.examples),
                ("--poses", input.poses),
                ("--pairs", input.pairs),
                ("--pairs-report", input.report),
                ("--wording", input.wording),
                ("--allow-draft", PLAN.config.datasets[dataset].allow_draft),
            ),
            seed=PLAN.config.seed,
            cells=lambda wildcards, output: folders(output),
            evaluated=list(map(PLAN.asked, cells)),
            repeats=[PLAN.grid.repeats.get(cell, 1) for cell in cells],
            code=code("render", dataset),
            rules=code("geometry", dataset) if PLAN.poses(cells) else "",
        shell:
            "python $AQA/render.py --dataset {params.dataset} --data {params.data:q}"
            " --samples {input.samples:q} --evaluated {params.evaluated:q} --manifest {input.manifests:q}"
            " --media {params.media:q} --model {input.model:q} --seed {params.seed} {params.optional} --cells {params.cells:q} --repeats {params.repeats} --log {log:q}"


rule estimate:
    """Print what all cells still ask, in requests, tokens, money and hours. Asks no model."""
    input:
        [PLAN.file(cell, "requests.jsonl") for cell in PLAN.grid],
    log:
        f"{LOGS}/estimate.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        config=PLAN.config.model_dump_json(),
    shell:
        "python $AQA/estimate.py --config {params.config:q} --root $AQA/.. --log {log:q}"


for key, cells in group(PLAN.grid, PLAN.session_key).items():
    job = needs(PLAN.models[cells[0].model])

    rule:
        """Ask one live model everything that its cells' journals lack."""
        name:
            f"infer_{'_'.join(key)}"
        input:
            requests=[PLAN.file(cell, "requests.jsonl") for cell in cells],
            samples=PLAN.dataset_files(cells, "samples.jsonl"),
            pairs=PLAN.pairs(cells),
            poses=PLAN.poses(cells),
            model=PLAN.model_paths[cells[0].model],
        output:
            [PLAN.file(cell, "responses.jsonl") for cell in cells],
        log:
            f"{LOGS}/infer/{'_'.join(key)}.log",
        priority: 1  # Sessions take longest.
        localrule: job.light
        conda:
            "../../envs/inference.yaml" if job.environment is None else f"../../envs/{job.environment}"
        threads: job.threads
        resources:
            **growing(**job.resources),
        params:
            model=cells[0].model,
            media=f"{RESULTS}/media",
            journals=f"{RESULTS}/journals",
            seed=PLAN.config.seed,
            accept=PLAN.config.inference.accept_failed,
            again=flag("--ask-rejected", PLAN.config.inference.ask_rejected),
            optional=lambda wildcards, input: flags(("--pairs", input.pairs), ("--poses", input.poses)),
            # Not a plain value, so that another cap makes no finished session run again.
            caps=lambda wildcards, input: flags(
                ("--max-cost-usd", PLAN.config.inference.max_cost_usd),
                ("--max-requests", PLAN.config.inference.max_requests),
            ),
            refuse=lambda wildcards, cells=cells: next(
                filter(None, (refused(c.dataset, c.model) for c in cells)), ""
            ),
            cells=lambda wildcards, output: folders(output),
        shell:
            "python $AQA/infer.py --model-id {params.model} --model {input.model:q}"
            " --samples {input.samples:q} --media {params.media:q} --journals {params.journals:q}"
            " --seed {params.seed} {params.optional} --accept-failed {params.accept} {params.again} {params.caps} {params.refuse} --cells {params.cells:q} --log {log:q}"
