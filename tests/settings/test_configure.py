import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.errors import SettingError
from pplr.settings.configure import (
    DEMO_IMAGES,
    make_settings,
    parse_overrides,
)
from pplr.settings.params import Params, load_params, parse_params
from pplr.settings.presets import EPOCHS, PRESETS
from pplr.settings.writing import (
    COMMENT_COLUMN,
    PARAGRAPH_STARTS,
    format_params,
    format_schedule,
    merge_params,
)

PRINTABLE = st.characters(max_codepoint=383, exclude_categories=["Cc"])


@pytest.fixture
def repository(tmp_path, monkeypatch):
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def make(dataset, data_dir, *overrides, epochs=None, cameras=False):
    return make_settings(
        dataset, data_dir, epochs=epochs, cameras=cameras, overrides=list(overrides)
    )


# --- the settings --------------------------------------------------------------------------


def test_cameras_are_a_choice_of_the_preset(tmp_path):
    (tmp_path / "images").mkdir()
    without = make("market1501", tmp_path / "images").params
    cameras = make("market1501", tmp_path / "images", cameras=True).params
    changed = {
        key: (value, getattr(cameras, key))
        for key, value in without.model_dump().items()
        if value != getattr(cameras, key)
    }
    assert changed == {"camera_aware": (False, True), "eps": (0.5, 0.4)}
    chosen = make("market1501", tmp_path / "images", "eps=0.45", cameras=True).params
    assert chosen.eps == 0.45


def test_the_demo_needs_no_folder():
    made = make("demo", None)
    assert made.params.model_dump() == PRESETS["demo"]
    assert len(made.schedule.alternations) == EPOCHS["demo"]
    assert made.schedule.inputs == {"images": DEMO_IMAGES, "weights": "demo/backbone.safetensors"}


def test_overrides_replace_the_preset_and_nothing_else(repository):
    made = make("market1501", repository / "m", "beta=0.3", "lr=1e-3", "sampler_cameras=false")
    changed = {"beta": 0.3, "lr": 0.001, "sampler_cameras": False}
    assert made.params.model_dump() == PRESETS["market1501"] | changed
    assert PRESETS["market1501"]["beta"] == 0.5  # the preset itself is as it was


def test_epochs_are_the_length_of_the_schedule(repository):
    assert len(make("market1501", repository / "m").schedule.alternations) == 50
    assert list(make("market1501", repository / "m", epochs=2).schedule.alternations) == [
        "00",
        "01",
    ]


def test_paths_inside_are_relative_and_outside_absolute(repository, tmp_path):
    inside = make("market1501", repository / "data" / "raw", "weights=w/a.pth")
    assert inside.schedule.inputs == {"images": "data/raw", "weights": "w/a.pth"}
    from_here = make("market1501", repository / ".." / "repository" / "raw")
    assert from_here.schedule.inputs["images"] == "raw"
    outside = make("market1501", repository / ".." / "images", "weights=../a.pth")
    assert outside.schedule.inputs == {
        "images": str(tmp_path / "images"),
        "weights": str(tmp_path / "a.pth"),
    }


def test_a_folder_whose_name_only_begins_like_the_repository_is_outside(repository, tmp_path):
    neighbour = tmp_path / "repository-2"
    assert make("market1501", neighbour).schedule.inputs["images"] == str(neighbour)


def test_a_weights_path_is_the_schedules_input_too(repository, tmp_path):
    made = make("demo", None, "weights=../mine.safetensors")
    assert made.params.weights == made.schedule.inputs["weights"] == f"{tmp_path}/mine.safetensors"


@pytest.mark.parametrize("name", ["imagenet", "imagenet-v2", "random"])
def test_named_weights_are_no_path(name):
    made = make("demo", None, f"weights={name}")
    assert made.params.weights == name
    assert made.schedule.inputs["weights"] == "pplr/network/weights.py"


def test_what_dvc_watches_where_there_is_no_file_is_there(request):
    for path in (DEMO_IMAGES, "pplr/network/weights.py"):
        assert (request.config.rootpath / path).exists()


