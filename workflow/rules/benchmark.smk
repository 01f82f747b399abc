rule evaluate:
    """Run a model over the test set on a provider and write its predictions."""
    input:
        model="<results>/onnx/{variant}/seed{seed}/{precision}.onnx",
        test="<results>/data/test.npz",
    output:
        "<results>/predictions/{variant}/seed{seed}/{precision}-{provider}.npz",
    log:
        "<logs>/evaluate/{variant}/seed{seed}/{precision}-{provider}.log",
    benchmark:
        "<benchmarks>/evaluate/{variant}/seed{seed}/{precision}-{provider}.tsv"
    conda:
        "../envs/resbench.yaml"
    threads: 1
    resources:
        gpu=lambda wildcards: int(PROVIDERS[wildcards.provider].needs_gpu),
        mem_mb=memory(2000),
    params:
        code=lambda wildcards: code_digest("evaluate", providers=(wildcards.provider,)),
        options=lambda wildcards: provider_arguments([wildcards.provider]),
    shell:
        r"""
        resbench evaluate {input.model:q} --data {input.test:q} --provider {wildcards.provider} {params.options:q} \
            --threads {threads} --predictions {output:q} 2>{log:q}
        """


rule latency:
    """Time every variant under the same conditions: in one job, alone on the machine, in interleaved rounds."""
    input:
        models=lambda wildcards: timed("<results>/onnx/{variant}/seed{seed}/{precision}.onnx", wildcards.provider),
        predictions=lambda wildcards: timed(
            "<results>/predictions/{variant}/seed{seed}/{precision}-{provider}.npz", wildcards.provider
        ),
        test="<results>/data/test.npz",
    output:
        samples="<results>/latency/{provider}/samples.csv",
        host="<results>/latency/{provider}/host.json",
    log:
        "<logs>/latency/{provider}.log",
    benchmark:
        "<benchmarks>/latency/{provider}.tsv"
    conda:
        "../envs/resbench.yaml"
    # All cores of the machine; on a cluster, where no number is given, those that the benchmark uses.
    threads: workflow.resource_settings.cores or max(config["benchmark"]["threads"])
    resources:
        gpu=lambda wildcards: int(PROVIDERS[wildcards.provider].needs_gpu),
        mem_mb=memory(2000),
        runtime=240,
        # Within its SLURM job, Snakemake gets all cores of the node; this limits it to the requested ones.
        cpus_per_task=max(config["benchmark"]["threads"]),
        slurm_extra="--exclusive",  # of all options for sbatch this one decides what is measured
    params:
        code=lambda wildcards: code_digest("latency", providers=(wildcards.provider,)),
        # Not an output: a failed job's outputs are deleted, and the next attempt continues from here.
        checkpoints=lambda wildcards, output: (
            Path(output.samples).parents[2] / f"checkpoints/latency/{wildcards.provider}"
        ),
        batch_sizes=",".join(map(str, config["benchmark"]["batch_sizes"])),
        threads=",".join(map(str, config["benchmark"]["threads"])),
        settings=arguments(
            config["benchmark"], "preset", "rounds", defaults=LATENCY_PRESETS[config["benchmark"]["preset"]]
        ),
        options=lambda wildcards: provider_arguments([wildcards.provider]),
        predictions=repeated_arguments("predictions"),
        notes=each("--note", SKIPPED),
    shell:
        r"""
        resbench latency {input.models:q} --data {input.test:q} --provider {wildcards.provider} \
            --batch-sizes {params.batch_sizes} --threads {params.threads} {params.settings:q} \
            {params.options:q} {params.predictions:q} {params.notes:q} --checkpoints {params.checkpoints:q} \
            --samples {output.samples:q} --host {output.host:q} 2>&1 | tee -i {log:q} >&2
        """


rule profile:
    """Profile the models that are timed, on the CPU, where ONNX Runtime's profiler runs, and in other processes."""
    input:
        models=timed("<results>/onnx/{variant}/seed{seed}/{precision}.onnx", BASE_PROVIDER.name),
        test="<results>/data/test.npz",
    output:
        f"<results>/profile/{BASE_PROVIDER.name}/operators.csv",
    log:
        f"<logs>/profile/{BASE_PROVIDER.name}.log",
    benchmark:
        f"<benchmarks>/profile/{BASE_PROVIDER.name}.tsv"
    conda:
        "../envs/resbench.yaml"
    threads: workflow.resource_settings.cores or config["benchmark"]["threads"][0]
    resources:
        mem_mb=memory(2000),
        runtime=60,
        cpus_per_task=config["benchmark"]["threads"][0],
    params:
        code=code_digest("profile"),
        batch_size=config["benchmark"]["batch_sizes"][0],
        threads=config["benchmark"]["threads"][0],
    shell:
        r"""
        resbench profile {input.models:q} --data {input.test:q} --batch-size {params.batch_size} \
            --threads {params.threads} --operators {output:q} 2>{log:q}
        """


rule scenarios:
    """Run MLPerf's scenarios on MLCommons LoadGen, alone on the machine."""
    input:
        models=sorted(
            {
                path
                for provider in config["benchmark"]["providers"]
                for path in timed("<results>/onnx/{variant}/seed{seed}/{precision}.onnx", provider)
            }
        ),
        test="<results>/data/test.npz",
    output:
        "<results>/scenarios.csv",
    log:
        "<logs>/scenarios.log",
    benchmark:
        "<benchmarks>/scenarios.tsv"
    conda:
        "../envs/resbench.yaml"
    threads: workflow.resource_settings.cores or max(config["benchmark"]["threads"])
    resources:
        gpu=int(any(PROVIDERS[name].needs_gpu for name in config["benchmark"]["providers"])),
        mem_mb=memory(2000),
        # A killed one begins anew; in the official lengths a model takes at least half an hour.
        runtime=lambda wildcards, input: max(720, 60 * len(input.models)),
        cpus_per_task=max(config["benchmark"]["threads"]),
        slurm_extra="--exclusive",
    params:
        code=code_digest("scenarios", providers=tuple(PROVIDER_OPTIONS)),
        preset=config["benchmark"]["scenarios"] or "smoke",
        threads=config["benchmark"]["threads"][0],
        batch_size=max(config["benchmark"]["batch_sizes"]),
        p99_ms=config["benchmark"]["server_p99_ms"],
        providers=each("--provider", config["benchmark"]["providers"]),
        options=provider_arguments(PROVIDER_OPTIONS),
    shell:
        r"""
        resbench scenarios {input.models:q} --data {input.test:q} {params.providers:q} {params.options:q} \
            --preset {params.preset} --threads {params.threads} --batch-size {params.batch_size} \
            --p99-ms {params.p99_ms} --results {output:q} 2>&1 | tee -i {log:q} >&2
        """
