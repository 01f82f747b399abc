"""Archives that lie, burst or attack: refused in one line, nothing run, nothing written."""

import gzip
import os
import pickle
import resource
import struct
import tarfile

import numpy as np
import pytest
from data_helpers import (
    NAMES,
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
from resbench.common.errors import ResbenchError
from resbench.data.convert import convert_archive
from resbench.data.layouts import LAYOUTS
from resbench.data.unpickle import unpickle

FOLDER = "cifar-10-batches-py"
MAX_ROWS, MAX_BATCH, MAX_STEPS = LAYOUTS[0].max_rows, LAYOUTS[0].max_bytes, LAYOUTS[0].max_steps


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Convert an archive that must be refused; returns the message."""
    monkeypatch.chdir(tmp_path)  # payloads write their marker here

    def convert(data: bytes) -> str:
        archive = tmp_path / "archive.tar.gz"
        archive.write_bytes(data)
        with pytest.raises(ResbenchError) as caught:
            convert_archive(
                archive, tmp_path / "train.npz", tmp_path / "test.npz", record=None, summary=None, samples=None
            )
        assert files_in(tmp_path) == {"archive.tar.gz"}
        message = str(caught.value)
        assert message.startswith(f"{archive}: ")
        assert message.isprintable()  # one line, no control characters of the archive's
        return message

    return convert


def good_members(**options):
    return python_members(batches(**options), NAMES)


def with_member(name: str, content: bytes) -> bytes:
    return pack_members(good_members() | {name: content})


def raw_entries():
    return [entry(f"{FOLDER}/{name}", data) for name, data in good_members().items()]


# The gzip stream


@pytest.mark.parametrize("keep", [1, 9, 10, 11, 100, 5_000, -1, -4, -8, -9, -600])
def test_truncated(refused, keep):
    whole = valid_archive()
    assert "truncated" in refused(whole[:keep])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "is a web page"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "is a 7z archive, not a .tar"),
        (b"\x89HDF" + bytes(600), "is an HDF5 file"),
        (b"anything else" * 60, "is a text file"),
        (b"anything\0else" * 60, "is of an unsupported format"),
        (gzip.decompress(valid_archive())[:9000], "truncated"),
        (valid_archive() + b"rubbish", "corrupt"),
        (valid_archive()[:-8] + b"\0\0\0\0" + valid_archive()[-4:], "corrupt"),
        (valid_archive()[:-4] + b"\0\0\0\1", "corrupt"),
        (gzip.compress(b"", mtime=0), "truncated"),
        (gzip.compress(gzip.decompress(valid_archive())[:-1024], mtime=0), "truncated"),
        (gzip.compress(gzip.decompress(valid_archive()) + b"more", mtime=0), "behind its end"),
    ],
)
def test_corrupt_stream(refused, data, reason):
    assert reason in refused(data)


def test_flipped_bytes(refused):
    whole = valid_archive()
    for position in range(200, len(whole), len(whole) // 25):
        refused(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])


def test_missing_file(tmp_path):
    with pytest.raises(ResbenchError, match="no such file"):
        convert_archive(tmp_path / "a", tmp_path / "b", tmp_path / "c", record=None, summary=None, samples=None)
    assert files_in(tmp_path) == set()


# Members


@pytest.mark.parametrize("name", good_members())
def test_missing_member(refused, name):
    members = good_members()
    del members[name]
    assert f"lacks {name}" in refused(pack_members(members))


@pytest.mark.parametrize("name", good_members())
@pytest.mark.parametrize("folder", [FOLDER, "another"])
def test_doubled_member(refused, name, folder):
    assert f"{name} twice" in refused(pack(*raw_entries(), entry(f"{folder}/{name}", good_members()[name])))


def test_both_layouts(refused):
    assert "mixes" in refused(pack_members(good_members() | binary_members(batches(), NAMES)))


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../b", "..", "/", "\\\\host\\x", "a\\..\\b"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_names_that_point_outside(refused, name, kind):
    assert "points outside" in refused(pack(entry(name, kind=kind), *raw_entries()))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links(refused, kind):
    assert "is a link" in refused(pack(entry("data_batch_1", kind=kind, linkname="/etc/passwd"), *raw_entries()))


@pytest.mark.parametrize("kind", [b"3", b"4", b"6", b"7", b"S", b"K", b"V", b"D", b"\n"])
def test_special_members(refused, kind):
    assert "is not a plain file" in refused(pack(entry("x", kind=kind), *raw_entries()))


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (b"31 path=../../../../etc/passwd\n", "points outside"),
        (b"8 path=\n", "damaged"),
        (b"13 path=a\0bc\n", "damaged"),
        (b"20 linkpath=/etc/pa\n", "sets 'linkpath'"),
        (b"19 size=9999999999\n", "sets 'size'"),
        (b"22 GNU.sparse.major=1\n", "sets 'GNU.sparse.major'"),
        (b"99999999999 mtime=1\n", "damaged"),
        (b"0 mtime=1\n", "damaged"),
        (b"mtime", "damaged"),
        (b"\xff" * 20, "damaged"),
    ],
)
def test_extended_headers(refused, records, reason):
    assert reason in refused(pack(entry("pax", records, tarfile.XHDTYPE), *raw_entries()))


def test_a_header_for_all_members_cannot_name_one(refused):
    assert "sets 'path'" in refused(pack(entry("pax", b"10 path=x\n", tarfile.XGLTYPE), *raw_entries()))


def test_a_folder_with_contents(refused):
    assert "has contents" in refused(pack(entry("x", b"data", tarfile.DIRTYPE), *raw_entries()))


def test_huge_extended_header(refused):
    assert "extended header of" in refused(pack(entry("pax", bytes(1 << 20), tarfile.XGLTYPE), *raw_entries()))


def test_terminal_codes_in_names_are_escaped(refused):
    assert "\\x1b" in refused(pack(entry("../\x1b[2J\n" + "x" * 60, b""), *raw_entries()))


@pytest.mark.parametrize("field", [slice(124, 136), slice(148, 156)])
def test_damaged_header(refused, field):
    block = bytearray(raw_entries()[0])
    block[field] = b"z" * (field.stop - field.start)
    assert "damaged tar header" in refused(pack(bytes(block), *raw_entries()[1:]))


def test_negative_size(refused):
    block = bytearray(entry("x"))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    assert "negative size" in refused(pack(bytes(block), *raw_entries()))


# Bombs


def zeros(mebibytes: int) -> bytes:
    """gzip stream of that many zeros, of a thousandth the size."""
    return gzip.compress(bytes(16 << 20), 1) * (mebibytes // 16)


def header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_1.bin", "batches.meta", "x_train.npy", "cat/a.png"])
def test_member_too_large(refused, name):
    assert "bytes, more than" in refused(gzip.compress(header(name, 1 << 34)) + zeros(64))


@pytest.mark.parametrize("start", [b"", b"\0" * 1024, b"".join(raw_entries()) + bytes(1024)])
def test_endless_zeros(refused, start):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "more than this layout can hold" in refused(gzip.compress(start) + zeros(800))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_too_many_files(refused, monkeypatch):
    monkeypatch.setattr("resbench.data.archive.MAX_MEMBERS", 30)
    assert "more than 30 files" in refused(pack(*(entry(f"{number}.txt") for number in range(31))))


def test_too_many_images(refused, monkeypatch):
    monkeypatch.setattr("resbench.data.archive.MAX_IMAGES", 23)
    assert "more than 23 images" in refused(valid_archive())  # of 24


def test_too_many_pictures(refused, monkeypatch):
    monkeypatch.setattr("resbench.data.folders.MAX_PICTURES", 1)
    assert "more than 1 pictures" in refused(pack(entry("cat/a.png"), entry("cat/b.png")))


@pytest.mark.parametrize("name", ["x" * 600, "x/" * 20 + "y"])
def test_long_paths_of_pictures(refused, name):
    assert "longer than 512 characters or 16 folders" in refused(pack(entry(f"cat/{name}.png")))


def test_many_small_members(refused):
    sixteen = gzip.compress(entry("readme.html", bytes(1 << 18)) * 64, 1)
    assert "more than this layout can hold" in refused(sixteen * 50)


def test_largest_batch_of_steps(refused):
    assert "steps" in refused(with_member("data_batch_1", b"\x80\x02" + b"}" * (MAX_STEPS + 1)))


# Pickles that attack


class Attack:
    """Pickles as a call that leaves a marker file."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attack_pickles():
    system = Attack(os.system, "touch marker")
    yield "system", pickle.dumps(system, 2), "posix.system"
    yield "eval", pickle.dumps(Attack(eval, "open('marker', 'w')"), 4), "builtins.eval"
    yield (
        "exec",
        python2_dumps({})[:-1] + b"c__builtin__\nexec\n(U\x1aopen('marker','w').close()tR.",
        "__builtin__.exec",
    )
    yield "in data", pickle.dumps({b"data": system, b"labels": []}), "posix.system"
    yield "instance", b"(S'touch marker'\nios\nsystem\n.", "opcode"
    yield "object", b"(cos\nsystem\nS'touch marker'\no.", "os.system"
    yield "newobj", b"\x80\x02cos\nsystem\nU\x0ctouch marker\x85\x81.", "os.system"
    yield "build", b"\x80\x02}U\x01ac__main__\nX\nb.", "__main__.X"
    yield "extension", b"\x80\x02\x82\x01.", "opcode"
    yield "persistent", b"Pmarker\n.", "opcode"
    yield "dotted", b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile"
    yield "scalar", b"\x80\x02cnumpy.core.multiarray\nscalar\n)R.", "unusual arguments"
    yield "load", b"\x80\x02cnumpy\nload\n.", "numpy.load"
    yield "codec", b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0zip\x86R.", "unusual arguments"
    yield "subclass", b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nc_codecs\nencode\nK\0\x85U\x01b\x87R.", "unusual"
    yield "computed", b"\x80\x04K\1K\2\x93.", "computed name"
    yield "terminal", b"\x80\x02c\x1b[2J\nx\n.", "\\x1b"


@pytest.mark.parametrize("name", ["batches.meta", "data_batch_1", "test_batch"])
@pytest.mark.parametrize(("data", "reason"), [pytest.param(*rest, id=title) for title, *rest in attack_pickles()])
def test_attack(refused, name, data, reason):
    message = refused(with_member(name, data))  # which also shows that there is no marker
    assert name in message
    assert reason in message


def test_the_marker_is_real(tmp_path, monkeypatch):
    """The payload does run where someone unpickles it."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(next(attack_pickles())[1])
    assert files_in(tmp_path) == {"marker"}


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
UINT8 = b"cnumpy\ndtype\nU\x02u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"q" + b"\0", "damaged"),
        (b"r\xff\xff\xff\xff", "damaged"),
        (b"}r\xff\xff\xff\xffh\0", "damaged"),
        (b"B\xff\xff\xff\x7f", "truncated"),
        (b"T\xff\xff\xff\xff", "truncated"),
        (b"\x8e" + b"\xff" * 8, "truncated"),
        (b"\x95" + b"\xff" * 8, "frame"),
        (b"\x80\xff", "protocol"),
        (b"}}\x85K\1s", "not text"),
        (b"\x85" * 10, "damaged"),
        (b"e", "damaged"),
        (b"}.}", "damaged"),
        (b"K\1K\2a", "damaged"),
        (b"(\x85", "damaged"),
        (b"((((", "damaged"),
        (b"}(U\1au", "damaged"),
        (b"X\1\0\0\0\xff", "damaged"),
        (b"]" + b"\x85" * 300_000, "something other"),
        (b"}" + b")" + b"\x85" * 300_000 + b"K\1s", "not text"),
        (ARRAY, "something other"),
        (b"cnumpy.core.multiarray\nscalar\n" + UINT8 + b"U\2ab\x86R", "unusual arguments"),
        (b"cnumpy\ndtype\nU\x01OK\0K\1\x87R", "array of 'O'"),
        (b"cnumpy\ndtype\nU\x02f8K\0K\1\x87R", "array of 'f8'"),
        (UINT8.replace(b"NNN", b"N}N"), "unusual state"),
        (ARRAY + b"(K\1J\xff\xff\xff\xff\x85" + UINT8 + b"\x89U\1xtb", "contradicts"),
        (ARRAY + b"(K\1(K\1J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft" + UINT8 + b"\x89U\1xtb", "contradicts"),
        (ARRAY + b"(K\1(" + b"K\1" * 65 + b"t" + UINT8 + b"\x89U\1xtb", "contradicts"),
        (ARRAY + b"(K\1K\1\x85" + UINT8 + b"\x89]tb", "contradicts"),
        (ARRAY + b"(K\1K\1\x85Nb", "damaged"),
        (
            b"c_codecs\nencode\nq\0X\x10\0\0\0" + b"a" * 16 + b"q\1X\6\0\0\0latin1q\2" + b"h\0h\1h\2\x86R" * 40,
            "repeats",
        ),
    ],
)
def test_malformed_pickle(refused, body, reason):
    assert reason in refused(with_member("data_batch_2", b"\x80\x02" + body + b"."))


def test_reference_cycle(refused):
    assert "no list of labels" in refused(
        with_member("data_batch_2", b"\x80\x02}q\0(U\6labels]q\1h\1aU\4data" + good_data() + b"u.")
    )


def good_data() -> bytes:
    return ARRAY + b"(K\1K\1M\0\x0c\x86" + UINT8 + b"\x89T\0\x0c\0\0" + bytes(3072) + b"tb"


def test_interpreter_and_pickle_agree():
    data = python2_dumps({b"labels": [1, 2, 300, -5], b"data": np.arange(12, dtype=np.uint8).reshape(3, 4)})
    ours, theirs = unpickle(data, 1000), pickle.loads(data, encoding="bytes")
    assert ours["labels"] == theirs[b"labels"]
    np.testing.assert_array_equal(ours["data"], theirs[b"data"])


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_interpreter_and_pickle_agree_on_numpy(protocol):
    images = np.arange(12, dtype=np.uint8).reshape(3, 4)
    ours = unpickle(pickle.dumps({"data": np.asfortranarray(images), "labels": [np.int64(300)]}, protocol), 1000)
    np.testing.assert_array_equal(ours["data"], images)
    assert ours["labels"] == [300]


# Contents


def batch(data=None, labels=None) -> bytes:
    return pickle.dumps(
        {b"data": np.zeros((4, 3072), np.uint8) if data is None else data, b"labels": labels or [0] * 4}
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.zeros((4, 3071), np.uint8), "shape (4, 3071)"),
        (np.zeros((4, 3073), np.uint8), "shape (4, 3073)"),
        (np.zeros((4, 3, 32, 32), np.uint8), "shape (4, 3, 32, 32)"),
        (np.zeros(3072, np.uint8), "shape (3072,)"),
        (np.zeros((0, 3072), np.uint8), "0 images, not 1"),
        (np.zeros((4, 3072), np.int8), "array of 'i1'"),
        (np.zeros((4, 3072), np.float32), "array of 'f4'"),
        (np.zeros((4, 3072), object), "array of 'O8'"),
        (np.zeros((5, 3072), np.uint8), "5 images, but 4 labels"),
        (np.zeros((MAX_ROWS + 1, 3072), np.uint8), "not 1 to 20,000"),
        ([0] * 3072, "no array of images"),
        (b"x" * 3072, "no array of images"),
    ],
)
def test_invalid_images(refused, data, reason):
    message = refused(with_member("data_batch_3", batch(data)))
    assert reason in message
    assert "data_batch_3" in message


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 1, 2], "4 images, but 3 labels"),
        ([0, 1, 2, 0, 1], "4 images, but 5 labels"),
        ([0, 1, 2, 3], "label 3, but only 3"),
        ([0, 1, 2, 255], "label 255"),
        ([0, 1, 2, 256], "no list of labels"),
        ([0, 1, 2, -1], "no list of labels"),
        ([0, 1, 2, 10**30], "no list of labels"),
        ([0, 1, 2, True], "no list of labels"),
        ([0, 1, 2, b"1"], "no list of labels"),
        ((0, 1, 2, 0), "no list of labels"),
        (b"\0\1\2\0", "no list of labels"),
    ],
)
@pytest.mark.parametrize("name", ["data_batch_5", "test_batch"])
def test_invalid_labels(refused, labels, reason, name):
    assert reason in refused(with_member(name, batch(labels=labels)))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (None, "no list of class names"),
        ([], "0 class names"),
        (["one"], "1 class name, not"),
        ([f"{i}" for i in range(257)], "257 class names"),
        (["a", "b", "a"], "same class name twice"),
        (["a", b"a", "c"], "same class name twice"),
        (["a", "", "c"], "has the class name"),
        (["a", " ", "c"], "has the class name"),
        (["a", 3, "c"], "has the class name"),
        (["a", None, "c"], "has the class name"),
        (["a", b"\xff\xfe", "c"], "has the class name"),
        (["a", "b\0", "c"], "has the class name"),
        (["a", "b\n", "c"], "has the class name"),
        (["a", "x" * 101, "c"], "has the class name"),
        (["a", " " * 200_000 + "b", "c"], "has the class name"),  # a contact sheet of 40 GB
        (["a", "b ", "c"], "has the class name"),
        ("abc", "no list of class names"),
        ({"a": 1}, "no list of class names"),
    ],
)
def test_invalid_class_names(refused, names, reason):
    assert reason in refused(with_member("batches.meta", pickle.dumps({b"label_names": names})))


def test_no_class_names_at_all(refused):
    assert "no list of class names" in refused(with_member("batches.meta", pickle.dumps({b"num_vis": 3072})))


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [
        ("data_batch_1.bin", b"", "0 images, not 1"),
        ("data_batch_1.bin", bytes(3072), "no multiple"),
        ("data_batch_1.bin", bytes(3073 * 2 + 1), "no multiple"),
        ("test_batch.bin", b"\3" + bytes(3072), "label 3, but only 3"),
        ("batches.meta.txt", b"", "0 class names"),
        ("batches.meta.txt", b"a\nb\na\n", "same class name"),
        ("batches.meta.txt", b"a\n\nb\n", "has the class name"),
        ("batches.meta.txt", b"a\n\xff\nb\n", "has the class name"),
    ],
)
def test_invalid_binary(refused, member, content, reason):
    assert reason in refused(pack_members(binary_members(batches(), NAMES) | {member: content}))


def test_binary_with_too_many_rows(refused):
    rows = bytes(3073 * (MAX_ROWS + 1))
    assert len(rows) < MAX_BATCH
    assert "not 1 to 20,000" in refused(pack_members(binary_members(batches(), NAMES) | {"data_batch_1.bin": rows}))


# The command line


@pytest.mark.parametrize(
    "data",
    [
        valid_archive()[:-100],
        with_member("data_batch_1", next(attack_pickles())[1]),
        pack(entry("../x", b"y")),
        gzip.compress(header("data_batch_1", 1 << 40)),
    ],
    ids=["truncated", "attack", "outside", "bomb"],
)
def test_command_line(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar.gz").write_bytes(data)
    process = run_cli(
        "convert", "a.tar.gz", "--train", "train.npz", "--test", "test.npz", "--summary", "s.json", "--samples", "s.png"
    )
    error = process.communicate()[1]
    assert process.returncode == 1
    assert len(error.splitlines()) == 1
    assert error.startswith("resbench: error: a.tar.gz: ")
    assert files_in(tmp_path) == {"a.tar.gz"}


def test_header_of_four_gigabytes_in_a_pickle_takes_no_memory(refused):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for size in (b"\x8e" + struct.pack("<Q", 1 << 32), b"\x96" + struct.pack("<Q", 1 << 62), b"}r\xff\xff\xff\x7f0"):
        refused(with_member("data_batch_4", b"\x80\x05" + size + b"."))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
