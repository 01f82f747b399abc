"""The interface behind which a runtime executes a model, and the registry of runtimes.

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
    """An input or output of a model: `shape` has None where a dimension is free; `type` is as numpy names it."""

    name: str
    type: str
    shape: tuple[int | None, ...]


class Runtime(NamedTuple):
    """What executes a model: `name` as its makers write it, and `cuda`, the CUDA version it was built for, or None."""

    name: str
    version: str
    cuda: str | None = None


class LoadError(Exception):
    """A runtime cannot load a model; the text is the runtime's own, in one line."""


class Session(Protocol):
    """One model, loaded, whole, on one provider."""

    @property
    def inputs(self) -> list[Tensor]:
        """The model's inputs."""

    @property
    def outputs(self) -> list[Tensor]:
        """The model's outputs."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """The custom metadata of the .onnx file, as untrusted as the file."""

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the output `probabilities`, shape (N, C), of `image`, shape (N, 32, 32, 3), in new memory."""

    def node_placement(self) -> dict[str, int]:
        """Return how many nodes of the optimised graph each provider executes, by the runtime's names."""

    def options(self) -> dict[str, str]:
        """Return the provider's options in effect, its defaults included."""


class Backend(Protocol):
    """A runtime: what it needs, and how it loads a model."""

    def runtime(self) -> Runtime:
        """Return its name and version."""

    def unavailable(self, provider: Provider) -> str | None:
        """Return what this machine or this build lacks for `provider`, in one line, or None."""

    def open(self, model: Path, provider: Provider, threads: int, options: Mapping[str, str]) -> Session:
        """Load a model so that all of it runs on `provider`.

        Args:
            model: An existing .onnx file, untrusted.
            provider: One of this backend's.
            threads: Threads that one call may use.
            options: The provider's own, by the runtime's names; the provider's defaults are in.

        Raises:
            LoadError: The file is no model, or it cannot run on the provider.
        """


def load_backend(provider: Provider) -> Backend:
    """Import and return the runtime that executes `provider`.

    Raises:
        ImportError: It is not installed.
    """
    backend: Backend = importlib.import_module(BACKENDS[provider.backend]).BACKEND
    return backend
