rule export:
    """Convert a model to ONNX, unless the two disagree on the test set."""
    input:
        model="<results>/models/{variant}/seed{seed}/model.keras",
        test="<results>/data/test.npz",
    output:
        onnx="<results>/onnx/{variant}/seed{seed}/fp32.onnx",
        parity="<results>/onnx/{variant}/seed{seed}/parity.json",
    log:
        "<logs>/export/{variant}/seed{seed}.log",
    benchmark:
        "<benchmarks>/export/{variant}/seed{seed}.tsv"
    conda:
        "../envs/resbench.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
    params:
        code=lambda wildcards: code_digest("export", variant=wildcards.variant),
    shell:
        r"""
        resbench export {input.model:q} --data {input.test:q} --threads {threads} \
            --onnx {output.onnx:q} --parity {output.parity:q} 2>{log:q}
        """


rule quantize:
    """Write a model in another precision; int8 is calibrated on images that it was trained on."""
    input:
        model="<results>/onnx/{variant}/seed{seed}/fp32.onnx",
        train="<results>/data/train.npz",
    output:
        "<results>/onnx/{variant}/seed{seed}/{precision}.onnx",
    log:
        "<logs>/quantize/{variant}/seed{seed}/{precision}.log",
    benchmark:
        "<benchmarks>/quantize/{variant}/seed{seed}/{precision}.tsv"
    wildcard_constraints:
        precision="int8|fp16",
    conda:
        "../envs/resbench.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
    params:
        code=code_digest("quantize"),
        settings=lambda wildcards: (
            arguments(config["quantization"], "images", "method", "seed") if wildcards.precision == "int8" else []
        ),
    shell:
        r"""
        resbench quantize {input.model:q} --data {input.train:q} --precision {wildcards.precision} \
            {params.settings:q} --threads {threads} --onnx {output:q} 2>{log:q}
        """


localrules:
    bundle,  # copies files


rule bundle:
    """Write the model to deploy into a folder that Triton serves: of the first seed, in the recommended precision."""
    input:
        report="<results>/report.csv",
        recommendation="<results>/recommendation.json",
        robustness=["<results>/robustness.csv"] if TEST_SETS else [],
        test="<results>/data/test.npz",
        models=expand(
            "<results>/onnx/{{variant}}/seed{seed}/{precision}.onnx",
            seed=config["seeds"][0],
            precision=precisions_on(DEPLOYED_ON),
        ),
        predictions=expand(
            "<results>/predictions/{{variant}}/seed{seed}/{precision}-{provider}.npz",
            seed=config["seeds"][0],
            precision=precisions_on(DEPLOYED_ON),
            provider=DEPLOYED_ON,
        ),
    output:
        directory("<results>/model_repository/{variant}"),
    log:
        "<logs>/bundle/{variant}.log",
    benchmark:
        "<benchmarks>/bundle/{variant}.tsv"
    conda:
        "../envs/resbench.yaml"
    params:
        code=code_digest("bundle"),
        predictions=repeated_arguments("predictions"),
        robustness=repeated_arguments("robustness"),
    shell:
        r"""
        resbench bundle {input.models:q} {params.predictions:q} --report {input.report:q} \
            --recommendation {input.recommendation:q} {params.robustness:q} --data {input.test:q} --folder {output:q} 2>{log:q}
        """
