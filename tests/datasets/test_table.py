import math

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


BOM = "\ufeff"
EXPECTED = {
    "train": [("a/1.jpg", -1, -1), ("a/2.jpg", 12, 3)],
    "query": [("q.jpg", 5, 0)],
    "gallery": [("g.jpg", 5, 1), ("q.jpg", 5, 0)],
}


def reordered(text):
    return "".join(",".join(reversed(line.split(","))) + "\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        BOM + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\r"),
        CSV.rstrip("\n"),
        CSV + "\n\n",
        f"\n{CSV}",
        CSV + ",,,,\r\n",  # a spreadsheet's empty line
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        BOM + CSV.replace(",", ";").replace("\n", "\r\n"),
        CSV.replace("red", '"red, or ""rose"""'),
        CSV.replace("red", '"red\nand\r\nblue"'),
        CSV.replace("red", "é" * 200_000),
        CSV.replace("a/2.jpg", '"a/2.jpg"'),
        CSV.replace("path,split,pid,camid", ' path, split ,pid,"camid "'),
        CSV.replace("train,12,3", " train, 12 ,3 "),
        CSV.replace("a/2.jpg", " a/2.jpg "),
        CSV.replace("12,3", "12.0,3.00"),
        CSV.replace("colour", "path of the mask"),
        CSV.replace("colour", "box (left;top;right;bottom;score;kind)"),
        CSV.replace("colour", ""),
        reordered(CSV),
    ],
)
def test_ways_to_write_the_same_table(root, text):
    (root / "images.csv").write_bytes(text.encode())
    tables = read_table(root)
    assert {split: rows_of(table) for split, table in tables.items()} == EXPECTED


@pytest.mark.parametrize("separator", ",;\t")
def test_paths_that_need_quotes_or_have_blanks(root, separator):
    names = [f"a{separator}b.jpg", 'say "a".jpg', " blank.jpg", "blank.jpg ", "blank.jpg"]
    write_images(root, names)
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    head = f"path{separator}split\n"
    tables = read(root, head + "".join(f"{name}{separator}train\n" for name in quoted))
    assert list(tables["train"].paths) == sorted(names)


def test_a_line_is_named_as_an_editor_counts_it(root):
    text = CSV.replace("red", '"red\nand blue"').replace("gallery,0005", "gallery,five")
    assert "line 6: 'five'" in failure(root, text)
    assert "line 8: 'five'" in failure(root, text.replace("q.jpg,query", "\n\nq.jpg,query"))


@pytest.mark.parametrize("name", ["images.CSV", "images.Csv"])
def test_a_suffix_may_be_written_large(root, name):
    assert rows_of(read(root, CSV, name)["query"]) == EXPECTED["query"]


def test_hidden_files_and_folders_are_no_tables(root):
    (root / "._images.csv").write_bytes(b"\0\5\x16\7")
    (root / ".~lock.images.csv#").touch()
    (root / "more.csv").mkdir()
    assert rows_of(read(root, CSV)["query"]) == EXPECTED["query"]


IN_PARQUET = {
    "path": ["a/2.jpg", "a/1.jpg", "q.jpg", "g.jpg", "q.jpg"],
    "split": ["train", "train", "query", "gallery", "gallery"],
    "pid": pa.array([12, None, 5, 5, 5], pa.int64()),
    "camid": pa.array([3, -1, 0, 1, 0], pa.int16()),
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"path": pa.array(IN_PARQUET["path"], pa.large_string())},
        {"path": pa.array(IN_PARQUET["path"]).dictionary_encode()},
        {"split": pa.array(IN_PARQUET["split"]).dictionary_encode()},
        {"pid": pa.array([12, math.nan, 5, 5, 5], pa.float32())},
        {"pid": pa.array(["12", None, "0005", " 5", "5.0"])},
        {"pid": pa.array([12, None, 5, 5, 5]).dictionary_encode()},
        {"pid": pa.array([12, None, 5, 5, 5], pa.decimal128(9, 2))},
        {"camid": pa.array([3, None, 0, 1, 0], pa.uint64())},
        {"camid": pa.array(["3", "", "0", "1", "0"]).dictionary_encode()},
        {"features": [[0.5, 1.5]] * 5, "note": [None] * 5},
    ],
)
def test_ways_to_write_the_same_parquet(root, changed):
    parquet.write_table(pa.table(IN_PARQUET | changed), root / "images.PARQUET")
    tables = read_table(root)
    assert {split: rows_of(table) for split, table in tables.items()} == EXPECTED


