rule check:
    """Run a variant's untrained network through all later stages, which takes seconds, before it is trained."""
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
        mem_mb=memory(3000),
        # As a resource: a changed parameter would run the check again, and with it the training.
        precisions=" ".join(f"--precision {name}" for name in config["precisions"]),
    params:
        # The same as of the training: the check runs again only with it, not after an edit of the export, for example.
        code=lambda wildcards: code_digest("train", variant=wildcards.variant, protocol=config["training"]["protocol"]),
    shell:
        r"""
        resbench check {wildcards.variant:q} {resources.precisions} --figures {output:q} \
            2>&1 | tee -i {log:q} >&2
        """


rule train:
    """Train one variant with one random seed."""
    input:
        # Not `ancient`: where the check has to run, Snakemake would not see that the training has to, too.
        checked="<results>/checks/{variant}.json",
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
        gpu=lambda wildcards: training_cards(),
        mem_mb=memory(4000),
        runtime=720,
    params:
        code=lambda wildcards: code_digest("train", variant=wildcards.variant, protocol=config["training"]["protocol"]),
        # Not an output: a failed job's outputs are deleted, and the next attempt resumes from here.
        checkpoints=lambda wildcards, output: (
            Path(output.model).parents[3] / f"checkpoints/{wildcards.variant}/seed{wildcards.seed}"
        ),
        settings=arguments(
            config["training"],
            "protocol",
            "epochs",
            "batch_size",
            "limit",
            "validation",
            "xla",
            "mixed_precision",
            defaults=PROTOCOLS[config["training"]["protocol"]],
        ),
    shell:
        r"""
        resbench train {wildcards.variant:q} --seed {wildcards.seed} {params.settings:q} \
            --device {resources.device} --threads {threads} \
            --data {input.train:q} --test {input.test:q} --checkpoints {params.checkpoints:q} --checked {input.checked:q} \
            --model {output.model:q} --history {output.history:q} 2>&1 | tee -i {log:q} >&2
        """
