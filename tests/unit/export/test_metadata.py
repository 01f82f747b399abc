"""Reading of graphs and their metadata, which are untrusted."""

import pytest
from resbench.common.errors import ResbenchError
from resbench.export.metadata import read_graph, read_metadata
from tiny_models import tiny_model


def test_a_graph_is_read_with_its_metadata(tmp_path):
    metadata = read_metadata(read_graph(tiny_model(tmp_path / "m.onnx")))
    assert (metadata["variant"], metadata["precision"]) == ("pool", "fp32")


def test_another_file_is_one_line(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ResbenchError, match=r"m\.onnx: not an ONNX file \("):
        read_graph(path)
