"""The groups of settings, and Params, their union."""

import pytest
from pydantic import ValidationError

from pplr.errors import SettingError
from pplr.settings import groups
from pplr.settings.groups import Group, StepSettings, TrainingSettings
from pplr.settings.params import Params, parse_params
from pplr.settings.presets import PRESETS
from tests.tiny import ROOT

GROUPS = [
    value
    for value in vars(groups).values()
    if isinstance(value, type) and issubclass(value, Group) and value is not Group
]
# in the order of the file
OWN = {group: list(group.__annotations__) for group in GROUPS if group.__annotations__}
PARAMS = parse_params(PRESETS["market1501"], where="presets")


def test_params_are_the_union_of_the_groups():
    assert set(Params.__mro__) >= set(GROUPS)
    assert not Params.__annotations__
    assert set(Params.model_fields) == set().union(*(group.model_fields for group in GROUPS))


def test_every_setting_is_written_down_in_one_group():
    names = [name for own in OWN.values() for name in own]
    assert len(names) == len(set(names))


def test_params_yaml_has_the_order_of_the_groups():
    in_file = [
        line.partition(":")[0]
        for line in (ROOT / "params.yaml").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert in_file == [name for own in OWN.values() for name in own]
    assert list(Params.model_fields) == in_file


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_has_a_description_and_no_default(group):
    for field in group.model_fields.values():
        assert field.description
        assert field.is_required()


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_selected_frozen_and_strict(group):
    chosen = PARAMS.select(group)
    assert type(chosen) is group
    values = chosen.model_dump()
    assert values.items() <= PARAMS.model_dump().items()
    name = next(iter(values))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(chosen, name, values[name])
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        group(**values, another=1)
    with pytest.raises(ValidationError, match="valid"):
        group(**{**values, name: b"1"})
    with pytest.raises(ValidationError, match="Field required"):
        group(**{key: value for key, value in values.items() if key != name})


def test_a_group_checks_its_settings_against_each_other():
    values = PARAMS.select(TrainingSettings).model_dump()
    with pytest.raises(ValidationError, match="a multiple of num_instances, 4"):
        TrainingSettings(**{**values, "batch_size": 66})
    steps = PARAMS.select(StepSettings).model_dump()
    with pytest.raises(ValidationError, match="a divisor of batch_size, 64, or null"):
        StepSettings(**{**steps, "samples_per_bn": 15})


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"k2": 31, "batch_size": 66}, "k2"),
        ({"batch_size": 66, "num_parts": 16, "height": 32}, "batch_size"),
        ({"samples_per_bn": 15, "num_parts": 1, "part_refinement": "parts"}, "samples_per_bn"),
    ],
)
def test_groups_are_checked_in_the_order_of_the_file(changes, key):
    with pytest.raises(SettingError, match=f"The setting `{key}` cannot be used"):
        parse_params(PRESETS["market1501"] | changes, where="x")
