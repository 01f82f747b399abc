TEST_SET_FILES = [
    *expand("<results>/data/test_sets/{test_set}.npz", test_set=EXTRA_TEST_SETS),
    *expand("<results>/data/corrupted/{test_set}.npz", test_set=CORRUPTED_TEST_SETS),
]


localrules:
    extraset,


rule extraset:
    """Read a further test set of the user's own."""
    input:
        like="<results>/data/test.npz",
    output:
        "<results>/data/test_sets/{test_set}.npz",
    log:
        "<logs>/extraset/{test_set}.log",
    benchmark:
        "<benchmarks>/extraset/{test_set}.tsv"
    wildcard_constraints:
        test_set="|".join(map(re.escape, EXTRA_TEST_SETS)) or "(?!)",
    conda:
        "../envs/resbench.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code_digest("extraset"),
        path=lambda wildcards: EXTRA_TEST_SETS[wildcards.test_set]["path"],
        labels=lambda wildcards: arguments(EXTRA_TEST_SETS[wildcards.test_set], "labels"),
        # The files may change.
        content=lambda wildcards: fingerprint_test_set(
            EXTRA_TEST_SETS[wildcards.test_set]["path"], EXTRA_TEST_SETS[wildcards.test_set]["labels"]
        ),
    shell:
        r"""
        resbench extraset {params.path:q} --like {input.like:q} {params.labels:q} --output {output:q} 2>{log:q}
        """


if CORRUPTED_TEST_SETS:

    rule corrupt:
        """Make corrupted copies of the test images: noise, blur, JPEG, contrast and brightness."""
        input:
            test="<results>/data/test.npz",
        output:
            expand("<results>/data/corrupted/{test_set}.npz", test_set=CORRUPTED_TEST_SETS),
        log:
            "<logs>/corrupt.log",
        benchmark:
            "<benchmarks>/corrupt.tsv"
        conda:
            "../envs/resbench.yaml"
        resources:
            mem_mb=2000,
        params:
            code=code_digest("corrupt"),
            outputs=lambda wildcards, output: each("--output", output),
        shell:
            "resbench corrupt --data {input.test:q} {params.outputs:q} 2>{log:q}"


rule evaluate_test_sets:
    """Run a model over all further test sets and write its predictions."""
    input:
        model="<results>/onnx/{variant}/seed{seed}/{precision}.onnx",
        data=TEST_SET_FILES,
    output:
        predictions=expand(
            "<results>/predictions/{{variant}}/seed{{seed}}/{{precision}}-{{provider}}/{test_set}.npz",
            test_set=TEST_SETS,
        ),
    log:
        "<logs>/evaluate_test_sets/{variant}/seed{seed}/{precision}-{provider}.log",
    benchmark:
        "<benchmarks>/evaluate_test_sets/{variant}/seed{seed}/{precision}-{provider}.tsv"
    conda:
        "../envs/resbench.yaml"
    threads: 1
    resources:
        gpu=lambda wildcards: int(PROVIDERS[wildcards.provider].needs_gpu),
        mem_mb=memory(2000),
        runtime=lambda wildcards, attempt: attempt * max(30, 10 * len(TEST_SETS)),
    params:
        code=lambda wildcards: code_digest("evaluate", providers=(wildcards.provider,)),
        options=lambda wildcards: provider_arguments([wildcards.provider]),
        data=repeated_arguments("data"),
        predictions=lambda wildcards, output: each("--predictions", output.predictions),
    shell:
        r"""
        resbench evaluate {input.model:q} {params.data:q} --provider {wildcards.provider} {params.options:q} \
            --threads {threads} {params.predictions:q} 2>{log:q}
        """


rule robustness:
    """Collect the accuracy of every model on further test sets."""
    input:
        data=TEST_SET_FILES,
        predictions=lambda wildcards: [
            *all_predictions(),
            *[path for test_set in TEST_SETS for path in all_predictions(f"/{test_set}.npz")],
        ],
    output:
        table=report(
            "<results>/robustness.csv",
            caption="../report/robustness.rst",
            category="Tables",
            labels={"table": "robustness"},
        ),
        checksums="<results>/SHA256SUMS.robustness",
    log:
        "<logs>/robustness.log",
    benchmark:
        "<benchmarks>/robustness.tsv"
    conda:
        "../envs/resbench.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code_digest("robustness"),
        data=repeated_arguments("data"),
        predictions=repeated_arguments("predictions"),
    shell:
        r"""
        resbench robustness --results {output.table:q} --checksums {output.checksums:q} {params.data:q} \
            {params.predictions:q} 2>{log:q}
        """
