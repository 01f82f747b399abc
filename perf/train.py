"""Training speed and memory compared with plain Keras.

    python perf/train.py [--networks basic,pool,bottleneck,resnet8:128,resnet20:128]
                         [--turns 6] [--steps 6] [--threads 2]

NAME:BATCH trains with batches of that size; 32 without.  Both train the same network with Adam at the same batch size
and number of threads on 50,000 random images: ours through `resbench.training`, Keras's by `model.fit` on float32
arrays, as a notebook does.  Networks with batch normalisation, the resnets, show what the fused operation of
`resbench.training.normalization` gains.  On a processor with AMX, each network is trained in bfloat16, too, beside
Keras in float32.  XLA is on for both on a GPU and off for both on a CPU, where it is slower.  Each has
a process of its own, and they take turns of a few steps, one waiting while the other trains, so that
a machine whose speed changes is the same for both; medians are printed, and of speed the median of
the turns' ratios.  Speed leaves out the first step of each turn.  Memory is the process's peak,
and how much of it came with the images: the peak beyond that of the same training on 64 of them; on
a GPU also the peak on the card.  Ends with the ratios against their targets; exit status 1 where one
is missed.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import harness
from harness import Verdict

IMAGES = 50_000
NETWORKS = "basic,pool,bottleneck,resnet8:128,resnet20:128"
BATCH = 32  # the notebook's
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


class Case(NamedTuple):
    """What is trained; ours in the arithmetic `policy`, a key of POLICIES, Keras's in float32."""

    variant: str
    batch: int = BATCH
    policy: str = "none"

    def __str__(self) -> str:
        return f"{self.variant}:{self.batch}{'' if self.policy == 'none' else ' ' + self.policy}"


def side_by_side(case: Case, steps: int, threads: int, turns: int = 1) -> dict[str, dict[str, float]]:
    """What TITLES names, of `ours`, of `Keras` and as the `ratio` of both; `card` on a GPU alone."""
    with harness.process() as us, harness.process() as them:
        sides = {"ours": us, "Keras": them}
        for who, side in sides.items():
            side.submit(prepare, who, case, threads).result()
        speeds: dict[str, list[float]] = {who: [] for who in sides}
        for number in range(turns):
            for who in list(sides)[:: 1 if number % 2 == 0 else -1]:
                speeds[who].append(steps * case.batch / sides[who].submit(take_turn, steps).result())
        found = {
            who: {"speed": statistics.median(speeds[who])} | side.submit(memory).result() for who, side in sides.items()
        }
    found["ratio"] = {key: found["ours"][key] / found["Keras"][key] for key in found["ours"]}
    found["ratio"]["speed"] = statistics.median(a / b for a, b in zip(speeds["ours"], speeds["Keras"], strict=True))
    return found


# What a process of `side_by_side` keeps between its turns.
take_steps: Callable[[int], float]
peak_without_images: float


def prepare(who: str, case: Case, threads: int) -> None:
    global take_steps, peak_without_images
    begin = set_up_ours(threads) if who == "ours" else set_up_keras(threads)
    begin(case, 2 * case.batch)(1)
    peak_without_images = peak_mb()
    take_steps = begin(case, IMAGES)
    take_steps(1)


def take_turn(steps: int) -> float:
    """Seconds of so many steps."""
    return take_steps(steps)


def memory() -> dict[str, float]:
    """In units of 10^6 bytes."""
    import tensorflow as tf

    found = {"peak": peak_mb(), "images": peak_mb() - peak_without_images}
    if tf.config.list_physical_devices("GPU"):
        found["card"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
    return found


def random_images(count: int):
    """Images and labels.  numpy is imported here, not above: `resbench train` sets memory up before numpy is there."""
    import numpy as np

    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 32, 32, 3), np.uint8), random.integers(0, 10, count, np.uint8)


def build(variant: str, policy: str = "none"):
    """The network, computing by that policy, and whether this machine has a GPU."""
    import keras
    import tensorflow as tf
    from resbench.networks import registry
    from resbench.training.settings import POLICIES

    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(POLICIES[policy])
    return registry.variant(variant).build(10), bool(tf.config.list_physical_devices("GPU"))


