"""Mutated archives: converted or refused in one line, never a crash, a stray file or a marker.

RESBENCH_FUZZ=5000 makes it that many mutations of each kind.
"""

import gzip
import os
import random

import numpy as np
import pytest
from data_helpers import (
    BATCHES,
    NAMES,
    batches,
    binary_members,
    files_in,
    pack_members,
    python2_dumps,
    python_members,
)
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


def mutate(chance: random.Random, data: bytes) -> bytes:
    """One to four edits; half of them near the start or the end, where headers and pickles have their structure."""
    edited = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        near = chance.choice([len(edited), len(edited), min(len(edited), 200)])
        at = chance.randrange(near) if near else 0
        at = len(edited) - 1 - at if chance.random() < 0.25 else at
        size = chance.choice([1, 1, 2, 4, 8, 100])
        match chance.randrange(5):
            case 0:
                edited[at : at + size] = chance.randbytes(size)
            case 1:
                del edited[at : at + size]
            case 2:
                edited[at:at] = chance.randbytes(size)
            case 3:
                edited[at:at] = edited[at : at + size]
            case 4:
                edited[at : at + 1] = bytes(
                    [chance.choice(b"()]}NKMJUTXCBtuesaRbqrhj.c\x80\x85\x86\x87\x8a\x8c\x93\x94\x95\xff\0")]
                )
    return bytes(edited)


def in_gzip(chance, members):
    return mutate(chance, pack_members(members))


def in_tar(chance, members):
    return gzip.compress(mutate(chance, gzip.decompress(pack_members(members))), 1)


def in_member(chance, members):
    name = chance.choice(list(members))
    return pack_members(members | {name: mutate(chance, members[name])})


@pytest.mark.parametrize("where", [in_gzip, in_tar, in_member])
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
