"""Training speed and memory beside plain Keras.

    python perf/train.py [--variants basic,pool,bottleneck] [--rounds 3] [--steps 8] [--threads 2]

Both train the same network with Adam at the same batch size and number of threads on 50,000
random images: ours through `resbench.training.fit`, Keras's by `model.fit` on float32 arrays, as a
notebook does.  XLA is on for both on a GPU and off for both on a CPU, where it is slower.  Each
measurement is a fresh process, the two take turns, and medians are printed.  Speed leaves out the
first step, which compiles.  Memory is the process's peak, and how much of it came with the images:
the peak beyond that of the same training on 64 of them.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

IMAGES = 50_000
BATCH = 32


def peak_mb() -> float:
    """Largest resident memory so far, in units of 10^6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def measure(who: str, variant: str, steps: int, threads: int) -> dict[str, float]:
    from resbench.training.devices import claim_device

    with claim_device("auto", threads):
        train = ours if who == "ours" else keras_fit
        train(variant, 2 * BATCH, 1)
        without_images = peak_mb()
        seconds = train(variant, IMAGES, steps)
        return {
            "speed": steps * BATCH / seconds,
            "peak": peak_mb(),
            "images": peak_mb() - without_images,
        }


def random_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 32, 32, 3), np.uint8), random.integers(0, 10, count, np.uint8)


def build(variant: str):
    """The network, and whether this machine has a GPU."""
    import keras
    import tensorflow as tf
    from resbench.networks import registry

    keras.utils.set_random_seed(0)
    return registry.variant(variant).build(10), bool(tf.config.list_physical_devices("GPU"))


def ours(variant: str, count: int, steps: int) -> float:
    """Seconds of `steps` steps after the first."""
    from resbench.data.store import Split
    from resbench.progress import Progress
    from resbench.training import fit
    from resbench.training.protocols import PROTOCOLS

    model, gpu = build(variant)
    protocol = PROTOCOLS["published"]
    optimizer = protocol.optimizer(steps, False)
    optimizer.build(model.trainable_variables)
    data = Split(*random_images(count), np.arange(10).astype(str))
    run_steps = fit.training_steps(model, optimizer, protocol, data, gpu)
    del data  # as the training stage does: the images are on the device now
    order, draws = fit.epoch_plan(0, 1, count)
    first, rest = slice(0, BATCH), slice(BATCH, (steps + 1) * BATCH)
    fit.run_epoch(run_steps, order[first], draws[first], BATCH, 1, Progress("first"))
    return fit.run_epoch(run_steps, order[rest], draws[rest], BATCH, min(steps, 200), Progress("rest")).seconds


def keras_fit(variant: str, count: int, steps: int) -> float:
    """Seconds of `steps` steps after the first."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.ends = []

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(time.perf_counter())

    model, gpu = build(variant)
    clock = Clock()
    network = keras.models.clone_model(model, input_tensors=keras.Input((32, 32, 3), dtype="float32"))
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=gpu)
    images, labels = random_images(count)
    images = images.astype(np.float32)
    network.fit(images, labels, batch_size=BATCH, steps_per_epoch=steps + 1, verbose=0, callbacks=[clock])
    return clock.ends[-1] - clock.ends[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="basic,pool,bottleneck")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(measure(*options.worker, options.steps, options.threads)))
        return
    print(f"batch {BATCH}, {options.threads} threads, {options.steps} steps, median of {options.rounds} processes")
    print(f"{'':<12}{'images/s':^24}{'peak MB':^24}{'MB for 50,000 images':^24}")
    print(f"{'variant':<12}" + 3 * f"{'ours':>8}{'Keras':>8}{'ratio':>8}")
    for variant in options.variants.split(","):
        found: dict[str, list[dict[str, float]]] = {"ours": [], "keras": []}
        for number in range(options.rounds):
            for who in ("ours", "keras") if number % 2 == 0 else ("keras", "ours"):
                command = [sys.executable, __file__, "--worker", who, variant]
                command += ["--steps", str(options.steps), "--threads", str(options.threads)]
                answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found[who].append(json.loads(answer.stdout.splitlines()[-1]))
        line = f"{variant:<12}"
        for key in ("speed", "peak", "images"):
            us, them = (statistics.median(run[key] for run in found[who]) for who in ("ours", "keras"))
            line += f"{us:>8.1f}{them:>8.1f}{us / them:>8.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
