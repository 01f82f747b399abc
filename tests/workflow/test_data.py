"""What the first stages make of a user's own images, and when they do it again."""

import json
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

UNTIL = ("--until", "convert")


def photos(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(random.integers(0, 256, (40, 30, 3), np.uint8)).save(folder / label / f"{number}.png")
    return folder


def due(tree) -> set[str]:
    return {rule for rule, _ in tree.planned()} & {"download", "convert"}


def test_a_folder_of_pictures_is_read_and_read_again_when_it_changes(tree) -> None:
    folder = photos(tree.folder / "photos")
    tree.configure(data={"dataset": "custom", "sources": ["photos"]}, variants=["resnet20"])
    status, output = tree.snakemake(*UNTIL)
    assert status == 0, output
    summary = json.loads((tree.folder / "results/data/summary.json").read_text())
    assert (summary["classes"], summary["train_counts"], summary["test_counts"]) == (["cat", "dog"], [5, 5], [1, 1])
    assert (summary["source"], summary["layout"]) == ("photos", "pictures")
    (folder / "cat/0.png").touch()
    assert due(tree) == set()
    (folder / "cat/0.png").rename(folder / "dog/renamed.png")
    assert due(tree) == {"download", "convert"}
    shutil.rmtree(folder)  # read, and no longer needed
    assert due(tree) == set()


def test_a_source_that_is_missing_is_one_line_with_the_way_on(tree) -> None:
    tree.configure(data={"dataset": "custom", "sources": ["nowhere/mine.tar.gz"]}, variants=["resnet20"])
    status, output = tree.snakemake(*UNTIL)
    assert status != 0
    assert "nowhere/mine.tar.gz: no such file" in output
    assert "name its path first in data.sources" in output


def test_a_file_that_a_user_put_in_the_archive_s_place_is_never_deleted(tree) -> None:
    """Snakemake deletes the outputs of a rule before it runs."""
    archive = tree.folder / "results/data/archive"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"the only copy")
    lines = {"nowhere.tar.gz": "move it to another folder", "results/data/archive": "is or holds", ".": "is or holds"}
    for source, line in lines.items():
        tree.configure(data={"dataset": "custom", "sources": [source]}, variants=["resnet20"])
        status, output = tree.snakemake(*UNTIL)
        assert status != 0
        assert line in output.splitlines()[-1]
        assert archive.read_bytes() == b"the only copy"


def test_a_folder_called_digits_is_not_confused_with_scikit_learn_s(tree) -> None:
    photos(tree.folder / "digits")
    tree.configure(data={"dataset": "custom", "sources": ["digits"]}, variants=["resnet20"])
    status, output = tree.snakemake("--dry-run")
    assert status != 0
    assert "write ./digits" in output
    tree.configure(data={"dataset": "custom", "sources": ["./digits"]}, variants=["resnet20"])
    assert due(tree) == {"download", "convert"}


def test_a_password_of_a_source_is_not_in_the_page_s_configuration(tree) -> None:
    address = "https://user:secret@localhost/mine.tar.gz"
    tree.configure(data={"dataset": "custom", "sources": [address], "sha256": None}, variants=["resnet20"], seeds=[0])
    status, output = tree.snakemake("--dry-run", "--printshellcmds", "results/report.html")
    assert status == 0, output
    command = next(line for line in output.splitlines() if "--config " in line)
    assert "https://localhost/mine.tar.gz" in command
    assert "secret" not in command


def test_an_archive_in_cifar100s_layout_is_read_by_its_fine_labels(tree) -> None:
    random = np.random.default_rng(0)
    members = {"meta": {b"fine_label_names": [f"fine {n}" for n in range(100)]}}
    for name, size in (("train", 40), ("test", 8)):
        images, labels = random.integers(0, 256, (size, 3072), np.uint8), random.integers(0, 100, size)
        members[name] = {b"data": images, b"fine_labels": labels.tolist(), b"coarse_labels": (labels // 5).tolist()}
    with tarfile.open(tree.folder / "mine.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            (tree.folder / name).write_bytes(pickle.dumps(content, 2))
            archive.add(tree.folder / name, f"cifar-100-python/{name}")
    tree.configure(
        data={"dataset": "cifar100", "sources": ["mine.tar.gz"], "sha256": None, "corruptions": [1]},
        variants=["resnet20"],
    )
    status, output = tree.snakemake("results/data/corrupted/contrast-1.npz")
    assert status == 0, output
    summary = json.loads((tree.folder / "results/data/summary.json").read_text())
    assert (summary["layout"], len(summary["classes"]), summary["test_images"]) == ("cifar100-python", 100, 8)
