rule collate:
    """Gather every stage's figures in one table."""
    input:
        "workflow/resbench/intervals.py",
        "workflow/resbench/report/caveats.py",
        "workflow/resbench/report/comparisons.py",
        "workflow/resbench/report/inputs.py",
        "workflow/resbench/report/latency_summary.py",
        "workflow/resbench/report/markdown.py",
        "workflow/resbench/report/published.py",
        "workflow/resbench/report/statistics.py",
        "workflow/resbench/report/table.py",
        "workflow/resbench/report/words.py",
        summary="<results>/data/summary.json",
        parity=expand(
            "<results>/onnx/{variant}/seed{seed}/parity.json",
            variant=config["variants"],
            seed=config["seeds"],
        ),
        predictions=all_predictions(),
        samples=expand("<results>/latency/{provider}/samples.csv", provider=config["benchmark"]["providers"]),
        host=expand("<results>/latency/{provider}/host.json", provider=config["benchmark"]["providers"]),
    output:
        report=report(
            "<results>/report.csv", caption="../report/table.rst", category="Tables", labels={"table": "measurements"}
        ),
        comparisons=report(
            "<results>/comparisons.csv",
            caption="../report/comparisons.rst",
            category="Tables",
            labels={"table": "comparisons"},
        ),
        markdown="<results>/report.md",
    log:
        "<logs>/collate.log",
    benchmark:
        "<benchmarks>/collate.tsv"
    resources:
        mem_mb=2000,
    params:
        dataset=config["data"]["name"],
        parity=repeated("parity"),
        predictions=repeated("predictions"),
        samples=repeated("samples"),
        host=repeated("host"),
    shell:
        r"""
        resbench collate --report {output.report:q} --comparisons {output.comparisons:q} \
            --markdown {output.markdown:q} --dataset {params.dataset:q} --summary {input.summary:q} {params.parity:q} \
            {params.predictions:q} {params.samples:q} {params.host:q} 2>{log:q}
        """
