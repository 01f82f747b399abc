"""The device that trains, and its number of threads."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from resbench.common.errors import ResbenchError
from resbench.common.memory import keep_freed_memory
from resbench.common.progress import say
from resbench.common.system import available_cores, cards

POLL_S = 1.0  # how often a waiting job looks for a free card


@contextmanager
def claim_device(device: str, threads: int | None) -> Iterator[None]:
    """Set TensorFlow up for one job: its threads, and one GPU or none.

    It must be called before the first TensorFlow operation. CUDA_VISIBLE_DEVICES, set by a scheduler, is respected;
    without it, each job takes a card of its own, by a lock file for each card.

    Args:
        device: `gpu`, `cpu`, or `auto` for the GPU where there is one.
        threads: Size of each of TensorFlow's two thread pools; None takes every core this process may use.

    Yields:
        Nothing; the card is released when the block ends.

    Raises:
        ResbenchError: `gpu` was asked for and TensorFlow finds none.
    """
    with ExitStack() as held:
        if device == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        elif "CUDA_VISIBLE_DEVICES" not in os.environ:
            indices = [index for (index,) in cards(["index"])]
            if indices:
                os.environ["CUDA_VISIBLE_DEVICES"] = held.enter_context(_free_card(indices))
        keep_freed_memory()
        if not _set_up_tensorflow(device, threads or available_cores()):
            held.close()  # a card that TensorFlow cannot use
        yield


def _set_up_tensorflow(device: str, threads: int) -> bool:
    """Return whether TensorFlow has a GPU."""
    import resbench.networks  # noqa: F401  imports TensorFlow quietly

    import tensorflow as tf  # isort: skip

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # otherwise one job takes all of its memory
    if device == "gpu" and not gpus:
        raise ResbenchError(
            "--device gpu: TensorFlow finds no GPU; check that `nvidia-smi` lists one and that the GPU lock file "
            "(requirements-gpu.lock) is installed, or train with --device cpu"
        )
    if device == "auto" and not gpus:
        say(f"no GPU: training on the CPU with {threads} threads")
    return bool(gpus)


@contextmanager
def _free_card(indices: list[str]) -> Iterator[str]:
    """Hold the lock of the first free card, waiting until there is one."""
    waiting = False
    while True:
        for card in indices:
            with _open_lock(card) as file:  # closing it gives the lock back
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield card
                return
        if not waiting:
            say("no GPU is free; waiting for one")
            waiting = True
        time.sleep(POLL_S)


def _open_lock(card: str) -> BinaryIO:
    """Open the file whose lock a card's job holds: the first account to need it makes it, and all may lock it."""
    path = Path(tempfile.gettempdir()) / f"resbench-gpu{card}.lock"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent) as new, suppress(FileExistsError):
            os.fchmod(new.fileno(), 0o444)  # before another account sees it
            os.link(new.name, path)
    try:
        # Whatever another account put there is neither followed nor waited for.
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise ResbenchError(
            f"{path}: cannot be opened ({error.strerror}); have it deleted, or choose a card by CUDA_VISIBLE_DEVICES"
        ) from error
