"""What int8 loses: calibration methods, bits of the weights and layers left in float, on training images alone.

    python perf/quantization.py FP32.onnx... --data TRAIN.npz [--calibration 512] [--images 2000]

with the package importable (PYTHONPATH=workflow), exported models and the data they were trained on.
Calibrates on images that the model was trained on and compares on the ones after them, which it has
never seen; a model trained on all of them is compared on its last images, which says how closely
int8 follows fp32, though not how accurate it is.  The test images are not touched.

`both ends` is what `resbench quantize` leaves in float.  `exact` runs the graph as it is written,
without the processor's 8-bit instructions: what it differs by from the row above is overflow on a
processor without VNNI.  `time` is the shortest call of one image on one thread compared with that of the
first row, all rows in turn.  Prints a Markdown table.
"""

import time
from pathlib import Path

import harness
import numpy as np
import onnx
import onnxruntime as ort
from resbench.data.store import Split, load_split
from resbench.export.metadata import read_metadata
from resbench.export.precisions import CALIBRATION_METHODS
from resbench.export.quantize import ends, to_int8
from resbench.runtime.sessions import identify, open_session, predict

HEADER = ["network", "method", "weights", "in float"]
HEADER += ["accuracy (points)", "agreement", "mean difference", "largest", "time"]
TURNS, CALLS = 20, 10


def open_graph(model: onnx.ModelProto, threads: int, *, exact: bool = False) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def shortest_calls(models: list[onnx.ModelProto], images: np.ndarray) -> list[float]:
    """Seconds of each model's shortest call of one image on one thread."""
    sessions = [open_graph(model, 1) for model in models]
    shortest = [float("inf")] * len(sessions)
    for turn in range(TURNS):
        for number, session in enumerate(sessions):
            for _ in range(CALLS):
                begin = time.perf_counter()
                session.run(None, {"image": images[turn : turn + 1]})
                shortest[number] = min(shortest[number], time.perf_counter() - begin)
    return shortest


def halves(data: Split, trained_on: int, calibration: int, images: int) -> tuple[np.ndarray, Split]:
    """Images to calibrate on, and other images to compare on, unseen by the network where there are enough."""
    chosen = np.random.default_rng(0).choice(trained_on, min(calibration, trained_on), replace=False)
    unseen = np.arange(trained_on, len(data.images))
    others = unseen if len(unseen) >= images else np.setdiff1d(np.arange(len(data.images)), chosen)
    others = others[-images:]
    return data.images[np.sort(chosen)], Split(data.images[others], data.labels[others], data.classes)


def differences(found: np.ndarray, reference: np.ndarray, labels: np.ndarray) -> list[str]:
    """The cells after a row's name: change of accuracy, agreement, mean and largest difference of a probability."""
    change = np.mean(found.argmax(axis=1) == labels) - np.mean(reference.argmax(axis=1) == labels)
    agreement = np.mean(found.argmax(axis=1) == reference.argmax(axis=1))
    difference = np.abs(found - reference)
    return [f"{100 * change:+.2f}", f"{100 * agreement:.2f} %", f"{difference.mean():.5f}", f"{difference.max():.3f}"]


def compare(path: Path, data: Split, calibration: int, images: int, threads: int) -> None:
    network = identify(open_session(path, "cpu", threads), path).variant
    graph = onnx.load(path)
    seen, others = halves(data, int(read_metadata(graph)["train_images"]), calibration, images)
    reference = predict(open_graph(graph, threads), path, others.images)
    first = next(node.name for node in graph.graph.node if node.op_type == "Conv")
    dense = [node.name for node in graph.graph.node if node.op_type == "Gemm"]
    cases = [(method, 7, "nothing", []) for method in CALIBRATION_METHODS] + [("minmax", 8, "nothing", [])]
    cases += [("minmax", 7, "last dense", dense[-1:]), ("minmax", 7, "first convolution", [first])]
    cases += [("minmax", 7, "both ends", ends(graph)), ("minmax", 7, "both ends, all dense", [first, *dense])]
    rows, models = [], []
    for method, bits, words, keep in cases:
        model = to_int8(graph, seen, method, keep, threads=threads, weight_bits=bits)
        name = [network, method, f"{bits} bits", words]
        found = predict(open_graph(model, threads), path, others.images)
        rows.append([*name, *differences(found, reference, others.labels)])
        models.append(model)
        if bits == 8:
            found = predict(open_graph(model, threads, exact=True), path, others.images)
            rows.append([*name[:3], f"{words}, exact", *differences(found, reference, others.labels), "–"])
    shortest = shortest_calls(models, others.images)
    for cells, seconds in zip([cells for cells in rows if cells[-1] != "–"], shortest, strict=True):
        cells.append(f"{seconds / shortest[0]:.2f}")
    print("".join("| " + " | ".join(cells) + " |\n" for cells in rows), end="", flush=True)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=512)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    data = load_split(arguments.data)
    print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * 4 + " ---: |" * 5, flush=True)
    for path in arguments.models:
        compare(path, data, arguments.calibration, arguments.images, arguments.threads)


if __name__ == "__main__":
    main()
