"""Valid archives, in every form that they come in, survive conversion bit for bit."""

import gzip
import hashlib
import json
import pickle
import tarfile

import numpy as np
import pytest
from data_helpers import (
    BATCHES,
    NAMES,
    PIXELS,
    batches,
    binary_members,
    entry,
    files_in,
    pack,
    pack_members,
    python2_dumps,
    python_members,
    run_cli,
    valid_archive,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.common.files import sha256
from resbench.data.convert import channel_statistics, convert_archive
from resbench.data.layouts import LAYOUTS
from resbench.data.store import load_split

MAX_ROWS = LAYOUTS[0].max_rows


def convert(folder, data, **options):
    archive = folder / "archive.tar.gz"
    archive.write_bytes(data)
    nothing = {"record": None, "summary": None, "samples": None}
    convert_archive(archive, folder / "train.npz", folder / "test.npz", **nothing | options)
    return load_split(folder / "train.npz"), load_split(folder / "test.npz")


def assert_same(splits, content, names):
    for split, members in zip(splits, (BATCHES[:5], BATCHES[5:]), strict=True):
        rows = np.concatenate([content[name][0] for name in members])
        np.testing.assert_array_equal(split.images, rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        np.testing.assert_array_equal(split.labels, np.concatenate([content[name][1] for name in members]))
        assert split.classes.tolist() == list(names)


text = st.text(st.characters(categories=("L", "N", "P", "Zs"), exclude_characters="\xa0"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 7), min_size=6, max_size=6),
    names=st.lists(
        text.filter(lambda name: name.strip() == name and name.isprintable()), min_size=2, max_size=256, unique=True
    ),
    form=st.sampled_from(["2", "3", "4", "5", "python2", "binary", "text keys", "fortran"]),
    seed=st.integers(0, 2**32 - 1),
    order=st.permutations(range(7)),
)
def test_any_valid_archive_survives(tmp_path, sizes, names, form, seed, order):
    random = np.random.default_rng(seed)
    content = {
        name: (random.integers(0, 256, (size, PIXELS), np.uint8), random.integers(0, len(names), size))
        for name, size in zip(BATCHES, sizes, strict=True)
    }
    encoded = [name.encode() for name in names]
    if form == "binary":
        members = binary_members(content, names)
    elif form == "python2":
        members = {"batches.meta": python2_dumps({b"label_names": encoded})}
        for name, (rows, labels) in content.items():
            members[name] = python2_dumps({b"labels": labels.tolist(), b"data": rows})
    elif form == "text keys":
        members = {"batches.meta": pickle.dumps({"label_names": names})}
        for name, (rows, labels) in content.items():
            members[name] = pickle.dumps({"labels": labels.tolist(), "data": rows})
    elif form == "fortran":
        members = python_members({k: (np.asfortranarray(rows), y) for k, (rows, y) in content.items()}, encoded)
    else:
        members = python_members(content, encoded, protocol=int(form))
    shuffled = [list(members.items())[i] for i in order]
    assert_same(convert(tmp_path, pack_members(dict(shuffled))), content, names)


def test_members_outside_of_the_layout_are_skipped(tmp_path):
    content = batches()
    members = {"readme.html": b"<html>" * 1000} | python_members(content, NAMES)
    assert_same(convert(tmp_path, pack_members(members, "./other folder")), content, NAMES)


def test_several_gzip_members_and_padding(tmp_path):
    raw = gzip.decompress(valid_archive())
    packed = gzip.compress(raw[:5000]) + gzip.compress(raw[5000:] + bytes(9000)) + bytes(100)
    assert_same(convert(tmp_path, packed), batches(), NAMES)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_archive_repacked_by_tarfile(tmp_path, form):
    """With pax, times and owners come in extended headers."""
    content = batches()
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in python_members(content, NAMES).items():
        (folder / name).write_bytes(data)
    with tarfile.open(tmp_path / "again.tar.gz", "w:gz", format=form) as archive:
        archive.add(folder, "cifar-10-batches-py")
    assert_same(convert(tmp_path, (tmp_path / "again.tar.gz").read_bytes()), content, NAMES)


def test_summary_and_samples(tmp_path):
    (tmp_path / "record.json").write_text(json.dumps({"source": "https://host/file"}))
    data = valid_archive(rows=20)
    train, test = convert(
        tmp_path,
        data,
        record=tmp_path / "record.json",
        summary=tmp_path / "summary.json",
        samples=tmp_path / "sheet.png",
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    pixels = train.images.reshape(-1, 3) / 255
    assert (summary["classes"], summary["test_images_in_train"]) == (NAMES, 0)
    assert summary["train_counts"] == [int((train.labels == k).sum()) for k in range(3)]
    assert summary["test_counts"] == [int((test.labels == k).sum()) for k in range(3)]
    np.testing.assert_allclose(summary["channel_mean"], pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(summary["channel_std"], pixels.std(0), rtol=1e-12)
    assert summary["sha256"] == hashlib.sha256(data).hexdigest()
    for part in ("train", "test"):
        assert summary[f"{part}_sha256"] == sha256(tmp_path / f"{part}.npz")
    assert (summary["source"], summary["layout"]) == ("https://host/file", "cifar10-python")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    first = train.images[np.flatnonzero(train.labels == 0)[0]].repeat(2, 0).repeat(2, 1)
    windows = [pixels[4:68, x : x + 64] for x in range(pixels.shape[1] - 63)]
    assert any(np.array_equal(window, first) for window in windows)


def test_classes_without_images_are_counted(tmp_path):
    convert(tmp_path, valid_archive(classes=1), summary=tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["train_counts"], summary["test_counts"]) == ([20, 0, 0], [4, 0, 0])


def test_channel_statistics_of_many_saturated_images():
    """The integer sums must not overflow: 2,500 white images and as many black ones."""
    images = np.zeros((5000, 32, 32, 3), np.uint8)
    images[:2500] = 255
    mean, deviation = channel_statistics(images)
    np.testing.assert_allclose(mean, 0.5, rtol=1e-12)
    np.testing.assert_allclose(deviation, 0.5, rtol=1e-12)


def test_more_rows_than_official_and_too_many():
    """The bound of steps leaves room for the largest batch in the wordiest form."""
    from resbench.data.unpickle import unpickle

    steps = LAYOUTS[0].max_steps
    rows = np.zeros((MAX_ROWS, 1), np.uint8)
    batch = {b"labels": [9] * MAX_ROWS, b"data": rows, b"filenames": [f"{i}.png".encode() for i in range(MAX_ROWS)]}
    for data in (pickle.dumps(batch, 2), pickle.dumps(batch, 5), python2_dumps(batch)):
        assert unpickle(data, steps)["data"].shape == rows.shape


@pytest.mark.parametrize("clash", ["train.npz", "archive.tar.gz"])
def test_outputs_must_differ(tmp_path, clash):
    (tmp_path / "archive.tar.gz").write_bytes(valid_archive())
    with pytest.raises(ResbenchError, match="different files"):
        convert_archive(
            tmp_path / "archive.tar.gz",
            tmp_path / "train.npz",
            tmp_path / clash,
            record=None,
            summary=None,
            samples=None,
        )
    assert files_in(tmp_path) == {"archive.tar.gz"}


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"source": 3}'])
def test_invalid_record(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(ResbenchError, match=r"record\.json"):
        convert(tmp_path, valid_archive(), record=tmp_path / "record.json")
    assert files_in(tmp_path) == {"archive.tar.gz", "record.json"}


def test_output_that_is_a_folder_leaves_no_other(tmp_path):
    (tmp_path / "test.npz").mkdir()
    with pytest.raises(ResbenchError, match=r"test\.npz: is a folder"):
        convert(tmp_path, valid_archive())
    assert files_in(tmp_path) == {"archive.tar.gz", "test.npz"}


def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    from resbench.data import convert as stage

    def fail_on_second(path, split):
        if path.name.startswith(".test"):
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(b"whole")

    monkeypatch.setattr(stage, "write_arrays", fail_on_second)
    with pytest.raises(ResbenchError, match="No space left"):
        convert(tmp_path, valid_archive())
    assert files_in(tmp_path) == {"archive.tar.gz"}


def test_command_line(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(pack_members(binary_members(batches(), NAMES), "cifar-10-batches-bin"))
    process = run_cli("convert", tmp_path / "a.tar.gz", "--train", tmp_path / "x.npz", "--test", tmp_path / "y.npz")
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert len(load_split(tmp_path / "x.npz").labels) == 20
    assert len(load_split(tmp_path / "y.npz").labels) == 4


def test_empty_archive_is_not_in_the_layout(tmp_path):
    with pytest.raises(ResbenchError, match="holds no batches of images, no arrays and no pictures"):
        convert(tmp_path, pack(entry("readme.html", b"x")))
