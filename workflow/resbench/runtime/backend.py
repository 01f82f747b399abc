"""The interface of a runtime, which executes a model, and the registry of runtimes.

Importing this module imports no runtime; `load_backend` imports the one that is asked for and no other.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from resbench.runtime.providers import Provider

# The module of each runtime, by the name that a `Provider` gives; each has an object BACKEND.
BACKENDS = {
    "onnxruntime": "resbench.runtime.onnxruntime_backend",
    "openvino": "resbench.runtime.openvino_backend",
}


class Tensor(NamedTuple):
    """An input or output of a model.

    Attributes:
        name: Its name.
        type: Its type, as numpy names it.
        shape: Its sizes; None for a free dimension.
    """

    name: str
    type: str
    shape: tuple[int | None, ...]


class Runtime(NamedTuple):
    """What executes a model.

    Attributes:
        name: Its name as its makers write it.
        version: Its version.
        cuda: The CUDA version it was built for, or None.
    """

    name: str
    version: str
    cuda: str | None = None


class LoadError(Exception):
    """A runtime cannot load a model; the text is the runtime's own, in one line."""


class Session(Protocol):
    """One model, loaded completely on one provider."""

    @property
    def inputs(self) -> list[Tensor]:
        """Return the model's inputs."""

    @property
    def outputs(self) -> list[Tensor]:
        """Return the model's outputs."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Return the custom metadata of the .onnx file, which is untrusted."""

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on a batch.

        Args:
            images: uint8 (N, 32, 32, 3), the input `image`.

        Returns:
            float32 (N, C), the output `probabilities`, in new memory.
        """

    def node_placement(self) -> dict[str, int]:
        """Return where the nodes of the optimised graph are executed.

        Returns:
            The number of nodes on each provider, by the runtime's names.
        """

    def options(self) -> dict[str, str]:
        """Return the provider's options in effect, its defaults included.

        Returns:
            Their values, by the runtime's names.
        """


class Backend(Protocol):
    """A runtime: what it needs, and how it loads a model."""

    def runtime(self) -> Runtime:
        """Return its name and version.

        Returns:
            The description.
        """

    def unavailable(self, provider: Provider) -> str | None:
        """Return what this machine or this build lacks for a provider.

        Args:
            provider: One of this backend's.

        Returns:
            The reason in one line; None where nothing is known to be missing.
        """

    def open(self, model: Path, provider: Provider, threads: int, options: Mapping[str, str]) -> Session:
        """Load a model so that all of it runs on `provider`.

        Args:
            model: An existing .onnx file, untrusted.
            provider: One of this backend's.
            threads: Threads that one call may use.
            options: Options of the provider, its defaults included, by the runtime's names.

        Returns:
            The session.

        Raises:
            LoadError: The file is not a model, or it cannot run on the provider.
        """


def load_backend(provider: Provider) -> Backend:
    """Import the runtime that executes a provider.

    Args:
        provider: The provider.

    Returns:
        The runtime.

    Raises:
        ImportError: It is not installed.
    """
    backend: Backend = importlib.import_module(BACKENDS[provider.backend]).BACKEND
    return backend
