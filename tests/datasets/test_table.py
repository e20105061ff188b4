import pyarrow as pa
import pytest
from pyarrow import parquet

from pplr.datasets.table import read_table
from pplr.errors import DataError, MissingInputError
from tests.datasets.trees import rows_of, write_images

NAMES = ["a/1.jpg", "a/2.jpg", "q.jpg", "g.jpg"]
CSV = """\
path,split,pid,camid,colour
a/2.jpg,train,12,3,red
a/1.jpg,train,,-1,blue
q.jpg,query,5,0,
g.jpg,gallery,0005,1,
q.jpg,gallery,5,0,
"""


@pytest.fixture
def root(tmp_path):
    return write_images(tmp_path / "images", NAMES)


def read(root, text, name="images.csv"):
    (root / name).write_text(text)
    return read_table(root)


def failure(root, text):
    with pytest.raises((DataError, MissingInputError)) as caught:
        read(root, text)
    return str(caught.value)


def test_a_table_by_hand(root):
    tables = read(root, CSV)
    assert {split: rows_of(table) for split, table in tables.items()} == {
        "train": [("a/1.jpg", -1, -1), ("a/2.jpg", 12, 3)],
        "query": [("q.jpg", 5, 0)],
        "gallery": [("g.jpg", 5, 1), ("q.jpg", 5, 0)],
    }
    assert tables["train"].open_image(0).size == (8, 16)


def test_parquet_with_numbers_and_missing_values(root):
    columns = {
        "path": ["a/1.jpg", "q.jpg", "g.jpg"],
        "split": ["train", "query", "gallery"],
        "pid": pa.array([None, 5.0, 5.0]),
        "camid": pa.array([0, 1, 2], pa.int8()),
    }
    parquet.write_table(pa.table(columns), root / "images.parquet")
    tables = read_table(root)
    assert rows_of(tables["train"]) == [("a/1.jpg", -1, 0)]
    assert rows_of(tables["query"]) == [("q.jpg", 5, 1)]
    assert rows_of(tables["gallery"]) == [("g.jpg", 5, 2)]


def test_only_path_and_split(root):
    tables = read(root, "split,path\ntrain,a/1.jpg\ntrain,./a/../q.jpg\n")
    assert rows_of(tables["train"]) == [("a/1.jpg", -1, -1), ("q.jpg", -1, -1)]
    assert len(tables["query"]) == len(tables["gallery"]) == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path,split", "file,split", "The table has no column path."),
        ("path,split", "file,part", "The table has no column path and no column split."),
        ("a/2.jpg,train", "a/2.jpg,test", "1 row(s) have a split"),
        ("a/2.jpg,train,12", "a/2.jpg,train,twelve", "row 1: 'twelve'"),
        ("a/2.jpg,train,12", "a/2.jpg,train,-2", "row 1: '-2'"),
        ("a/2.jpg,train,12", "a/2.jpg,train,1.5", "row 1: '1.5'"),
        ("a/2.jpg,train,12", "a/2.jpg,train,12345678901", "row 1: '12345678901'"),
        ("a/2.jpg,train,12,3", "a/2.jpg,train,12,c3", "row 1: 'c3'"),
        ("a/2.jpg,train", "../a/2.jpg,train", "row 1: '../a/2.jpg'"),
        ("a/2.jpg,train", "/a/2.jpg,train", "row 1: '/a/2.jpg'"),
        ("a/2.jpg,train", "a/../../x.jpg,train", "row 1: 'a/../../x.jpg'"),
        ("a/2.jpg,train", ",train", "1 row(s) have a path"),
        ("a/2.jpg,train", "a/3.jpg,train", "1 image(s) of images.csv are missing."),
        ("a/2.jpg,train", "a,train", "1 image(s) of images.csv are missing."),
        ("a/2.jpg,train", "a/1.jpg,train", "1 image(s) stand there twice."),
        ("a/2.jpg,train", "a//1.jpg,train", "1 image(s) stand there twice."),
        ("a/2.jpg,train,12,3,red", "a/2.jpg,train", "The table cannot be read."),
        (",camid", ",pid", "The table cannot be read."),
        ("train", "query", "0 images are of the split train."),
    ],
)
def test_what_is_wrong_is_said(root, old, new, said):
    message = failure(root, CSV.replace(old, new))
    assert said in message
    assert str(root) in message


def test_wrong_rows_are_counted_and_the_first_shown(root):
    rows = "".join(f"a/1.jpg,train,x{i},0\n" for i in range(9))
    message = failure(root, f"path,split,pid,camid\n{rows}")
    assert "9 row(s) have a pid that cannot be used." in message
    assert "row 1: 'x0', row 2: 'x1', row 3: 'x2', row 4: 'x3', row 5: 'x4', …\n" in message


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"path,split\xff\na,train\n", b'path,split\n"a/1.jpg,train\n']
)
def test_a_broken_csv(root, content):
    (root / "images.csv").write_bytes(content)
    with pytest.raises((DataError, MissingInputError), match=r"table|row"):
        read_table(root)


def test_a_broken_parquet(root):
    (root / "images.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="The table cannot be read"):
        read_table(root)


def test_there_must_be_one_table(root):
    with pytest.raises(MissingInputError, match="There are 0 tables"):
        read_table(root)
    with pytest.raises(MissingInputError, match="There is no such folder"):
        read_table(root / "nowhere")
    (root / "a.txt").touch()
    with pytest.raises(MissingInputError, match="This is a file") as caught:
        read_table(root / "a.txt")
    assert str(caught.value).endswith(f"--data-dir {root}")
    (root / "more.csv").write_text(CSV)
    (root / "images.csv").write_text(CSV)
    with pytest.raises(MissingInputError, match="There are 2 tables"):
        read_table(root)
