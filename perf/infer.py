"""Exported models beside other ways to run the same network: one image a call, one thread, one interleaved run.

    python perf/infer.py VARIANT... [--results results] [--seed 0] [--rounds 5] [--seconds 2]

with the package importable (PYTHONPATH=workflow) and the variants trained, exported and quantised under
`results`.  Each round runs, in a random order and each in a fresh process: ONNX Runtime and OpenVINO on
fp32.onnx and int8.onnx, and Keras's `predict` and a call of a `tf.function` on model.keras.  Every
process first warms up and must give ONNX Runtime's fp32 probabilities.  Prints the median and the
shortest of all calls, and ratios against their targets: from paired rounds, on the shortest call of
each.  Exit status 1 where a target is missed.  int8's is for processors with VNNI.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import harness
import numpy as np
from harness import Verdict
from resbench.statistics.latency import latency_ratio

SPEED_UP = 2.5  # int8 against fp32 in ONNX Runtime, at least, with VNNI
OPENVINO = 1.1  # int8 in ONNX Runtime against OpenVINO on the same file, at most
TOLERANCE = {"fp32.onnx": 1e-3, "int8.onnx": 0.25, "model.keras": 1e-3}  # of a probability
FEWEST_CALLS = 20
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 1, 32, 32, 3), np.uint8)

Call = Callable[[np.ndarray], np.ndarray]  # uint8 (1, 32, 32, 3) → float32 (1, C)


def onnx_runtime(model: Path) -> Call:
    from resbench.runtime.sessions import open_session

    session = open_session(model, "cpu", 1)
    return lambda image: session.run(["probabilities"], {"image": image})[0]


def openvino(model: Path) -> Call:
    from openvino import Core

    # Processors with bfloat16 would otherwise compute float32 in it.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda image: request.infer([image])[0]


def keras_predict(model: Path) -> Call:
    network = _keras(model)
    return lambda image: network.predict(image, verbose=0)


def tf_function(model: Path) -> Call:
    network = _keras(model)

    import tensorflow as tf

    function = tf.function(lambda image: network(image, training=False))
    return lambda image: function(image).numpy()


def _keras(model: Path):
    import resbench.networks.deep  # noqa: F401  registers its layer, and imports TensorFlow quietly

    import keras  # isort: skip
    import tensorflow as tf  # isort: skip

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return keras.models.load_model(model, compile=False)


RUNTIMES = {
    ("ONNX Runtime", "fp32.onnx"): onnx_runtime,
    ("ONNX Runtime", "int8.onnx"): onnx_runtime,
    ("OpenVINO", "fp32.onnx"): openvino,
    ("OpenVINO", "int8.onnx"): openvino,
    ("Keras predict", "model.keras"): keras_predict,
    ("tf.function", "model.keras"): tf_function,
}


def time_calls(call: Call, seconds: float) -> list[float]:
    """Milliseconds of each call, after as much time of warming up."""
    samples: list[float] = []
    for _ in ("warm-up", "timed"):
        samples, start = [], time.monotonic()
        while len(samples) < FEWEST_CALLS or time.monotonic() - start < seconds:
            image = IMAGES[len(samples) % len(IMAGES)]
            begin = time.perf_counter_ns()
            call(image)
            samples.append((time.perf_counter_ns() - begin) / 1e6)
    return samples


def measure(runtime: str, path: Path, seconds: float) -> tuple[np.ndarray, list[float]]:
    """Its probabilities of IMAGES, float32 (8, C), and the milliseconds of each call."""
    call = RUNTIMES[runtime, path.name](path)
    answers = [call(image).copy() for image in IMAGES]  # a runtime may use its output's memory again
    return np.concatenate(answers), time_calls(call, seconds)


def has_vnni() -> bool:
    info = Path("/proc/cpuinfo")
    return info.exists() and "vnni" in info.read_text()


def compare(variant: str, folder: Path, seed: int, rounds: int, seconds: float) -> list[Verdict]:
    """Prints the variant's table."""
    exported, trained = folder / "onnx" / variant / f"seed{seed}", folder / "models" / variant / f"seed{seed}"
    paths = {key: (trained if key[1] == "model.keras" else exported) / key[1] for key in RUNTIMES}
    order = random.Random(0)
    calls: dict[tuple[str, str], list[list[float]]] = {key: [] for key in RUNTIMES}
    reference, _ = harness.fresh(measure, "ONNX Runtime", paths["ONNX Runtime", "fp32.onnx"], 0.0)
    for _ in range(rounds):
        for key in order.sample(list(RUNTIMES), len(RUNTIMES)):
            answers, samples = harness.fresh(measure, key[0], paths[key], seconds)
            difference = np.abs(answers - reference).max()
            if not difference <= TOLERANCE[key[1]]:
                sys.exit(f"{variant}: {' on '.join(key)} answers differently, by {difference:.3g}")
            calls[key].append(samples)
    floors = {key: np.array([min(part) for part in parts]) for key, parts in calls.items()}
    print(f"\n{variant:30} {'median ms':>10} {'least ms':>10} {'calls':>7}")
    for (runtime, name), parts in calls.items():
        together = np.concatenate(parts)
        print(f"{runtime + ', ' + name:30} {np.median(together):10.3f} {together.min():10.3f} {len(together):7}")

    fp32, int8 = floors["ONNX Runtime", "fp32.onnx"], floors["ONNX Runtime", "int8.onnx"]
    faster = latency_ratio(fp32, int8).estimate
    beside = latency_ratio(int8, floors["OpenVINO", "int8.onnx"]).estimate
    verdicts = [
        Verdict(f"{variant}: int8 {faster:.2f} × as fast as fp32", f"at least {SPEED_UP}", faster >= SPEED_UP),
        Verdict(f"{variant}: int8 takes {beside:.2f} × OpenVINO's time", f"at most {OPENVINO}", beside <= OPENVINO),
    ]
    for name in ("Keras predict", "tf.function"):
        ratio = latency_ratio(floors[name, "model.keras"], int8).estimate
        verdicts.append(Verdict(f"{variant}: int8 {ratio:.1f} × as fast as {name}", "more than 1", ratio > 1))
    return verdicts


def main() -> None:
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}  # of the processes that measure
    parser = harness.parser(__doc__)
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    verdicts = []
    for variant in arguments.variants:
        verdicts += compare(variant, arguments.results, arguments.seed, arguments.rounds, arguments.seconds)
    if not has_vnni():
        print("\nThis processor has no VNNI: int8's speed-up is not the one that its target is about.")
    harness.conclude(verdicts)


if __name__ == "__main__":
    main()
