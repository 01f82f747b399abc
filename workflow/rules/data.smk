localrules:
    digits,  # on a cluster, these run where Snakemake runs: they take seconds,
    download,  # and nodes may have no internet access
    convert,


rule digits:
    """Make an archive in CIFAR-10's layout from scikit-learn's handwritten digits; needs no network."""
    output:
        "<results>/data/digits.tar",
    log:
        "<logs>/digits.log",
    benchmark:
        "<benchmarks>/digits.tsv"
    conda:
        "../envs/resbench.yaml"
    params:
        code=code_digest("digits"),
    shell:
        "resbench digits {output:q} 2>{log:q}"


rule download:
    """Fetch the archive from the first source that delivers it with the right hash."""
    input:
        digits="<results>/data/digits.tar" if "digits" in SOURCES else [],
    output:
        archive="<results>/data/archive",
        record="<results>/data/source.json",
    log:
        "<logs>/download.log",
    benchmark:
        "<benchmarks>/download.tsv"
    conda:
        "../envs/resbench.yaml"
    resources:
        # These do not affect the data: as resources, a change of them downloads nothing again.
        min_rate_kb=config["data"]["min_rate_kb"],
        window_s=config["data"]["window_s"],
    params:
        sha256=SHA256 or "none",
        # The user's own file or folder may change. (Snakemake detects no change in a function of the outputs.)
        content=lambda wildcards: SHA256 or local_content(),
        sources=lambda wildcards, input: each(
            "--source", [input.digits if source == "digits" else source for source in SOURCES]
        ),
    shell:
        r"""
        resbench download {output.archive:q} --sha256 {params.sha256:q} {params.sources:q} \
            --min-rate {resources.min_rate_kb} --window {resources.window_s} --record {output.record:q} \
            2>&1 | tee -i {log:q} >&2
        """


rule convert:
    """Read the archive into two array files; nothing in it is unpacked or executed."""
    input:
        archive="<results>/data/archive",
        record="<results>/data/source.json",
    output:
        train="<results>/data/train.npz",
        test="<results>/data/test.npz",
        summary="<results>/data/summary.json",
        samples="<results>/data/samples.png",
    log:
        "<logs>/convert.log",
    benchmark:
        "<benchmarks>/convert.tsv"
    conda:
        "../envs/resbench.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code_digest("convert"),
    shell:
        r"""
        resbench convert {input.archive:q} --record {input.record:q} \
            --train {output.train:q} --test {output.test:q} \
            --summary {output.summary:q} --samples {output.samples:q} 2>{log:q}
        """
