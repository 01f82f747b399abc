"""The columns of the tables that measurements are written to; the stages that read them need nothing else from here."""

# The file of `latency`: one row for each timed call.
SAMPLE_COLUMNS = [
    *("model", "variant", "seed", "precision", "provider", "batch_size", "threads", "round"),
    *("load_ms", "first_ms", "peak_rss_mb", "call", "latency_ms"),
]

# The file of `profile`: one row for each operator that was executed.
OPERATOR_COLUMNS = [
    *("model", "variant", "seed", "precision", "provider", "batch_size", "threads"),
    *("layer", "operator", "share", "macs", "gmacs_per_s", "peak_gmacs_per_s", "unfused"),
]

# The file of `scenarios`: one row for each model and scenario.
SCENARIO_COLUMNS = [
    *("model", "variant", "seed", "precision", "provider", "threads", "scenario", "preset", "batch_size"),
    *("verdict", "reason", "rate_ips", "p50_ms", "p90_ms", "p99_ms", "p99_bound_ms", "loadgen", "host"),
]
