"""Check whether this machine can run a model on a provider, in a process of its own: GPU libraries stay loaded.

    python -m resbench.runtime.probe cuda

exits with 0, or prints in one line what is missing (package, driver or library) and exits with 1.
"""

import sys
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from resbench.common.errors import ResbenchError
from resbench.runtime.sessions import open_session


def write_smallest_model(path: Path) -> None:
    """Write a model that returns equal probabilities of three classes for every image.

    Args:
        path: File to write, .onnx.
    """
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3])
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Softmax", ["means"], ["probabilities"]),
    ]
    graph = helper.make_graph(nodes, "smallest", [image], [probabilities])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)


def main() -> None:
    """Open a session on the provider that the command line names, and exit with the reason where that fails."""
    provider = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "probe.onnx"
        write_smallest_model(model)
        try:
            open_session(model, provider, 1)
        except ResbenchError as error:
            sys.exit(str(error).removeprefix(f"{model}: ").removeprefix(f"--provider {provider}: "))


if __name__ == "__main__":
    main()
