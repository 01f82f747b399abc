"""Compare exported models with other ways to run the same network: one thread, one interleaved run.

    python perf/infer.py [VARIANT...] [--results results] [--seed 0] [--batch-sizes 1 32] [--rounds 5] [--seconds 2]
                         [--keras]

with the package importable (PYTHONPATH=workflow) and the variants trained, exported and quantised under `results`;
without names, every variant there.  Each round runs, in a random order and each in a fresh process: ONNX Runtime and
OpenVINO on fp32.onnx and int8.onnx and, with --keras, Keras's `predict` and a call of a `tf.function` on model.keras.
Every process first warms up and must give ONNX Runtime's fp32 probabilities.  Prints the median and the shortest of
all calls, and ratios with their targets: of paired rounds, on the shortest call of each.  Exit status 1 where a
target is missed.  The targets of int8 hold on processors with VNNI.  On those with AMX, which OpenVINO uses for int8
and ONNX Runtime does not, a third runtime is OpenVINO kept from AMX, and the target compares with that one: the same
instructions on both sides.  The table shows both.
"""

import argparse
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

SPEED_UP = 1.6  # of int8 over fp32 in ONNX Runtime, at least
OPENVINO = {True: 1.1, False: 1.25}  # int8's time in ONNX Runtime by OpenVINO's, at most: single images, batches
TOLERANCE = {"fp32.onnx": 1e-3, "int8.onnx": 0.25, "model.keras": 1e-3}  # of a probability
FEWEST_CALLS = 20
INPUTS = 8  # batches that calls take in turn

Call = Callable[[np.ndarray], np.ndarray]  # uint8 (N, 32, 32, 3) → float32 (N, C)


def onnx_runtime(model: Path) -> Call:
    from resbench.runtime.sessions import open_session

    return open_session(model, "cpu", 1).run


def openvino(model: Path) -> Call:
    from resbench.runtime.sessions import open_session

    return open_session(model, "openvino", 1).run


def openvino_without_amx(model: Path) -> Call:
    os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE_VNNI"  # oneDNN, OpenVINO's library of kernels, reads it once
    return openvino(model)


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
}
WITHOUT_AMX = {("OpenVINO without AMX", "int8.onnx"): openvino_without_amx}
KERAS = {
    ("Keras predict", "model.keras"): keras_predict,
    ("tf.function", "model.keras"): tf_function,
}


def inputs(batch_size: int) -> np.ndarray:
    """Return random pixels, uint8 (INPUTS, batch_size, 32, 32, 3), the same in every process."""
    return np.random.default_rng(0).integers(0, 256, (INPUTS, batch_size, 32, 32, 3), np.uint8)


def time_calls(call: Call, images: np.ndarray, seconds: float) -> list[float]:
    """Milliseconds of each call, after as much time of warming up."""
    samples: list[float] = []
    for _ in ("warm-up", "timed"):
        samples, start = [], time.monotonic()
        while len(samples) < FEWEST_CALLS or time.monotonic() - start < seconds:
            image = images[len(samples) % len(images)]
            begin = time.perf_counter_ns()
            call(image)
            samples.append((time.perf_counter_ns() - begin) / 1e6)
    return samples


def measure(runtime: str, path: Path, batch_size: int, seconds: float) -> tuple[np.ndarray, list[float]]:
    """Return the probabilities of all inputs, float32 (images, C), and the milliseconds of each call."""
    call, images = (RUNTIMES | WITHOUT_AMX | KERAS)[runtime, path.name](path), inputs(batch_size)
    outputs = [call(batch).copy() for batch in images]  # a runtime may use its output's memory again
    return np.concatenate(outputs), time_calls(call, images, seconds)


def has(instructions: str) -> bool:
    """Return whether this processor has an instruction set, by Linux's name for it."""
    info = Path("/proc/cpuinfo")
    return info.exists() and instructions in info.read_text()


def compare(variant: str, batch_size: int, arguments: argparse.Namespace) -> list[Verdict]:
    """Measure one variant at one batch size, print its table, and return its ratios with their targets."""
    seed = f"seed{arguments.seed}"
    folders = {name: arguments.results / name / variant / seed for name in ("onnx", "models")}
    ways = list(RUNTIMES | (WITHOUT_AMX if has("amx_int8") else {}) | (KERAS if arguments.keras else {}))
    paths = {way: folders["models" if way in KERAS else "onnx"] / way[1] for way in ways}
    order = random.Random(0)
    calls: dict[tuple[str, str], list[list[float]]] = {way: [] for way in ways}
    reference, _ = harness.fresh(measure, ways[0][0], paths[ways[0]], batch_size, 0.0)
    for _ in range(arguments.rounds):
        for way in order.sample(ways, len(ways)):
            outputs, samples = harness.fresh(measure, way[0], paths[way], batch_size, arguments.seconds)
            difference = np.abs(outputs - reference).max()
            if not difference <= TOLERANCE[way[1]]:
                sys.exit(f"{variant}: {' on '.join(way)} has other outputs, different by {difference:.3g}")
            calls[way].append(samples)
    title = f"{variant}, batch {batch_size}"
    print(f"\n{title:30} {'median ms':>10} {'least ms':>10} {'calls':>7}")
    for (runtime, name), parts in calls.items():
        together = np.concatenate(parts)
        print(f"{runtime + ', ' + name:30} {np.median(together):10.3f} {together.min():10.3f} {len(together):7}")
    return verdicts(title, batch_size, {way: np.array([min(part) for part in parts]) for way, parts in calls.items()})


def verdicts(title: str, batch_size: int, shortest: dict[tuple[str, str], np.ndarray]) -> list[Verdict]:
    """Return the ratios with their targets, from the shortest call of each round, by runtime and file."""
    int8 = shortest["ONNX Runtime", "int8.onnx"]
    gain = latency_ratio(shortest["ONNX Runtime", "fp32.onnx"], int8).estimate
    rival = next(way for way in (*WITHOUT_AMX, ("OpenVINO", "int8.onnx")) if way in shortest)
    share, most = latency_ratio(int8, shortest[rival]).estimate, OPENVINO[batch_size == 1]
    found = [
        Verdict(f"{title}: int8 is {gain:.2f} × as fast as fp32", f"at least {SPEED_UP}", gain >= SPEED_UP),
        Verdict(f"{title}: int8 takes {share:.2f} × the time of {rival[0]}", f"at most {most}", share <= most),
    ]
    for way in KERAS.keys() & shortest.keys():
        ratio = latency_ratio(shortest[way], int8).estimate
        found.append(Verdict(f"{title}: int8 is {ratio:.1f} × as fast as {way[0]}", "more than 1", ratio > 1))
    return found


def main() -> None:
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}  # of the processes that measure
    parser = harness.parser(__doc__)
    parser.add_argument("variants", nargs="*")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--keras", action="store_true", help="time Keras on model.keras, too")
    arguments = parser.parse_args()
    variants = arguments.variants or sorted(path.name for path in (arguments.results / "onnx").iterdir())
    found = [
        verdict
        for variant in variants
        for batch_size in arguments.batch_sizes
        for verdict in compare(variant, batch_size, arguments)
    ]
    if not has("vnni"):
        print("\nThis processor has no VNNI: the targets of int8 do not hold here.")
    harness.conclude(found)


if __name__ == "__main__":
    main()
