"""Where the time goes: shares by kind of operator and by layer, from a profile as ONNX Runtime gives it."""

import pandas as pd
import pytest
from experiment import Experiment
from resbench.common.errors import ResbenchError
from resbench.report.html.page import write_page
from resbench.report.operator_tables import LAYERS, operator_tables
from resbench.report.stage_files import read_operators

COLUMNS = "model,variant,seed,precision,provider,batch_size,threads,layer,operator,share"
COLUMNS += ",macs,gmacs_per_s,peak_gmacs_per_s,unfused"
PROFILE = f"""\
{COLUMNS}
m,pool,0,fp32,cpu,1,1,Cast_0,Cast,0.01,,,,0
m,pool,0,fp32,cpu,1,1,Conv_0,Conv,0.5,3000000,60,100,0
m,pool,0,fp32,cpu,1,1,Conv_1,Conv,0.25,1000000,40,100,0
m,pool,0,fp32,cpu,1,1,MaxPool_0,MaxPool,0.2,,,,0
m,pool,0,fp32,cpu,1,1,Strange_0,Strange,0.04,,,,0
m,pool,0,int8,cpu,1,1,Conv_0,QLinearConv,0.6,3000000,120,300,0
m,pool,0,int8,cpu,1,1,Conv_1,Conv,0.3,1000000,40,100,1
m,pool,0,int8,cpu,1,1,q,QuantizeLinear,0.1,,,,0
"""


def cells(table, row=0):
    return {
        heading.title: [cell.text, *cell.details]
        for heading, cell in zip(table.headings, table.rows[row].cells, strict=True)
    }


@pytest.fixture
def operators(tmp_path):
    path = tmp_path / "operators.csv"
    path.write_text(PROFILE)
    return path


def test_kinds_add_up_and_speed_is_all_multiply_adds_by_all_time(operators):
    ((kinds, _),) = operator_tables(read_operators(operators))
    assert kinds.caption == "Share of the time in operators, with the CPU provider, one image at a time on 1 thread"
    fp32, int8 = cells(kinds), cells(kinds, 1)
    shares = ("Convolutions", "Pooling", "Conversions", "Other")
    assert [fp32[name] for name in shares] == [["75.00"], ["20.00"], ["1.00"], ["4.00"]]
    assert [int8[name] for name in shares] == [["90.00"], ["0.00"], ["10.00"], ["0.00"]]
    # 3 and 1 million in 3/60 and 1/40 ms: 4 million in 0.075 ms
    assert fp32["Speed"] == ["53.3", "53 % of 100"]
    assert int8["Speed"] == ["80.0", "27 % of 300"]
    assert (fp32["Not fused"], int8["Not fused"]) == (["0"], ["1"])
    assert "Matrix products" not in fp32  # none has any
    assert next(h.meaning for h in kinds.headings if h.title == "Other") == "the runtime's Strange"


def test_the_longest_layers_come_first(operators):
    ((_, layers),) = operator_tables(read_operators(operators))
    assert [row.cells[2].text for row in layers.rows[:2]] == ["Conv_0", "Conv_1"]
    assert cells(layers, 6) == {
        "Variant": ["pool"],
        "Precision": ["int8"],
        "Layer": ["Conv_1"],
        "Operator": ["Conv"],
        "Share": ["30.00"],
        "Speed": ["40.0", "40 % of 100"],
        "Fused": ["no"],
    }
    many = pd.concat([read_operators(operators)] * LAYERS, ignore_index=True)
    ((_, layers),) = operator_tables(many)
    assert len(layers.rows) == 2 * LAYERS


def test_settings_have_tables_of_their_own(operators):
    profile = read_operators(operators)
    both = pd.concat([profile, profile.assign(batch_size=32.0)], ignore_index=True)
    assert [kinds.caption.split(", ")[-1] for kinds, _ in operator_tables(both)] == [
        "one image at a time on 1 thread",
        "batches of 32 on 1 thread",
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("share", "part", r"not readable \(no column share\); make it with `resbench profile`"),
        ("0.25", "much", r"not readable \(could not convert string to float: .*\); make it with `resbench profile`"),
        ("0.25", "25", "a value of share is not a fraction; run `resbench profile` again"),
        (PROFILE[len(COLUMNS) :], "\n", r"not readable \(no row\); make it with `resbench profile`"),
    ],
)
def test_an_invalid_profile_is_named_with_the_remedy(operators, old, new, words):
    operators.write_text(PROFILE.replace(old, new))
    with pytest.raises(ResbenchError, match=f"operators.csv: {words}$"):
        read_operators(operators)
    operators.unlink()
    with pytest.raises(ResbenchError, match=r"operators.csv: no such file; make it with `resbench profile`"):
        read_operators(operators)


def test_the_page_has_the_section_where_something_was_profiled(experiment: Experiment, page, operators, tmp_path):
    inputs = experiment.inputs()._replace(operators=read_operators(operators))
    write_page(tmp_path / "report.html", tmp_path / "figures", inputs)
    profiled, silent = (tmp_path / "report.html").read_text(), page.read_text()
    for text in ('href="#operators"', "<h2>Where the time goes</h2>", "53 % of 100"):
        assert text in profiled
        assert text not in silent
