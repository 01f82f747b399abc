"""Mutated archives: converted or refused in one line, never a crash, a stray file or a marker.

RESBENCH_FUZZ=5000 makes it that many mutations of each kind.
"""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile

import numpy as np
import pytest
from data_helpers import (
    BATCHES,
    NAMES,
    batches,
    binary_members,
    files_in,
    mutate,
    pack_members,
    python2_dumps,
    python_members,
)
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.data.convert import convert_archive
from resbench.data.store import load_split

ROUNDS = int(os.environ.get("RESBENCH_FUZZ", "150"))
CONTENT = batches(rows=1)
PYTHON2 = {name: python2_dumps({b"labels": y.tolist(), b"data": x}) for name, (x, y) in CONTENT.items()}
ARCHIVES = [
    python_members(CONTENT, NAMES),
    python_members(CONTENT, NAMES, protocol=4),
    {"batches.meta": python2_dumps({b"label_names": [b"cat", b"dog", b"frog"]})} | PYTHON2,
    binary_members(CONTENT, NAMES),
]


def in_gzip(chance, members):
    return mutate(chance, pack_members(members))


def in_tar(chance, members):
    return gzip.compress(mutate(chance, gzip.decompress(pack_members(members))), 1)


def in_member(chance, members):
    name = chance.choice(list(members))
    return pack_members(members | {name: mutate(chance, members[name])})


def in_plain_tar(chance, members):
    return mutate(chance, gzip.decompress(pack_members(members)))


def in_xz(chance, members):
    return mutate(chance, lzma.compress(gzip.decompress(pack_members(members)), preset=0))


def in_bzip2(chance, members):
    return mutate(chance, bz2.compress(gzip.decompress(pack_members(members))))


def in_zip(chance, members):
    return mutate(chance, zipped(members, chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))


def in_long_names(chance, members):
    stream = io.BytesIO()
    form = chance.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo("é" * 120 + "/" + name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return mutate(chance, stream.getvalue())


def zipped(members, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


KINDS = [in_gzip, in_tar, in_member, in_plain_tar, in_xz, in_bzip2, in_zip, in_long_names]


@pytest.mark.parametrize("where", KINDS)
def test_mutations(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    archive, train, test = tmp_path / "a.tar.gz", tmp_path / "train.npz", tmp_path / "test.npz"
    refused = 0
    for seed in range(ROUNDS):
        chance = random.Random(f"{where.__name__} {seed}")
        archive.write_bytes(where(chance, chance.choice(ARCHIVES)))
        try:
            convert_archive(archive, train, test, record=None, summary=None, samples=None)
        except ResbenchError as error:
            refused += 1
            message = str(error)
            assert message.isprintable(), seed
            assert files_in(tmp_path) == {"a.tar.gz"}, seed
        else:
            assert files_in(tmp_path) == {"a.tar.gz", "train.npz", "test.npz"}, seed
            assert len(load_split(train).images) == len(BATCHES) - 1, seed
            assert load_split(test).labels.dtype == np.uint8
            train.unlink()
            test.unlink()
    assert refused > ROUNDS / 3  # the mutations do bite


def fuzzed(tmp_path, name, make, rounds=ROUNDS):
    """Convert what `make` returns for each seed; the number of refusals."""
    archive, train, test = tmp_path / name, tmp_path / "train.npz", tmp_path / "test.npz"
    refused = 0
    for seed in range(rounds):
        archive.write_bytes(make(random.Random(f"{name} {seed}")))
        try:
            convert_archive(archive, train, test, record=None, summary=None, samples=None)
        except ResbenchError as error:
            refused += 1
            message = str(error)
            assert message.isprintable(), seed
            assert files_in(tmp_path) == {name}, seed
        else:
            assert load_split(train).images.shape[1:] == (32, 32, 3), seed
            train.unlink()
            test.unlink()
    return refused


def test_mutated_arrays(tmp_path):
    images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.arange(4) % 3
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels, "classes": np.array(NAMES)}
    members = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.save(stream, array)
        members[f"{name}.npy"] = stream.getvalue()

    def make(chance):
        name = chance.choice(list(members))
        return zipped(members | {name: mutate(chance, members[name])}, zipfile.ZIP_STORED)

    assert fuzzed(tmp_path, "a.npz", make) > ROUNDS / 5


def test_mutated_pictures(tmp_path, capsys):
    """One bad picture of several is left out; the terminal shows a line for it."""
    members, random_pixels = {}, np.random.default_rng(0)
    forms = ("png", "jpg", "gif", "webp", "bmp", "tif", "ppm")
    for part in ("train", "test"):
        for label in ("cat", "dog"):
            for form in forms:
                stream = io.BytesIO()
                image = Image.fromarray(random_pixels.integers(0, 256, (9, 9, 3), np.uint8))
                image.save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(form, form))
                members[f"{part}/{label}/a.{form}"] = stream.getvalue()

    def make(chance):
        spoilt = {name: mutate(chance, members[name]) for name in chance.sample(list(members), 6)}
        return zipped(members | spoilt, zipfile.ZIP_STORED)

    assert fuzzed(tmp_path, "a.zip", make, ROUNDS // 5) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > ROUNDS // 5  # the mutations do bite
    assert all(line.isprintable() for line in lines)
