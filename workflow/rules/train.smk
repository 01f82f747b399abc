rule check:
    """Take a variant's untrained network through all that follows, before anything is trained: seconds."""
    output:
        "<results>/checks/{variant}.json",
    log:
        "<logs>/check/{variant}.log",
    benchmark:
        "<benchmarks>/check/{variant}.tsv"
    priority: 100
    conda:
        "../envs/resbench.yaml"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        code=lambda wildcards: code_digest("check", variant=wildcards.variant),
        precisions=[word for name in config["precisions"] if name != "fp32" for word in ("--precision", name)],
    shell:
        r"""
        resbench check {wildcards.variant:q} {params.precisions} --figures {output:q} \
            2>&1 | tee -i {log:q} >&2
        """


rule train:
    """Fit one variant from one random seed."""
    input:
        # A check that is done again, after an edit of the export, trains nothing again.
        checked=ancient("<results>/checks/{variant}.json"),
        train="<results>/data/train.npz",
        test="<results>/data/test.npz",
    output:
        model="<results>/models/{variant}/seed{seed}/model.keras",
        history="<results>/models/{variant}/seed{seed}/history.csv",
    log:
        "<logs>/train/{variant}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{variant}/seed{seed}.tsv"
    conda:
        "../envs/resbench.yaml"
    threads: 2
    resources:
        device=config["training"]["device"],
        gpu=training_cards(),
        mem_mb=4000,
        runtime=720,
    params:
        code=lambda wildcards: code_digest("train", variant=wildcards.variant),
        # Not an output: a failed job's outputs are deleted, and the next try resumes from here.
        checkpoints=lambda wildcards, output: (
            Path(output.model).parents[3] / f"checkpoints/{wildcards.variant}/seed{wildcards.seed}"
        ),
        settings=given(
            config["training"],
            "protocol",
            "epochs",
            "batch_size",
            "limit",
            "validation",
            "xla",
            "mixed_precision",
        ),
    shell:
        r"""
        resbench train {wildcards.variant:q} --seed {wildcards.seed} {params.settings:q} \
            --device {resources.device} --threads {threads} \
            --data {input.train:q} --test {input.test:q} --checkpoints {params.checkpoints:q} --checked {input.checked:q} \
            --model {output.model:q} --history {output.history:q} 2>&1 | tee -i {log:q} >&2
        """
