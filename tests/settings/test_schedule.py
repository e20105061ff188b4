import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.errors import MissingInputError, SettingError
from pplr.settings.schedule import Schedule, load_schedule, make_schedule
from pplr.settings.writing import format_schedule

PRINTABLE = st.characters(max_codepoint=383, exclude_categories=["Cc"])


def schedule_of(epochs, evaluate_every=1):
    return make_schedule(
        epochs=epochs, evaluate_every=evaluate_every, images="data/raw", weights="w.safetensors"
    )


def test_three_alternations_by_hand():
    schedule = schedule_of(3, evaluate_every=2)
    assert schedule == Schedule(
        alternations={"00": "init", "01": "00", "02": "01"},
        evaluated=("init", "01", "02"),
        inputs={"images": "data/raw", "weights": "w.safetensors"},
    )
    assert schedule.last == "02"


@pytest.mark.parametrize(
    ("epochs", "evaluate_every", "evaluated"),
    [
        (1, 1, ("init", "00")),
        (1, 10, ("init", "00")),
        (2, 1, ("init", "00", "01")),
        (7, 3, ("init", "02", "05", "06")),
        (50, 10, ("init", "09", "19", "29", "39", "49")),
    ],
)
def test_every_nth_model_is_evaluated_and_the_first_and_the_last(epochs, evaluate_every, evaluated):
    assert schedule_of(epochs, evaluate_every).evaluated == evaluated


def test_a_hundred_and_one_alternations_stay_in_order():
    schedule = schedule_of(101, 50)
    assert schedule.last == "100"
    assert schedule.alternations["100"] == "99"
    assert schedule.evaluated == ("init", "49", "99", "100")


@given(
    epochs=st.integers(1, 20),
    evaluate_every=st.integers(1, 30),
    images=st.text(PRINTABLE, min_size=1, max_size=120),
)
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_again(tmp_path_factory, epochs, evaluate_every, images):
    schedule = make_schedule(
        epochs=epochs, evaluate_every=evaluate_every, images=images, weights="08"
    )
    path = tmp_path_factory.mktemp("schedule") / "schedule.yaml"
    path.write_text(format_schedule(schedule), encoding="utf-8")
    loaded = load_schedule(path)
    assert loaded == schedule
    assert list(loaded.alternations) == list(schedule.alternations)  # dicts compare without order


def test_names_are_quoted_and_keys_explained():
    text = format_schedule(schedule_of(9))
    assert '\n  "08": "07"\n' in text  # without quotes, YAML reads a number
    assert '\n- "08"\n' in text
    for key in ("alternations", "evaluated", "inputs"):
        lines = text.splitlines()
        assert lines[lines.index(f"{key}:") - 1].startswith("# ")


# --- refusals ------------------------------------------------------------------------------

GOOD = {
    "alternations": '{"00": init, "01": "00"}',
    "evaluated": '[init, "01"]',
    "inputs": "{images: i, weights: w}",
}


def write(folder, **changed):
    path = folder / "schedule.yaml"
    lines = [f"{key}: {value}" for key, value in (GOOD | changed).items() if value is not None]
    path.write_text("\n".join(lines))
    return path


def test_a_schedule_by_hand_is_read(tmp_path):
    schedule = load_schedule(write(tmp_path))
    assert schedule == Schedule(
        {"00": "init", "01": "00"}, ("init", "01"), {"images": "i", "weights": "w"}
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alternations", None),
        ("alternations", "{}"),
        ("alternations", '["00"]'),
        ("alternations", "{00: init}"),  # a number, not a name
        ("alternations", "{08: init}"),
        ("alternations", '{"00": init, "01": 00}'),
        ("alternations", '{"01": init, "02": "01"}'),  # must begin at 00
        ("alternations", '{"00": init, "02": "00"}'),  # a gap
        ("alternations", '{"00": init, "01": init}'),  # no chain
        ("alternations", '{"01": "00", "00": init}'),  # not in order
        ("alternations", '{"0": init}'),
        ("alternations", '{"00": "00"}'),
        ("evaluated", None),
        ("evaluated", "[]"),
        ("evaluated", "init"),
        ("evaluated", "{init: 1}"),
        ("evaluated", '["01"]'),  # without init
        ("evaluated", '[init, "00"]'),  # without the last
        ("evaluated", '[init, "01", "02"]'),  # a model nothing makes
        ("evaluated", '[init, "01", "01"]'),  # twice
        ("evaluated", '[init, 00, "01"]'),
        ("inputs", None),
        ("inputs", "{}"),
        ("inputs", "[images, weights]"),
        ("inputs", "{images: i}"),
        ("inputs", "{images: i, weights: w, labels: l}"),
        ("inputs", "{images: i, weights: }"),
        ("inputs", "{images: i, weights: ''}"),
        ("inputs", "{images: 5, weights: w}"),
        ("inputs", '{images: "a\\nb", weights: w}'),
        ("inputs", '{images: i, weights: "a\\0"}'),
    ],
)
def test_a_schedule_that_cannot_be_used(tmp_path, key, value):
    path = write(tmp_path, **{key: value})
    with pytest.raises(SettingError, match=f"`{key}` in the schedule cannot be used") as caught:
        load_schedule(path)
    assert str(path) in str(caught.value)
    assert "pplr configure" in str(caught.value)


def test_a_path_with_a_line_break_is_refused():
    with pytest.raises(SettingError, match="`inputs` in the schedule cannot be used"):
        make_schedule(epochs=1, evaluate_every=1, images="a\nb", weights="w")


def test_an_unknown_key(tmp_path):
    with pytest.raises(SettingError, match="did you mean `evaluated`"):
        load_schedule(write(tmp_path, evaluate="[init]"))


def test_a_missing_schedule(tmp_path):
    with pytest.raises(MissingInputError, match="A settings file is missing"):
        load_schedule(tmp_path / "schedule.yaml")
