rule export:
    """Convert a model to ONNX; refused unless both agree on the whole test set."""
    input:
        "workflow/resbench/export/onnx.py",
        model="<results>/models/{variant}/seed{seed}/model.keras",
        test="<results>/data/test.npz",
    output:
        onnx="<results>/onnx/{variant}/seed{seed}/fp32.onnx",
        parity="<results>/onnx/{variant}/seed{seed}/parity.json",
    log:
        "<logs>/export/{variant}/seed{seed}.log",
    benchmark:
        "<benchmarks>/export/{variant}/seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    shell:
        r"""
        resbench export {input.model:q} --data {input.test:q} --threads {threads} \
            --onnx {output.onnx:q} --parity {output.parity:q} 2>{log:q}
        """
