"""Bundles of a trained network in fp32 and int8, with its predictions by resbench."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from resbench.benchmark.columns import SAMPLE_COLUMNS
from resbench.benchmark.predictions import evaluate_test_sets, load_predictions
from resbench.data.convert import convert_archive
from resbench.data.digits import write_digits_archive
from resbench.data.pictures import read_image
from resbench.data.store import Split, load_split, save_split
from resbench.deploy.bundle import write_bundle
from resbench.report.collate import ReportFiles, collate_report
from resbench.report.recommendation import Deployment

IMAGES = 32
PICTURE = "photo.png"


class Deployed(NamedTuple):
    """A working directory as docs/deploy.md has it, and images with ONNX Runtime's probabilities of them.

    images: uint8 (IMAGES, 32, 32, 3), first that of PICTURE, the one with the highest probability; probabilities:
    float32 (IMAGES, 10).
    """

    folder: Path
    precision: str
    images: np.ndarray
    probabilities: np.ndarray
    labels: list[str]


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A folder with test.npz, and fp32.onnx and int8.onnx of a short training on handwritten digits."""
    from resbench.export.onnx import export_model
    from resbench.export.quantize import quantize_model
    from resbench.training.job import run_job
    from resbench.training.plan import Job

    folder = tmp_path_factory.mktemp("models")
    write_digits_archive(folder / "digits.tar")
    others = {"record": None, "summary": None, "samples": None}
    convert_archive(folder / "digits.tar", folder / "train.npz", folder / "all.npz", **others)
    test = load_split(folder / "all.npz")
    save_split(folder / "test.npz", Split(test.images[:IMAGES], test.labels[:IMAGES], test.classes))
    job = Job(variant="pool", protocol="notebook", seed=0, epochs=2, batch_size=8, limit=160)
    model = folder / "model.keras"
    run_job(job, folder / "train.npz", model, folder / "history.csv", test_path=None, checkpoints_folder=None)
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    export_model(model, folder / "test.npz", fp32, folder / "parity.json", threads=2)
    quantize_model(fp32, folder / "train.npz", "int8", int8, images=64, method="minmax", seed=0, threads=2)
    for path in (fp32, int8):
        evaluate_test_sets(path, [(folder / "test.npz", path.with_suffix(".npz"))], "cpu", threads=2)
    return folder


@pytest.fixture(scope="session", params=["fp32", "int8"])
def deployed(request, models, tmp_path_factory) -> Deployed:
    folder = tmp_path_factory.mktemp(request.param)
    answers = load_predictions(models / f"{request.param}.npz")
    collate(folder, models, request.param)
    write_bundle(
        folder / "results/model_repository/pool",
        [models / "fp32.onnx", models / "int8.onnx"],
        [models / "fp32.npz", models / "int8.npz"],
        folder / "report.csv",
        folder / "recommendation.json",
        models / "test.npz",
    )
    data = load_split(models / "test.npz")
    order = answers.probabilities.max(axis=1).argsort()[::-1]
    images, probabilities = data.images[order], answers.probabilities[order]
    save_photo(images[0], folder / PICTURE)
    np.testing.assert_array_equal(read_image(folder / PICTURE), images[0])
    return Deployed(folder, request.param, images, probabilities, data.classes.tolist())


def save_photo(image: np.ndarray, path: Path) -> None:
    """Write a large picture, transparent, on its side and finely checked, which resbench reads as this grey image."""
    grey = np.kron(image[..., 0], np.ones((16, 20), np.uint8)).astype(int)
    checks = np.indices(grey.shape).sum(axis=0) % 2 * 2 - 1
    darkness = 255 - (grey + checks * np.minimum(np.minimum(grey, 255 - grey), 40))
    black = np.zeros((*grey.shape, 3), np.uint8)
    lying = Image.fromarray(np.dstack([black, darkness.astype(np.uint8)])).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°, clockwise
    lying.save(path, exif=exif)


def collate(folder: Path, models: Path, precision: str) -> None:
    """The report of these models, with latencies that nothing here depends on, and an order to deploy one precision."""
    rounds = range(1, 4)
    settings = [("pool", 0, name, "cpu", 1, 1, number) for name in ("fp32", "int8") for number in rounds]
    rows = [("pool", *setting[0:], 20.0, 2.0, 100.0, 1, 1.0) for setting in settings]
    pd.DataFrame(rows, columns=SAMPLE_COLUMNS).to_csv(folder / "samples.csv", index=False)
    (folder / "host.json").write_text(json.dumps({"name": "a host", "provider": "cpu"}))
    (folder / "summary.json").write_text(json.dumps({"sha256": None, "source": "digits"}))
    collate_report(
        ReportFiles.of(folder),
        folder / "summary.json",
        [models / "parity.json"],
        [models / "fp32.npz", models / "int8.npz"],
        [(folder / "samples.csv", folder / "host.json")],
        deployment=Deployment(provider="cpu", batch_size=1, threads=1, precision=precision),
    )
