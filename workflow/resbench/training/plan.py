"""A training job: what is asked for, and the plan with every choice made."""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from resbench.common.files import sha256
from resbench.data.store import Split
from resbench.training.protocol import Protocol


@dataclass(frozen=True)
class Job:
    """What decides the resulting weights, together with the images and the number of threads.

    Attributes:
        variant: Name of the network.
        protocol: Name of the training protocol.
        seed: Seed of initial weights, order and augmentation.
        epochs: Passes over the images; None takes the protocol's number.
        batch_size: Images in a step; None takes the protocol's number.
        limit: Use only the first images; None uses all.
        validation: How many of these are held out.
        xla: Whether to compile with XLA; None does so on a GPU only.
        mixed_precision: A key of POLICIES; None takes `float16` on a GPU and `none` on a CPU.
    """

    variant: str
    protocol: str
    seed: int
    epochs: int | None = None
    batch_size: int | None = None
    limit: int | None = None
    validation: int = 0
    xla: bool | None = None
    mixed_precision: str | None = None


class Plan(NamedTuple):
    """A job with every choice made.

    Attributes:
        job: What was asked for.
        protocol: How it is trained.
        classes: Names of the classes.
        images: Number of images to train on.
        epochs: Passes over them.
        batch_size: Images per step.
        xla: Whether the steps are compiled with XLA.
        mixed_precision: Arithmetic of the layers, a key of POLICIES.
    """

    job: Job
    protocol: Protocol
    classes: list[str]
    images: int
    epochs: int
    batch_size: int
    xla: bool
    mixed_precision: str

    @property
    def title(self) -> str:
        """Return the job's name in messages."""
        return f"{self.job.variant} seed {self.job.seed}"

    @property
    def steps(self) -> int:
        """Return the number of steps of the complete run."""
        return self.epochs * -(-self.images // self.batch_size)


def make_plan(job: Job, recipe: Protocol, training: Split) -> Plan:
    """Fill in what the job leaves to the protocol, the images and the device.

    Args:
        job: What was asked for.
        recipe: Its protocol.
        training: Its training images.

    Returns:
        The job with every choice made.
    """
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return Plan(
        job=job,
        protocol=recipe,
        classes=[str(name) for name in training.classes],
        images=len(training.images),
        epochs=job.epochs or recipe.epochs,
        batch_size=min(job.batch_size or recipe.batch_size, len(training.images)),
        xla=on_gpu if job.xla is None else job.xla,
        mixed_precision=job.mixed_precision or ("float16" if on_gpu else "none"),
    )


def describe(plan: Plan, data_path: Path) -> dict[str, Any]:
    """Return the record of how the model was made, for its file.

    Args:
        plan: The job.
        data_path: Its training images.

    Returns:
        Values that JSON can hold.
    """
    return asdict(plan.job) | {
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "train_images": plan.images,
        "classes": plan.classes,
        "train_sha256": sha256(data_path),
        "device": _device_name(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "xla": plan.xla,
        "mixed_precision": plan.mixed_precision,
        "tensorflow": version("tensorflow"),
    }


def _device_name() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
    return "the CPU"
