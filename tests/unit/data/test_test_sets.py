"""Further test sets come as folders, archives or arrays; their classes are those of the models."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from data_helpers import NAMES, batches, pack_members, python_members
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.data.fingerprint import fingerprint, fingerprint_test_set
from resbench.data.store import Split, load_split, save_split
from resbench.data.test_sets import write_test_set

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)


@pytest.fixture
def like(tmp_path):
    """Classes in another order than any archive's."""
    save_split(tmp_path / "test.npz", Split(IMAGES, np.zeros(6, np.uint8), np.array(["frog", "cat", "dog"])))
    return tmp_path / "test.npz"


def write(path, like, **options):
    write_test_set(path, like, like.with_name("new.npz"), **options)
    split = load_split(like.with_name("new.npz"))
    assert split.classes.tolist() == ["frog", "cat", "dog"]
    return split


@pytest.mark.parametrize("names", [("x_v6_data.npy", "x_v6_labels.npy"), ("gaussian_noise.npy", "labels.npy")])
def test_arrays_find_their_labels(tmp_path, like, names):
    np.save(tmp_path / names[0], IMAGES)
    np.save(tmp_path / names[1], np.array([0, 1, 2, 2, 1, 0]))
    split = write(tmp_path / names[0], like)
    np.testing.assert_array_equal(split.images, IMAGES)
    assert split.labels.tolist() == [0, 1, 2, 2, 1, 0]


def test_arrays_with_labels_elsewhere(tmp_path, like):
    np.save(tmp_path / "a.npy", IMAGES)
    np.save(tmp_path / "b.npy", np.array([[1]] * 6, np.uint8))
    assert write(tmp_path / "a.npy", like, labels=tmp_path / "b.npy").labels.tolist() == [1] * 6
    with pytest.raises(ResbenchError, match=r"no labels next to it; name their file, or call it labels\.npy"):
        write(tmp_path / "a.npy", like)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES, np.array([0, 1, 2]), "6 images, but .* has 3 labels"),
        (IMAGES, np.array([0, 1, 2, 3, 0, 0]), "label 3, but the models know 3 classes"),
        (IMAGES.astype(np.float32), np.zeros(6, int), "holds float32 in a.npy"),
        (np.array([None]), np.zeros(6, int), "holds object"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(tmp_path, like, images, labels, words):
    np.save(tmp_path / "a.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    with pytest.raises(ResbenchError, match=words) as caught:
        write(tmp_path / "a.npy", like)
    assert "\n" not in str(caught.value)


def test_a_huge_array_is_not_read(tmp_path, like, monkeypatch):
    monkeypatch.setattr("resbench.data.test_sets.MAX_ARRAY", 1000)
    np.save(tmp_path / "a.npy", IMAGES)
    np.save(tmp_path / "labels.npy", np.zeros(6, int))
    with pytest.raises(ResbenchError, match="has more than 1,000 bytes"):
        write(tmp_path / "a.npy", like)


def test_of_an_archive_the_test_images_count_by_their_names(tmp_path, like):
    content = batches()
    (tmp_path / "a.tar.gz").write_bytes(pack_members(python_members(content, NAMES)))
    split = write(tmp_path / "a.tar.gz", like)
    assert split.labels.tolist() == [(label + 1) % 3 for label in content["test_batch"][1]]


def photo(path, number=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(IMAGES[number]).save(path)


def packed(folder, inside):
    """The folder, and zip archives of it and of what is in it."""
    yield folder
    for name, root in (("whole", folder.parent), ("inside", folder)):
        yield Path(shutil.make_archive(inside / name, "zip", root, folder.relative_to(root)))


@pytest.mark.parametrize("prefix", ["", "test/", "Test/", "more/test/"])
@pytest.mark.parametrize("with_train", [False, True])
def test_of_a_folder_and_its_archive_all_pictures_count_or_those_in_test(tmp_path, like, prefix, with_train):
    for name in ("dog", "cat"):
        photo(tmp_path / "all/photos" / prefix / name / "a.png")
    if with_train and prefix:
        photo((tmp_path / "all/photos" / prefix).parent / "train/bird/a.png", 1)
    for path in packed(tmp_path / "all/photos", tmp_path):
        split = write(path, like)
        assert sorted(split.labels.tolist()) == [1, 2]
        np.testing.assert_array_equal(split.images[0], IMAGES[0])


def test_one_class_is_enough(tmp_path, like):
    photo(tmp_path / "all/photos/dog/more/a.png")
    for path in packed(tmp_path / "all/photos", tmp_path):
        assert write(path, like).labels.tolist() == [2]


def test_folders_that_show_no_classes_are_refused(tmp_path, like):
    photo(tmp_path / "loose/a.png")
    photo(tmp_path / "train/train/cat/a.png")
    for name, words in (("loose", "'a.png' outside a folder of its class"), ("train", "has no folder test")):
        with pytest.raises(ResbenchError, match=words):
            write(tmp_path / name, like)
    for number in range(300):
        photo(tmp_path / f"many/{number}/a.png")
    with pytest.raises(ResbenchError, match="has the class '0', which the models do not know"):
        write(tmp_path / "many", like)


def test_other_classes_are_refused(tmp_path, like):
    photo(tmp_path / "photos/bird/a.png")
    with pytest.raises(ResbenchError, match="has the class 'bird', which the models do not know; they know 'frog'"):
        write(tmp_path / "photos", like)
    with pytest.raises(ResbenchError, match=r"absent\.tar\.gz: no such file or folder; correct"):
        write(tmp_path / "absent.tar.gz", like)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResbenchError, match="holds no pictures"):
        write(tmp_path / "empty", like)


def test_a_change_of_images_or_labels_is_detected_and_no_other(tmp_path, monkeypatch):
    def now(path="a.npy", labels=None):
        fingerprint.cache_clear()
        return fingerprint_test_set(path, labels)

    monkeypatch.chdir(tmp_path)
    np.save("a.npy", IMAGES)
    assert now() == []  # no labels yet
    np.save("labels.npy", np.zeros(6, int))
    first = now()
    (tmp_path / "log.txt").touch()  # the working directory does not belong to the test set
    assert now() == first
    assert len(now("log.txt")) == 1
    np.save("labels.npy", np.ones(6, int))
    assert [one == other for one, other in zip(now(), first, strict=True)] == [True, False]
    np.save("b.npy", np.zeros(6, int))
    assert now(labels="b.npy") == first
    assert fingerprint("") is None


def test_paths_in_the_home_folder(tmp_path, like, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "a.npy", IMAGES)
    np.save(tmp_path / "b.npy", np.arange(6) % 3)
    assert write(Path("~/a.npy"), like, labels=Path("~/b.npy")).labels.tolist() == [0, 1, 2] * 2
    with pytest.raises(ResbenchError, match=r"~nobody_here/a\.npy: there is no such user"):
        write(Path("~nobody_here/a.npy"), like)
    assert fingerprint("~nobody_here/a.npy") is None
