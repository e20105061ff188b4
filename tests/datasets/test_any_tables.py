"""Whatever a table or a list holds, or names its files, it is a data set or one clear error."""

import csv
import io
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from pplr.datasets.layouts import DATA_SETS
from pplr.datasets.table import SPLITS
from pplr.errors import DataError
from tests.datasets.fuzzing import FEW, read_and_remark, untouched
from tests.datasets.test_msmt17 import LISTS
from tests.datasets.test_msmt17 import make as make_msmt17
from tests.datasets.trees import rows_of, write_images

# --- tables --------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=9)
COLUMN = TEXT.filter(lambda name: name.strip() not in ("path", "split", "pid", "camid"))
NUMBER = st.sampled_from(["", "-1", "0", "7", "007", "3.0", " 5 ", "999999999"])
VALUES = {"": -1, "-1": -1, "0": 0, "7": 7, "007": 7, "3.0": 3, " 5 ": 5, "999999999": 999999999}
ROW = st.fixed_dictionaries(
    {"split": st.sampled_from(SPLITS), "pid": NUMBER, "camid": NUMBER, "other": TEXT}
)


@given(
    rows=st.dictionaries(NAME.map(lambda name: f"{name}.jpg"), ROW, min_size=1, max_size=5),
    other=COLUMN,
    order=st.permutations(["path", "split", "pid", "camid", "other"]),
    separator=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["utf-8", "utf-8-sig"]),
)
@FEW
def test_a_table_is_read_as_it_was_written(rows, other, order, separator, line_end, mark):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in rows:
            (root / path).touch()
        with (root / "images.csv").open("w", encoding=mark, newline="") as file:
            writer = csv.writer(
                file, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_ALL
            )
            writer.writerow([other if name == "other" else name for name in order])
            for path, row in rows.items():
                writer.writerow([{"path": path, **row}[name] for name in order])
        expected = {split: [] for split in SPLITS}
        for path, row in sorted(rows.items()):
            expected[row["split"]].append((path, VALUES[row["pid"]], VALUES[row["camid"]]))
        if not expected["train"]:
            with pytest.raises(DataError, match="0 images are of the split train"):
                DATA_SETS["table"].read(root)
            return
        found = DATA_SETS["table"].read(root)
        assert {split: rows_of(table) for split, table in found.items()} == expected


CSV_WORDS = st.sampled_from(
    [
        *("path", "split", "pid", "camid", "train", "query", "gallery"),
        *("a.jpg", "b.jpg", "0", "1", "-1"),
        *',;\t\n\r"',
        "\ufeff",
        "..",
    ]
)


@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(CSV_WORDS, max_size=40).map(lambda words: "".join(words).encode()),
        st.lists(st.lists(CSV_WORDS, min_size=4, max_size=4), max_size=5).map(
            lambda rows: "\n".join(
                map(",".join, [["path", "split", "pid", "camid"], *rows])
            ).encode()
        ),
    )
)
@FEW
def test_any_csv_is_a_data_set_or_an_error(content):
    read_anything("table", "images.csv", content)


SOME = [
    TEXT,
    st.binary(max_size=3),
    st.integers(-3, 2**40),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.sampled_from(["a.jpg", "b.jpg", "train", "query", "gallery", "../a.jpg", "1"]),
    st.decimals(-9, 9, places=1),
    st.lists(st.integers(0, 9), max_size=2),
    st.none(),
]


@given(
    columns=st.dictionaries(
        st.sampled_from(["path", "split", "pid", "camid", " pid", "x"]),
        st.sampled_from(SOME).flatmap(
            lambda kind: st.lists(st.one_of(kind, st.none()), min_size=2, max_size=2)
        ),
        max_size=6,
    ),
    damage=st.one_of(st.none(), st.integers(0, 2**31)),
    new=st.binary(min_size=1, max_size=4),
)
@FEW
def test_any_parquet_is_a_data_set_or_an_error(columns, damage, new):
    stream = io.BytesIO()
    table = {"path": ["a.jpg", "b.jpg"], "split": ["train", "train"]} | columns
    parquet.write_table(pa.table(table), stream)
    content = bytearray(stream.getvalue())
    if damage is not None:
        at = damage % len(content)
        content[at : at + len(new)] = new
    read_anything("table", "images.parquet", bytes(content))


def read_anything(dataset: str, name: str, content: bytes) -> None:
    """Read a folder of two images and a file of any content; say what is said of it."""
    with tempfile.TemporaryDirectory() as folder:
        root = write_images(Path(folder), ["a.jpg", "b.jpg"])
        (root / name).write_bytes(content)
        with untouched(root):
            read_and_remark(dataset, root)


# --- lists and names -----------------------------------------------------------------------

LINES = [line for lines in LISTS.values() for line in lines]
LIST_WORDS = st.sampled_from(
    [*LINES, *(line.split()[0] for line in LINES), *" \t\n\r/.0_1", "\ufeff", ".."]
)


@given(
    name=st.sampled_from(sorted(LISTS)),
    content=st.one_of(
        st.binary(max_size=60),
        st.lists(LIST_WORDS, max_size=9).map(lambda words: "".join(words).encode()),
        st.lists(st.sampled_from(LINES), max_size=4).map(lambda lines: "\r\n".join(lines).encode()),
    ),
)
@FEW
def test_any_list_of_msmt17_is_a_data_set_or_an_error(name, content):
    with tempfile.TemporaryDirectory() as folder:
        root = make_msmt17(Path(folder), ("train", "test"))
        (root / name).write_bytes(content)
        with untouched(root):
            read_and_remark("msmt17", root)


FOLDERS = (
    "bounding_box_train",
    "bounding_box_test",
    "query",
    "image_train",
    "image_query",
    "image_test",
    "other",
)
FILE_NAME = st.one_of(
    st.binary(min_size=1, max_size=9).filter(lambda name: not {*name} & {0, ord("/")}),
    st.from_regex(
        rb"(0000|0001|-1|dukemtmc)_c[0-9]s1_000001_0[01]\.(jpg|JPG|png|gif|txt)", fullmatch=True
    ),
    st.from_regex(rb"000[01]_c00[0-9]_00000001_[01]\.(jpg|jpeg)", fullmatch=True),
    st.sampled_from(
        [b"._0001_c1s1_000001_00.jpg", b"Thumbs.db", b"a.jpg", b"a.png", b"a.heic", b"\xff.jpg"]
    ),
).filter(lambda name: name not in (b".", b".."))


@given(
    names=st.sets(st.tuples(st.sampled_from(FOLDERS), FILE_NAME), max_size=12),
    dataset=st.sampled_from(["market1501", "veri776", "folder"]),
)
@FEW
def test_any_file_names_are_a_data_set_or_an_error(names, dataset):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for place, name in names:
            (root / place).mkdir(exist_ok=True)
            Path(os.fsdecode(os.fsencode(root / place) + b"/" + name)).touch()
        with untouched(root):
            read_and_remark(dataset, root)
