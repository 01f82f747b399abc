"""Training speed and memory beside plain Keras.

    python perf/train.py [--variants basic,pool,bottleneck] [--rounds 3] [--steps 8] [--threads 2]

Both train the same network with Adam at the same batch size and number of threads on 50,000
random images: ours through `resbench.training.fit`, Keras's by `model.fit` on float32 arrays, as a
notebook does.  XLA is on for both on a GPU and off for both on a CPU, where it is slower.  Each
measurement is a fresh process, the two take turns, and medians are printed.  Speed leaves out the
first step, which compiles.  Memory is the process's peak, and how much of it came with the images:
the peak beyond that of the same training on 64 of them; on a GPU also the peak on the card.  Ends
with the ratios against their targets; exit status 1 where one is missed.
"""

import os
import resource
import statistics
import time

import harness
import numpy as np
from harness import Verdict

IMAGES = 50_000
BATCH = 32
SPEED = 1.0  # times Keras's, at least
MEMORY = 1 / 3  # of what Keras takes for the images, at most
TITLES = {
    "speed": "images/s",
    "peak": "peak MB",
    "images": f"MB for {IMAGES:,} images",
    "card": "peak MB on the card",
}


def peak_mb() -> float:
    """Largest resident memory so far, in units of 10^6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def side_by_side(variant: str, steps: int, threads: int, rounds: int = 1) -> dict[str, dict[str, float]]:
    """Of `ours` and of `Keras`, the medians of what `measure` returns."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "Keras": []}
    for number in range(rounds):
        for who in ("ours", "Keras") if number % 2 == 0 else ("Keras", "ours"):
            found[who].append(harness.fresh(measure, who, variant, steps, threads))
    return {who: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for who, runs in found.items()}


def measure(who: str, variant: str, steps: int, threads: int) -> dict[str, float]:
    """What TITLES names, `card` on a GPU alone; memory in units of 10^6 bytes."""
    from resbench.training.devices import claim_device

    with claim_device("auto", threads):
        import tensorflow as tf

        train = ours if who == "ours" else keras_fit
        train(variant, 2 * BATCH, 1)
        without_images = peak_mb()
        seconds = train(variant, IMAGES, steps)
        found = {"speed": steps * BATCH / seconds, "peak": peak_mb(), "images": peak_mb() - without_images}
        if tf.config.list_physical_devices("GPU"):
            found["card"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
        return found


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
    parser = harness.parser(__doc__)
    parser.add_argument("--variants", default="basic,pool,bottleneck")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"batch {BATCH}, {options.threads} threads, {options.steps} steps, median of {options.rounds} processes")
    verdicts: list[Verdict] = []
    for variant in options.variants.split(","):
        medians = side_by_side(variant, options.steps, options.threads, options.rounds)
        us, them = medians["ours"], medians["Keras"]
        if not verdicts:
            print(f"{'':<12}" + "".join(f"{TITLES[key]:^24}" for key in us))
            print(f"{'variant':<12}" + len(us) * f"{'ours':>8}{'Keras':>8}{'ratio':>8}")
        ratios = {key: us[key] / them[key] for key in us}
        cells = "".join(f"{us[key]:>8.1f}{them[key]:>8.1f}{ratios[key]:>8.2f}" for key in us)
        print(f"{variant:<12}{cells}", flush=True)
        speed, memory = ratios["speed"], ratios["images"]
        verdicts += [
            Verdict(f"{variant}: {speed:.2f} × Keras's images/s", f"at least {SPEED}", speed >= SPEED),
            Verdict(f"{variant}: {memory:.2f} × its memory for the images", f"at most {MEMORY:.2f}", memory <= MEMORY),
        ]
    harness.conclude(verdicts)


if __name__ == "__main__":
    main()
