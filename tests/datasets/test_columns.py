import pytest

from pplr.datasets.columns import read_columns
from pplr.errors import DataError

NAMES = {"required": ["path", "split"], "optional": ["pid"]}
N = 30_000


def test_another_column_may_change_after_any_number_of_rows(tmp_path):
    """Readers that guess a column's type, or where a block of lines ends, do so from the first."""
    late = {20_000: "a note", 20_001: '"of\ntwo lines"', 29_999: "2024-02-30"}
    file = tmp_path / "images.csv"
    rows = (f"{i}.jpg,train,{late.get(i, 7)}\n" for i in range(N))
    file.write_text("path,split,note\n" + "".join(rows))
    columns = read_columns(file, **NAMES)
    assert columns.texts["path"] == [f"{i}.jpg" for i in range(N)]
    assert columns.texts["split"] == ["train"] * N
    assert columns.texts["pid"] == [""] * N
    # after a line of column names and a note of two lines
    assert columns.places[0] == "line 2"
    assert columns.places[20_001:20_003] == ["line 20003", "line 20005"]
    assert columns.places[-1] == "line 30002"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The table has no column path and no column split."),
        (b"\n\n", "found:   no columns"),
        (b"path|split\n", "found:   path|split"),
        (b"path|split\n", "in CSV, separated by comma, semicolon or tab"),
        ("path,split\n".encode("utf-16"), "The table cannot be read."),
        (
            "path,split\né,train\n".encode("latin-1"),
            "found:   'utf-8' codec can't decode byte 0xe9",
        ),
        (b'path,split\na,"train\n', "found:   unexpected end of data"),
        (b'path,split\n"a"b,train\n', "found:   ',' expected after '\"'"),
        (b"path,split\na;train\n", "line 2\n  found:   1 values: a;train\n  allowed: 2, as many"),
        (b"path,split\n\na,b.jpg,train\n", "line 3\n  found:   3 values: a, b.jpg, train"),
        (b"path,split,path\n", "The table has more than one column path."),
    ],
)
def test_what_is_no_table_says_why(tmp_path, content, said):
    file = tmp_path / "images.csv"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_columns(file, **NAMES)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
