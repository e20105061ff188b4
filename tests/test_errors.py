import pickle

import pytest

from pplr.errors import (
    ClusteringError,
    DataError,
    MissingInputError,
    NoRoomError,
    PplrError,
    SettingError,
    WeightsError,
    worded,
)

PARTS = {
    "where": "params.yaml",
    "value": 7,
    "allowed": "number, <= 1",
    "next_step": "set `beta` anew",
}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (SettingError, ValueError),
        (MissingInputError, FileNotFoundError),
        (DataError, ValueError),
        (NoRoomError, OSError),
        (WeightsError, ValueError),
        (ClusteringError, ValueError),
    ],
)
def test_an_error_says_all_five_things_and_is_a_builtin(kind, builtin):
    error = kind("The setting `beta` cannot be used.", **PARTS)
    assert isinstance(error, builtin)
    assert isinstance(error, PplrError)
    assert str(error) == (
        "The setting `beta` cannot be used.\n"
        "  where:   params.yaml\n"
        "  found:   7\n"
        "  allowed: number, <= 1\n"
        "  next:    set `beta` anew"
    )
    assert (error.where, error.value) == ("params.yaml", 7)


def test_no_name_of_a_file_moves_the_cursor():
    error = DataError("Broken.", **{**PARTS, "value": "a\x1b[2J.jpg\nb\r.jpg"})
    assert "  found:   a\\x1b[2J.jpg\nb\\r.jpg\n" in str(error)


@pytest.mark.parametrize("left_out", sorted(PARTS))
def test_no_part_of_the_message_can_be_left_out(left_out):
    parts = {name: part for name, part in PARTS.items() if name != left_out}
    with pytest.raises(TypeError, match=left_out):
        SettingError("Wrong.", **parts)


@pytest.mark.parametrize("kind", [SettingError, MissingInputError, NoRoomError])
def test_an_error_comes_whole_from_another_process(kind):
    error = kind("The setting `beta` cannot be used.", **PARTS)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.where, copy.value) == ("params.yaml", "7")


def test_a_refusal_of_the_system_is_worded_like_any_error():
    told = str(worded(PermissionError(13, "Permission denied", "images/query")))
    assert "where:   images/query\n" in told
    assert "found:   Permission denied\n" in told
    assert "found:   No space left" in str(worded(OSError(28, "No space left on device")))
    assert "next:    make room on this disk" in str(worded(OSError(28, "No space left on device")))
    assert "next:    allow more open files" in str(worded(OSError(24, "Too many open files")))
    assert "next:    change its permissions, make room" in str(worded(OSError(5, "I/O error")))
    own = MissingInputError("x", **PARTS)  # is a FileNotFoundError, too
    assert worded(own) is own