@pytest.mark.parametrize(
    ("dataset", "data_dir", "override", "said"),
    [
        (
            "market",
            None,
            None,
            [
                "no such data set",
                "found:   market",
                "demo | folder | market1501 | msmt17 | table | veri776",
                "did you mean `market1501`?",
            ],
        ),
        ("x", None, None, ["no such data set", "name one of these"]),
        ("market1501", None, None, ["--data-dir", "found:   no folder"]),
        ("demo", "images", None, ["--data-dir", "found:   images"]),
        ("demo", None, "btea=0.3", ["no setting `btea`", "where:   --set", "`beta`?"]),
        ("demo", None, "beta=1.5", ["`beta`", "where:   --set", "found:   1.5", ">= 0, <= 1"]),
        ("demo", None, "beta=a", ["`beta`", "found:   'a'"]),
        ("demo", None, "beta", ["could not be read", "found:   beta", "key=value"]),
        ("demo", None, "beta=[", ["could not be read", "found:   beta=["]),
        ("demo", None, "lr=2001-99-99", ["could not be read", "found:   lr=2001-99-99"]),
        ("demo", None, "=3", ["no setting ``"]),
        ("demo", None, "weights=", ["`weights`", "found:   None"]),
        ("demo", None, "weights=5", ["`weights`", "found:   5"]),
        ("demo", None, "batch_size=63", ["`batch_size`", "a multiple of num_instances"]),
    ],
)
def test_what_is_wrong_is_said(dataset, data_dir, override, said):
    with pytest.raises(SettingError) as caught:
        make(dataset, data_dir, *([override] if override else []))
    for part in said:
        assert part in str(caught.value)


def test_overrides_are_read_as_yaml():
    words = ["a=1", "b=1.0", "c=1e-3", "d=true", "e=x=y", "f=", " g = '08' ", "a=2"]
    assert parse_overrides(words) == {
        "a": 2, "b": 1.0, "c": 0.001, "d": True, "e": "x=y", "f": None, "g": "08"
    }  # fmt: skip


# --- their text ---------------------------------------------------------------------------


def test_what_our_comments_allow_is_brought_up_to_date():
    params = make("demo", None).params
    fresh = format_params(params)
    older = fresh.replace("(demo | market1501 | msmt17 | veri776 | table | folder)", "(demo)")
    older = "\n".join(line for line in older.splitlines() if not line.startswith("skip_broken"))
    assert older != fresh
    assert merge_params(older, params) == fresh


def test_the_text_of_params_by_hand():
    lines = format_params(parse_params(PRESETS["demo"], where="x")).splitlines()
    line = "num_parts: 3                            # horizontal parts, N_p"
    assert f"{line} (whole number, >= 1, <= 16)" in lines
    assert lines[lines.index("") + 1].startswith("backbone: demo_resnet")
    settings_lines = [line for line in lines if line and not line.startswith("#")]
    assert [line.split(":")[0] for line in settings_lines] == list(Params.model_fields)
    assert all(line.index("#") >= COMMENT_COLUMN for line in settings_lines)


def test_paragraphs_begin_at_settings_there_are():
    assert set(PARAGRAPH_STARTS) <= set(Params.model_fields)


@given(
    weights=st.text(PRINTABLE, min_size=1, max_size=120),
    lr=st.floats(1e-9, 1),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=40, deadline=None)
def test_any_settings_are_read_as_they_were_written(tmp_path_factory, weights, lr, seed):
    # a long value must not swallow the comment behind it, nor `08` or `yes` change its type
    changed = {"weights": weights, "lr": lr, "seed": seed}
    params = parse_params(PRESETS["demo"] | changed, where="x")
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(format_params(params), encoding="utf-8")
    assert load_params(path) == params


@pytest.mark.parametrize("weights", ["08", "yes", "null", "1e3", "a: b", "a #b", "~", "x" * 99])
def test_a_difficult_weights_path(tmp_path, weights):
    params = parse_params(PRESETS["demo"] | {"weights": weights}, where="x")
    path = tmp_path / "params.yaml"
    path.write_text(format_params(params))
    assert load_params(path).weights == weights


def test_the_same_settings_give_the_same_bytes():
    first, second = make("demo", None), make("demo", None)
    assert format_params(first.params) == format_params(second.params)
    assert format_schedule(first.schedule) == format_schedule(second.schedule)
