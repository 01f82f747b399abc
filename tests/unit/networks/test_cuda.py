"""TensorFlow is given what it needs to use a GPU."""

import _ctypes
import shutil
from pathlib import Path

from resbench.networks import _load_cusolver


def test_tensorflow_gets_the_library_of_nvidias_wheel_that_it_does_not_search_for(tmp_path):
    folder = tmp_path / "nvidia/cusolver/lib"
    folder.mkdir(parents=True)
    (folder / "libcusolver.so.11").write_text("damaged")
    _load_cusolver(tmp_path)  # TensorFlow goes on without a GPU
    shutil.copy(_ctypes.__file__, folder / "libcusolver.so.11")  # some library
    _load_cusolver(tmp_path)
    assert str(folder / "libcusolver.so.11") in Path("/proc/self/maps").read_text()
