rule evaluate:
    """Run a model over the test set with ONNX Runtime and keep its predictions."""
    input:
        "workflow/resbench/benchmark/predictions.py",
        "workflow/resbench/benchmark/sessions.py",
        model="<results>/onnx/{variant}/seed{seed}/{precision}.onnx",
        test="<results>/data/test.npz",
    output:
        "<results>/predictions/{variant}/seed{seed}/{precision}-{provider}.npz",
    log:
        "<logs>/evaluate/{variant}/seed{seed}/{precision}-{provider}.log",
    benchmark:
        "<benchmarks>/evaluate/{variant}/seed{seed}/{precision}-{provider}.tsv"
    threads: 1
    resources:
        gpu=lambda wildcards: int(wildcards.provider != "cpu"),
        mem_mb=2000,
    shell:
        r"""
        resbench evaluate {input.model:q} --data {input.test:q} --provider {wildcards.provider} \
            --threads {threads} --predictions {output:q} 2>{log:q}
        """


rule latency:
    """Time every variant under the same conditions: one job, alone on the machine, models in turn.

    A variant's seeds differ in their weights alone, so the first stands for all.
    """
    input:
        "workflow/resbench/benchmark/host.py",
        "workflow/resbench/benchmark/latency.py",
        "workflow/resbench/benchmark/latency_worker.py",
        "workflow/resbench/benchmark/sessions.py",
        models=lambda wildcards: expand(
            "<results>/onnx/{variant}/seed{seed}/{precision}.onnx",
            variant=config["variants"],
            seed=config["seeds"][0],
            precision=precisions_on(wildcards.provider),
        ),
        test="<results>/data/test.npz",
    output:
        samples="<results>/latency/{provider}/samples.csv",
        host="<results>/latency/{provider}/host.json",
    log:
        "<logs>/latency/{provider}.log",
    benchmark:
        "<benchmarks>/latency/{provider}.tsv"
    # All cores there are; a cluster, where no number is given, reserves what the benchmark uses.
    threads: workflow.resource_settings.cores or max(config["benchmark"]["threads"])
    resources:
        gpu=lambda wildcards: int(wildcards.provider != "cpu"),
        mem_mb=2000,
        runtime=120,
        cpus_per_task=max(config["benchmark"]["threads"]),
    params:
        batch_sizes=",".join(map(str, config["benchmark"]["batch_sizes"])),
        threads=",".join(map(str, config["benchmark"]["threads"])),
        rounds=config["benchmark"]["rounds"],
    shell:
        r"""
        resbench latency {input.models:q} --data {input.test:q} --provider {wildcards.provider} \
            --batch-sizes {params.batch_sizes} --threads {params.threads} --rounds {params.rounds} \
            --samples {output.samples:q} --host {output.host:q} 2>&1 | tee -i {log:q} >&2
        """
