"""The recipe of docs/ci.md: `dvc repro` and `pplr compare` against what is committed."""

import re
import sys
from pathlib import Path

import pytest

from tests.stages.test_dvc import repository, run, stages_run
from tests.tiny import ROOT

pytestmark = pytest.mark.slow
__all__ = ["repository"]  # the fixture


@pytest.fixture
def compared(repository: Path):
    """Change a file, reproduce, compare with what is committed, and take the change back."""
    restored: list[tuple[Path, str]] = []

    def compared(file: str, pattern: str, replacement: str, *, ok: bool) -> tuple[set[str], str]:
        path = repository / file
        text = path.read_text()
        restored.append((path, text))
        changed, times = re.subn(pattern, replacement, text, count=1)
        assert times == 1
        path.write_text(changed)
        stages = stages_run(run(repository, "dvc", "repro"))
        command = "from pplr.cli.main import main; main()"
        tolerances = str(ROOT / "docs" / "tolerances.yaml")
        arguments = ("compare", "HEAD", ".", "--tolerances", tolerances)
        return stages, run(repository, sys.executable, "-c", command, *arguments, ok=ok)

    yield compared
    for path, text in restored:
        path.write_text(text)


def test_a_docstring_reruns_stages_and_passes(compared) -> None:
    stages, output = compared("pplr/agreement.py", '"""Cross', '"""The cross', ok=True)
    assert "compute-agreement@00" in stages
    assert "extract-features@00" not in stages
    assert output.splitlines()[-1] == "the same"


def test_another_seed_is_caught_where_it_begins(compared) -> None:
    _, output = compared("params.yaml", r"(?m)^seed: \d+", "seed: 77", ok=False)
    assert "the first, in the training of 00: losses" in output.splitlines()[-1]


def test_another_type_of_features_passes_with_the_documented_tolerances(compared) -> None:
    stages, output = compared(
        "params.yaml", "feature_dtype: float16", "feature_dtype: float32", ok=True
    )
    assert "extract-features@00" in stages
    assert output.splitlines()[-1] == "within the tolerances"
