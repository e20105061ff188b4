import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pplr.errors import SettingError
from pplr.settings.groups import ClusteringSettings, DemoSettings
from pplr.settings.params import Params, allowed_values, parse_params
from pplr.settings.presets import PRESETS

VALID = PRESETS["market1501"] | {"samples_per_bn": None}


def refusal(**changed):
    with pytest.raises(SettingError) as caught:
        parse_params(VALID | changed, where="params.yaml")
    return str(caught.value)


# --- good settings -------------------------------------------------------------------------


def test_good_settings_keep_their_values():
    params = parse_params(VALID, where="params.yaml")
    assert params.model_dump() == VALID


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beta", 0),  # a whole number is a number
        ("beta", 1),
        ("height", 48),  # three rows of the feature map for three parts
        ("height", 1024),
        ("device", "cuda"),
        ("device", "cuda:1"),
        ("batch_size", 8),
        ("demo_camera", 2.0),
        ("seed", 2**31 - 1),
    ],
)
def test_ends_of_ranges_are_allowed(key, value):
    assert getattr(parse_params(VALID | {key: value}, where="x"), key) == value


def test_settings_cannot_be_changed():
    params = parse_params(VALID, where="params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        params.beta = 0.3
    assert params.beta == 0.5


# --- bad settings: key, value and what is allowed stand in the message ----------------------


@pytest.mark.parametrize(
    ("key", "value", "found", "allowed"),
    [
        # wrong type
        ("height", True, "True", "whole number, >= 32, <= 1024"),
        ("height", 64.0, "64.0", "whole number, >= 32, <= 1024"),
        ("height", "64", "'64'", "whole number, >= 32, <= 1024"),
        ("beta", "0.5", "'0.5'", "number, >= 0, <= 1"),
        ("beta", True, "True", "number, >= 0, <= 1"),
        ("beta", None, "None", "number, >= 0, <= 1"),
        ("beta", [0.5], "[0.5]", "number, >= 0, <= 1"),
        ("sampler_cameras", 1, "1", "true or false"),
        ("sampler_cameras", "yes", "'yes'", "true or false"),
        ("weights", 5, "5", "PATH | imagenet | imagenet-v2 | random"),
        # out of range, just so where the range is open
        ("height", 31, "31", "whole number, >= 32, <= 1024"),
        ("height", 1025, "1025", "whole number, >= 32, <= 1024"),
        ("eps", 0, "0", "number, > 0, < 1"),
        ("eps", 1.0, "1.0", "number, > 0, < 1"),
        ("beta", -0.01, "-0.01", "number, >= 0, <= 1"),
        ("beta", 1.01, "1.01", "number, >= 0, <= 1"),
        ("beta", float("nan"), "nan", "number, >= 0, <= 1"),
        ("lr", float("inf"), "inf", "number, > 0, <= 1"),
        ("lr", 0.0, "0.0", "number, > 0, <= 1"),
        ("k1", 1, "1", "whole number, >= 2, <= 1000"),
        ("seed", -1, "-1", "whole number, >= 0, < 2147483648"),
        ("seed", 2**31, "2147483648", "whole number, >= 0, < 2147483648"),
        ("num_instances", 1, "1", "whole number, >= 2, <= 1024"),
        # no such choice
        ("dataset", "market", "'market'", "demo | market1501 | msmt17 | veri776 | table | folder"),
        ("part_refinement", "part", "'part'", "agreement | balanced | constant | parts | none"),
        ("feature_dtype", "float64", "'float64'", "float16 | float32"),
        ("device", "gpu", "'gpu'", "cpu | cuda | cuda:N"),
        ("device", "cuda:", "'cuda:'", "cpu | cuda | cuda:N"),
        ("device", "cpu\n", "'cpu\\n'", "cpu | cuda | cuda:N"),
        ("weights", "", "''", "PATH | imagenet | imagenet-v2 | random"),
    ],
)
def test_a_bad_value_is_refused(key, value, found, allowed):
    assert refusal(**{key: value}).splitlines()[:4] == [
        f"The setting `{key}` cannot be used.",
        "  where:   params.yaml",
        f"  found:   {found}",
        f"  allowed: {allowed}",
    ]


@pytest.mark.parametrize("key", Params.model_fields)
def test_every_setting_refuses_a_list_and_has_words_for_what_it_allows(key):
    message = refusal(**{key: []})
    assert f"The setting `{key}` cannot be used." in message
    assert f"  allowed: {allowed_values(key)}" in message
    assert allowed_values(key)


def around(value):
    """Return what makes a value of a setting that others bound go together with them."""
    return {
        "k1": {"k2": 1},
        "k2": {"k1": 1000},
        "height": {"num_parts": 1},
        "num_parts": {"height": 1024},
        "batch_size": {"num_instances": max(2, value // 2)},
        "num_instances": {"batch_size": max(4, 2 * value)},
        "samples_per_bn": {"batch_size": max(4, 4 * value)},
    }


BOUNDED_BY_OTHERS = tuple(around(1))


@given(key=st.sampled_from(list(Params.model_fields)), value=st.integers(-3, 2000))
@settings(max_examples=200, deadline=None)
def test_words_and_checks_allow_the_same_numbers(key, value):
    if "number" in allowed_values(key):
        check_words(key, value)


@pytest.mark.parametrize("key", BOUNDED_BY_OTHERS)
@given(value=st.integers(-3, 2000))
@settings(max_examples=40, deadline=None)
def test_words_and_checks_agree_where_other_settings_matter(key, value):
    check_words(key, value)


def check_words(key, value):
    if key == "batch_size" and value > 4:
        value -= value % 2  # two classes, of half the batch each
    words = allowed_values(key).removesuffix(", or null")
    bounds = [part.split() for part in words.split(", ")[1:]]
    compare = {">": float.__gt__, ">=": float.__ge__, "<": float.__lt__, "<=": float.__le__}
    expected = all(compare[sign](float(value), float(bound)) for sign, bound in bounds)
    values = VALID | around(value).get(key, {}) | {key: value}
    if expected:
        assert getattr(parse_params(values, where="x"), key) == value
        return
    with pytest.raises(SettingError) as caught:
        parse_params(values, where="x")
    assert f"The setting `{key}` cannot be used." in str(caught.value)
    assert f"allowed: {allowed_values(key)}" in str(caught.value)


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("btea", "beta"),
        ("num_part", "num_parts"),
        ("epohcs", "pplr configure … --epochs"),
        ("xyz", None),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(typo, nearest):
    message = refusal(**{typo: 0.3})
    assert f"There is no setting `{typo}`." in message
    assert f"{typo}: 0.3" in message
    hint = "use one of these" if nearest is None else f"did you mean `{nearest}`?"
    assert message.endswith(f"next:    {hint}")


def test_a_key_that_is_no_text_is_unknown():
    with pytest.raises(SettingError, match="There is no setting `1`"):
        parse_params(VALID | {1: 2}, where="params.yaml")


@pytest.mark.parametrize("key", Params.model_fields)
def test_every_setting_is_needed(key):
    values = {name: value for name, value in VALID.items() if name != key}
    with pytest.raises(SettingError) as caught:
        parse_params(values, where="params.yaml")
    assert f"The setting `{key}` cannot be used." in str(caught.value)
    assert "found:   nothing" in str(caught.value)


@pytest.mark.parametrize(
    ("batch_size", "num_instances", "good"),
    [(64, 4, True), (8, 4, True), (66, 4, False), (4, 4, False), (4, 2, True), (9, 4, False)],
)
def test_a_batch_holds_two_whole_classes_at_least(batch_size, num_instances, good):
    changed = {"batch_size": batch_size, "num_instances": num_instances}
    if good:
        assert parse_params(VALID | changed, where="x").batch_size == batch_size
        return
    message = refusal(**changed)
    assert "The setting `batch_size` cannot be used." in message
    assert f"found:   {batch_size}" in message
    assert f"allowed: a multiple of num_instances, {num_instances}, and twice it" in message


@pytest.mark.parametrize(
    ("changes", "key", "allowed"),
    [
        ({"k1": 10, "k2": 11}, "k2", "at most k1, 10"),
        ({"height": 64, "num_parts": 5}, "num_parts", "at most height / 16, 4"),
    ],
)
def test_settings_that_do_not_go_together(changes, key, allowed):
    message = refusal(**changes)
    assert f"The setting `{key}` cannot be used." in message
    assert f"found:   {changes[key]}" in message
    assert f"allowed: {allowed}" in message


def test_timms_networks_have_strides_of_their_own():
    """Their rows are counted when the network is made."""
    values = VALID | {"height": 64, "num_parts": 5, "backbone": "timm/vit_small_patch8_224.dino"}
    assert parse_params(values, where="x").num_parts == 5


# --- select --------------------------------------------------------------------------------


def test_select_takes_the_settings_of_a_group():
    chosen = parse_params(VALID, where="x").select(ClusteringSettings)
    assert type(chosen) is ClusteringSettings
    assert chosen.model_dump() == {
        "search": "exact",
        "k1": 30,
        "k2": 6,
        "eps": 0.5,
        "min_samples": 4,
    }


def test_the_embedded_data_set_has_a_seed_of_its_own():
    params = parse_params(VALID | {"demo_people": 5, "demo_blur": 0.25, "seed": 8}, where="x")
    demo = params.select(DemoSettings)
    assert (demo.demo_people, demo.demo_blur) == (5, 0.25)
    assert demo.demo_seed == VALID["demo_seed"]  # demo_seed, not seed


@pytest.mark.parametrize("value", [None, 2, 16, 32, 64])
def test_batch_norms_groups_divide_the_batch(value):
    assert parse_params(VALID | {"samples_per_bn": value}, where="x").samples_per_bn == value


@pytest.mark.parametrize("value", [1, 0, 15, 128, 2.0, "null"])
def test_other_groups_are_refused(value):
    message = refusal(samples_per_bn=value)
    assert f"found:   {value!r}" in message
    assert "or null" in message


def test_parts_cannot_refine_a_single_part():
    message = refusal(part_refinement="parts", num_parts=1)
    assert "there are no other parts" in message
    assert refusal(num_parts=0)


@pytest.mark.parametrize(
    "launcher", ["python", "torchrun", "torchrun --standalone --nproc-per-node 2"]
)
def test_launchers(launcher):
    assert parse_params(VALID | {"launcher": launcher}, where="x").launcher == launcher


@pytest.mark.parametrize("launcher", ["", "mpirun", "torchrunner", "python -u"])
def test_other_launchers_are_refused(launcher):
    assert "python | torchrun OPTIONS" in refusal(launcher=launcher)


def test_several_processes_do_not_share_a_named_gpu():
    launcher = "torchrun --nproc-per-node 2"
    assert "cpu or cuda with torchrun" in refusal(launcher=launcher, device="cuda:1")
    for kept in ({"launcher": "python", "device": "cuda:1"}, {"launcher": launcher}):
        assert parse_params(VALID | {"device": "cuda"} | kept, where="x").launcher


@pytest.mark.parametrize("backbone", ["timm/vit_small_patch16_224.dino", "resnet50"])
def test_backbones(backbone):
    assert parse_params(VALID | {"backbone": backbone}, where="x").backbone == backbone


@pytest.mark.parametrize("backbone", ["resnet", "timm/", "timm/Res Net", "timm/../x"])
def test_other_backbones_are_refused(backbone):
    assert "timm/NAME" in refusal(backbone=backbone)


@pytest.mark.parametrize(
    "key", [key for key, field in Params.model_fields.items() if field.annotation in (int, float)]
)
def test_every_number_has_an_end(key):
    for value in (10**26, -(10**26), float("nan"), float("inf"), 1e300):
        assert f"`{key}`" in refusal(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("demo_distractors", 10**11),
        ("batch_size", 10**9),
        ("iterations", 10**7),
        ("temperature", 1e-300),
        ("launcher", "torchrun --nnodes 1\n--help"),
        ("launcher", "torchrun \x00"),
        ("weights", "a\x00b"),
        ("weights", "a\nb"),
        ("device", f"cuda:{'9' * 5000}"),
        ("backbone", "timm/vit\n"),
    ],
)
def test_what_cannot_run_is_refused(key, value):
    assert f"`{key}`" in refusal(**{key: value})
