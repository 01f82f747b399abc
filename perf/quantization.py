"""What int8 loses: calibration methods, bits of the weights and layers left in float, on training images alone.

    python perf/quantization.py FP32.onnx... --data TRAIN.npz [--calibration 512] [--images 2000]

with the package importable (PYTHONPATH=workflow), exported models and the data they were trained on.
Calibrates on images that the model was trained on and compares on the ones after them, which it has
never seen; a model trained on all of them is compared on its last images, which says how closely
int8 follows fp32, though not how accurate it is.  The test images are not touched.

`exact` runs the graph as it is written, without the processor's 8-bit instructions: what it differs
by from the row above is overflow on a processor without VNNI.  Prints a Markdown table.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from resbench.benchmark.predictions import predict
from resbench.benchmark.sessions import identify, open_session
from resbench.data.store import Split, load_split
from resbench.export.metadata import read_metadata
from resbench.export.quantize import METHODS, to_int8

HEADER = ["network", "method", "weights", "in float", "accuracy (points)", "agreement", "mean difference", "largest"]


def run(model: onnx.ModelProto, images: np.ndarray, threads: int, *, exact: bool = False) -> np.ndarray:
    """Probabilities, float32 (N, C)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return predict(session, Path("int8"), images)


def halves(data: Split, trained_on: int, calibration: int, images: int) -> tuple[np.ndarray, Split]:
    """Images to calibrate on, and others to compare on, unseen by the network where there are enough."""
    chosen = np.random.default_rng(0).choice(trained_on, min(calibration, trained_on), replace=False)
    unseen = np.arange(trained_on, len(data.images))
    others = unseen if len(unseen) >= images else np.setdiff1d(np.arange(len(data.images)), chosen)
    others = others[-images:]
    return data.images[np.sort(chosen)], Split(data.images[others], data.labels[others], data.classes)


def row(name: list[str], found: np.ndarray, reference: np.ndarray, labels: np.ndarray) -> str:
    change = np.mean(found.argmax(axis=1) == labels) - np.mean(reference.argmax(axis=1) == labels)
    agreement = np.mean(found.argmax(axis=1) == reference.argmax(axis=1))
    difference = np.abs(found - reference)
    figures = [f"{100 * change:+.2f}", f"{agreement:.2%}", f"{difference.mean():.5f}", f"{difference.max():.3f}"]
    return "| " + " | ".join(name + figures) + " |"


def compare(path: Path, data: Split, calibration: int, images: int, threads: int) -> None:
    network = identify(open_session(path, "cpu", threads), path).variant
    graph = onnx.load(path)
    seen, others = halves(data, int(read_metadata(graph)["train_images"]), calibration, images)
    reference = run(graph, others.images, threads)
    first = next(node.name for node in graph.graph.node if node.op_type == "Conv")
    dense = [node.name for node in graph.graph.node if node.op_type == "Gemm"]
    cases = [(method, 7, "nothing", []) for method in METHODS] + [("minmax", 8, "nothing", [])]
    cases += [
        ("minmax", 7, "last dense", dense[-1:]),
        ("minmax", 7, "first convolution", [first]),
        ("minmax", 7, "first convolution, last dense", [first, *dense[-1:]]),
        ("minmax", 7, "first convolution, dense but the first", [first, *dense[1:]]),
        ("minmax", 7, "first convolution, all dense", [first, *dense]),
    ]
    for method, bits, words, keep in cases:
        model = to_int8(graph, seen, method, threads=threads, keep_float=tuple(keep), weight_bits=bits)
        name = [network, method, f"{bits} bits", words]
        print(row(name, run(model, others.images, threads), reference, others.labels), flush=True)
        if bits == 8:
            exact = run(model, others.images, threads, exact=True)
            print(row([*name[:3], f"{words}, exact"], exact, reference, others.labels), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=512)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    data = load_split(arguments.data)
    print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * 4 + " ---: |" * 4, flush=True)
    for path in arguments.models:
        compare(path, data, arguments.calibration, arguments.images, arguments.threads)


if __name__ == "__main__":
    main()