def test_names_of_parquet_columns_may_have_blanks_and_any_order(root):
    columns = {f" {name} ": values for name, values in reversed(IN_PARQUET.items())}
    parquet.write_table(pa.table(columns), root / "images.parquet")
    assert rows_of(read_table(root)["train"]) == EXPECTED["train"]


def test_a_folders_name_is_no_column(root):
    """As it is to readers of partitioned data sets."""
    folder = root.rename(root.parent / "camid=7")
    parquet.write_table(pa.table(IN_PARQUET).drop(["camid"]), folder / "images.parquet")
    assert read_table(folder)["train"].camids.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pid": [1.5, 2.0, 5.0, 5.0, 5.0]}, "row 1: '1.5'"),
        ({"pid": [True] * 5}, "row 1: 'True'"),
        ({"pid": [[1]] * 5}, "row 1: '[1]'"),
        ({"pid": [2.0**40] * 5}, "5 row(s) have a pid"),
        ({"path": [None] * 5}, "5 row(s) have a path"),
        ({"split": [0] * 5}, "5 row(s) have a split"),
        ({"path": [b"a/1.jpg"] * 5}, "5 image(s) of images.parquet are missing"),
    ],
)
def test_parquet_columns_of_another_kind_are_refused(root, changed, said):
    parquet.write_table(pa.table(IN_PARQUET | changed), root / "images.parquet")
    with pytest.raises((DataError, MissingInputError)) as caught:
        read_table(root)
    assert said in str(caught.value)


def test_a_column_twice_in_parquet(root):
    table = pa.table(list(IN_PARQUET.values()), names=["path", "split", "pid", "pid"])
    parquet.write_table(table, root / "images.parquet")
    with pytest.raises(DataError, match="The table has more than one column pid"):
        read_table(root)


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
        ("a/2.jpg,train,12", "a/2.jpg,train,twelve", "line 2: 'twelve'"),
        ("a/2.jpg,train,12", "a/2.jpg,train,-2", "line 2: '-2'"),
        ("a/2.jpg,train,12", "a/2.jpg,train,1.5", "line 2: '1.5'"),
        ("a/2.jpg,train,12", "a/2.jpg,train,12345678901", "line 2: '12345678901'"),
        ("a/2.jpg,train,12,3", "a/2.jpg,train,12,c3", "line 2: 'c3'"),
        ("a/2.jpg,train", "../a/2.jpg,train", "line 2: '../a/2.jpg'"),
        ("a/2.jpg,train", "/a/2.jpg,train", "line 2: '/a/2.jpg'"),
        ("a/2.jpg,train", "a/../../x.jpg,train", "line 2: 'a/../../x.jpg'"),
        ("a/2.jpg,train", ",train", "1 row(s) have a path"),
        ("a/2.jpg,train", "a/3.jpg,train", "1 image(s) of images.csv are missing."),
        ("a/2.jpg,train", "a,train", "1 image(s) of images.csv are missing."),
        ("a/2.jpg,train", "a/1.jpg,train", "1 image(s) stand there twice."),
        ("a/2.jpg,train", "a//1.jpg,train", "1 image(s) stand there twice."),
        (
            "a/2.jpg,train,12,3,red",
            "a/2.jpg,train",
            "line 2\n  found:   2 values: a/2.jpg, train\n  allowed: 5, as many",
        ),
        (",camid", ",pid", "The table has more than one column pid."),
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
    assert "line 2: 'x0', line 3: 'x1', line 4: 'x2', line 5: 'x3', line 6: 'x4', …\n" in message


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
    with pytest.raises(
        MissingInputError, match=r"There are 2 tables in the folder: images.csv, more.csv\."
    ):
        read_table(root)