def set_up_ours(threads: int) -> Callable[[Case, int], Callable[[int], float]]:
    from resbench.training.devices import claim_device

    claim_device("auto", threads).__enter__()  # until this process ends
    return ours


def set_up_keras(threads: int) -> Callable[[Case, int], Callable[[int], float]]:
    import resbench.networks  # noqa: F401  imports TensorFlow quietly

    import tensorflow as tf  # isort: skip

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # the other process is on the same card
    return keras_fit


def ours(case: Case, count: int) -> Callable[[int], float]:
    """A function that trains a step and then so many more on `count` images, and returns the seconds of the latter."""
    import numpy as np
    from resbench.common.progress import Progress
    from resbench.data.store import Split
    from resbench.training import loop
    from resbench.training.protocols import PROTOCOLS

    model, gpu = build(case.variant, case.policy)
    protocol, batch = PROTOCOLS["notebook"], case.batch
    optimizer = protocol.optimizer(IMAGES // batch, False)
    optimizer.build(model.trainable_variables)
    data = Split(*random_images(count), np.arange(10).astype(str))
    run_steps = loop.training_steps(model, optimizer, protocol, data, gpu)
    order, draws = loop.epoch_plan(0, 1, count)

    def train(steps: int) -> float:
        first, rest = slice(0, batch), slice(batch, (steps + 1) * batch)
        loop.run_epoch(run_steps, order[first], draws[first], batch, 1, Progress(""))
        return loop.run_epoch(run_steps, order[rest], draws[rest], batch, min(steps, 200), Progress("")).seconds

    return train


def keras_fit(case: Case, count: int) -> Callable[[int], float]:
    """As `ours`, by a `fit` each time."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # a GPU works on after the call that gave it its work
            if batch == 0:
                self.start = time.perf_counter()
            self.end = time.perf_counter()

    model, gpu = build(case.variant)
    network = keras.models.clone_model(model, input_tensors=keras.Input((32, 32, 3), dtype="float32"))
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=gpu)
    images, labels = random_images(count)
    images = images.astype("float32")

    def train(steps: int) -> float:
        clock = Clock()
        network.fit(images, labels, batch_size=case.batch, steps_per_epoch=steps + 1, verbose=0, callbacks=[clock])
        return clock.end - clock.start

    return train


def cases(networks: str) -> Iterator[Case]:
    """Each network in float32 and, on a processor that has its instructions, in bfloat16."""
    has_bfloat16 = "amx_bf16" in Path("/proc/cpuinfo").read_text()
    for name in networks.split(","):
        variant, _, batch = name.partition(":")
        for policy in ("none", "bfloat16") if has_bfloat16 else ("none",):
            yield Case(variant, int(batch or BATCH), policy)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--steps", type=int, default=6, help="of a turn")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"{options.threads} threads, {options.turns} turns of {options.steps} steps")
    verdicts: list[Verdict] = []
    for case in cases(options.networks):
        us, them, ratio = side_by_side(case, options.steps, options.threads, options.turns).values()
        if not verdicts:
            print(f"{'':<24}" + "".join(f"{TITLES[key]:^24}" for key in us))
            print(f"{'network:batch':<24}" + len(us) * f"{'ours':>8}{'Keras':>8}{'ratio':>8}")
        print(
            f"{case!s:<24}" + "".join(f"{us[key]:>8.1f}{them[key]:>8.1f}{ratio[key]:>8.2f}" for key in us), flush=True
        )
        speed, size = ratio["speed"], ratio["images"]
        verdicts += [
            Verdict(f"{case}: {speed:.2f} × Keras's images/s", f"at least {SPEED}", speed >= SPEED),
            Verdict(f"{case}: {size:.2f} × its memory for the images", f"at most {MEMORY:.2f}", size <= MEMORY),
        ]
    harness.conclude(verdicts)


if __name__ == "__main__":
    main()
