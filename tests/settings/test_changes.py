import pytest

from pplr.settings.changes import apply_changes, find_changes
from pplr.settings.configure import make_settings
from pplr.settings.params import load_params
from pplr.settings.presets import EPOCHS, PRESETS
from pplr.settings.schedule import load_schedule


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(dataset, data_dir, *overrides, epochs=None):
    return make_settings(dataset, data_dir, epochs=epochs, cameras=False, overrides=list(overrides))


def replace(settings):
    """Write the settings; return what was told of it."""
    changes = find_changes(settings)
    apply_changes(changes)
    return changes.lines


@pytest.mark.parametrize("dataset", sorted(PRESETS))
def test_written_files_load_again(repository, dataset):
    data_dir = None if dataset == "demo" else repository / "raw"
    made = make(dataset, data_dir, "beta=0.25", epochs=3)
    assert replace(made) == []  # there were none before
    assert load_params(repository / "params.yaml") == made.params
    assert load_schedule(repository / "schedule.yaml") == made.schedule


def test_changes_are_told(repository):
    replace(make("demo", None, "beta=0.25"))
    assert replace(make("demo", None, "k1=20")) == ["k1: 16 -> 20", "beta: 0.25 -> 0.5"]
    assert replace(make("demo", None, "k1=20")) == []


def test_a_change_of_the_schedule_is_told(repository):
    replace(make("demo", None))
    assert replace(make("demo", None, "weights=random", epochs=2)) == [
        "weights: demo/backbone.safetensors -> random",
        f"alternations: {EPOCHS['demo']} -> 2",
        "evaluated: init, 00, 01, 02, 03, 04, 05 -> init, 00, 01",
        "inputs.weights: demo/backbone.safetensors -> pplr/network/weights.py",
    ]


def test_finding_changes_writes_nothing(repository):
    (repository / "params.yaml").write_text("beta: [\n")
    find_changes(make("demo", None))
    assert {path.name: path.read_text() for path in repository.iterdir()} == {
        "params.yaml": "beta: [\n"
    }


@pytest.mark.parametrize(
    "old",
    [
        "beta: [\n",  # no YAML
        "a list\n",
        "{beta: 0.3, k: 4}  # mine\n",  # all on one line
        "beta: # of mine\n  0.3\n",
        "beta: 0.3\nbeta: 0.4\n",
    ],
)
def test_settings_that_cannot_be_merged_are_kept_beside(repository, old):
    params = repository / "params.yaml"
    (repository / "params.yaml.old1").write_text("older still\n")
    params.write_text(old)
    lines = replace(make("demo", None))
    assert "params.yaml: the older one is kept as params.yaml.old2" in lines
    assert load_params(params) == make("demo", None).params
    assert (repository / "params.yaml.old1").read_text() == "older still\n"
    assert (repository / "params.yaml.old2").read_text() == old


def test_a_schedule_that_cannot_be_read_is_kept_beside(repository):
    (repository / "schedule.yaml").write_text("alternations: {\n")
    lines = replace(make("demo", None))
    assert lines == ["schedule.yaml: the older one is kept as schedule.yaml.old1"]
    assert (repository / "schedule.yaml.old1").read_text() == "alternations: {\n"


def test_settings_of_an_older_version_can_be_written_anew(repository):
    (repository / "params.yaml").write_text("beta: 0.3\ngone: 1\n")
    assert replace(make("demo", None)) == ["beta: 0.3 -> 0.5", "gone: 1 -> removed"]


def test_comments_and_lines_of_ones_own_stay(repository):
    params = repository / "params.yaml"
    replace(make("demo", None))
    lines = params.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("beta:"))
    lines[at : at + 1] = ["# on beta", "beta: 0.7  # see run 3 (of May)"]
    params.write_text("\n".join(lines) + "\n")
    assert find_changes(make("demo", None)).lines == ["beta: 0.7 -> 0.5"]
    assert replace(make("demo", None)) == ["beta: 0.7 -> 0.5"]
    text = params.read_text()
    assert "\n# on beta\nbeta: 0.5                               # see run 3 (of May)\n" in text
    assert load_params(params) == make("demo", None).params
    assert replace(make("demo", None)) == []
    assert params.read_text() == text


@pytest.mark.parametrize("remark", ["tuned in March", "(see run 3)", ":)", ", mine)"])
def test_a_remark_behind_our_comment_stays(repository, remark):
    params = repository / "params.yaml"
    replace(make("demo", None))
    lines = params.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("beta:"))
    lines[at] = lines[at].replace("0.5", "0.7", 1) + f" {remark}"
    params.write_text("\n".join(lines) + "\n")
    assert replace(make("demo", None)) == ["beta: 0.7 -> 0.5"]
    kept = params.read_text().splitlines()[at]
    assert kept.startswith("beta: 0.5 ")
    assert kept.endswith(f") {remark}")


def test_comments_in_the_schedule_are_kept_beside(repository):
    replace(make("demo", None))
    schedule = repository / "schedule.yaml"
    mine = schedule.read_text() + "# see run 3\n"
    schedule.write_text(mine)
    lines = replace(make("demo", None))
    assert lines == ["schedule.yaml: the older one is kept as schedule.yaml.old1"]
    assert (repository / "schedule.yaml.old1").read_text() == mine
    assert replace(make("demo", None)) == []


def test_settings_that_are_a_link_stay_one(repository, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "mine.yaml"
    elsewhere.write_text("beta: 0.3\n")
    (repository / "params.yaml").symlink_to(elsewhere)
    replace(make("demo", None))
    assert (repository / "params.yaml").is_symlink()
    assert load_params(elsewhere).beta == 0.5
