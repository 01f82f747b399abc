rule collate:
    """Collect all results in one table, compare the models and recommend one."""
    input:
        summary="<results>/data/summary.json",
        parity=expand(
            "<results>/onnx/{variant}/seed{seed}/parity.json",
            variant=config["variants"],
            seed=config["seeds"],
        ),
        predictions=all_predictions(),
        samples=SAMPLES,
        host=HOSTS,
        robustness=["<results>/robustness.csv"] if TEST_SETS else [],
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
        recommendation="<results>/recommendation.json",
        markdown="<results>/report.md",
        checksums="<results>/SHA256SUMS",
    log:
        "<logs>/collate.log",
    benchmark:
        "<benchmarks>/collate.tsv"
    conda:
        "../envs/resbench.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code_digest("collate"),
        name=arguments(config["data"], "name"),
        deployment=[
            *("--provider", DEPLOYED_ON, "--batch-size", config["benchmark"]["batch_sizes"][0]),
            *("--threads", config["benchmark"]["threads"][0], "--precision", config["deployment"]["precision"]),
        ],
        parity=repeated_arguments("parity"),
        predictions=repeated_arguments("predictions"),
        samples=repeated_arguments("samples"),
        host=repeated_arguments("host"),
        robustness=repeated_arguments("robustness"),
    shell:
        r"""
        resbench collate --report {output.report:q} --comparisons {output.comparisons:q} \
            --recommendation {output.recommendation:q} --markdown {output.markdown:q} \
            --checksums {output.checksums:q} {params.name:q} \
            --summary {input.summary:q} {params.parity:q} {params.predictions:q} {params.samples:q} {params.host:q} \
            {params.robustness:q} {params.deployment:q} 2>{log:q}
        """


rule page:
    """Write a page that loads nothing, and its charts as files next to it."""
    input:
        report="<results>/report.csv",
        comparisons="<results>/comparisons.csv",
        recommendation="<results>/recommendation.json",
        history=expand(
            "<results>/models/{variant}/seed{seed}/history.csv",
            variant=config["variants"],
            seed=config["seeds"],
        ),
        predictions=all_predictions(),
        samples=SAMPLES,
        host=HOSTS,
        scenarios=["<results>/scenarios.csv"] if config["benchmark"]["scenarios"] else [],
        robustness=["<results>/robustness.csv"] if TEST_SETS else [],
        operators=[f"<results>/profile/{BASE_PROVIDER.name}/operators.csv"] if config["benchmark"]["profile"] else [],
        test="<results>/data/test.npz",
        summary="<results>/data/summary.json",
    output:
        page=report("<results>/report.html", caption="../report/page.rst", category="Page", labels={"page": "the page"}),
        figures=report(
            directory("<results>/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        checksums="<results>/SHA256SUMS.page",
    log:
        "<logs>/page.log",
    benchmark:
        "<benchmarks>/page.tsv"
    conda:
        "../envs/resbench.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code_digest("page"),
        history=repeated_arguments("history"),
        predictions=repeated_arguments("predictions"),
        samples=repeated_arguments("samples"),
        host=repeated_arguments("host"),
        scenarios=repeated_arguments("scenarios"),
        robustness=repeated_arguments("robustness"),
        operators=repeated_arguments("operators"),
        config=experiment(config),
    shell:
        r"""
        resbench page --page {output.page:q} --figures {output.figures:q} --checksums {output.checksums:q} \
            --report {input.report:q} --comparisons {input.comparisons:q} --recommendation {input.recommendation:q} \
            --test {input.test:q} --summary {input.summary:q} \
            {params.history:q} {params.predictions:q} {params.samples:q} {params.host:q} {params.scenarios:q} \
            {params.robustness:q} {params.operators:q} --config {params.config:q} 2>{log:q}
        """
