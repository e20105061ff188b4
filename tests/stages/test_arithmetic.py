"""The portable arithmetic, as a stage's process has it."""

import json
import os
import subprocess
import sys

import pytest

from pplr.errors import SettingError
from pplr.settings import checks
from stages import arithmetic
from tests.tiny import ROOT, make_workspace

LOADED = """
import json, os, sys
if sys.argv[1] == "portable":
    from stages import launch
    assert not {"numpy", "torch", "numba", "faiss", "scipy"} & set(sys.modules)
    launch.pin_arithmetic()
import faiss, numba, numpy, scipy.linalg, threadpoolctl, torch
numba.njit(parallel=True)(lambda x: x.sum())(numpy.ones(9))
from numba.core.registry import cpu_target
umath = numpy._core._multiarray_umath
features = umath.__cpu_features__
pools = threadpoolctl.threadpool_info()
print(json.dumps({
    "torch": torch.backends.cpu.get_cpu_capability(),
    "numpy": [name for name in umath.__cpu_dispatch__ if features[name]],  # those with kernels
    "openblas": [pool["architecture"] for pool in pools if pool["internal_api"] == "openblas"],
    "faiss": int(faiss.SIMDConfig.get_level()),
    "faiss_avx2": int(faiss.SIMDLevel_AVX2),
    "threads": [numba.get_num_threads(), torch.get_num_threads()]
    + [pool["num_threads"] for pool in pools],
    "numba": cpu_target.target_context.codegen().magic_tuple()[1:],  # processor and features
}))
"""


def loaded(folder, name):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, name],
        cwd=folder,
        env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_library_has_the_kernels_of_avx2_and_two_threads(tmp_path):
    folder = make_workspace(tmp_path, arithmetic="portable")
    found = loaded(folder, "portable")
    assert found["torch"] == "AVX2"
    assert found["faiss"] == found["faiss_avx2"]
    assert not any("512" in name or name == "X86_V4" for name in found["numpy"])
    assert found["numpy"]
    assert set(found["openblas"]) == {"Haswell"}
    assert len(found["openblas"]) == 3  # NumPy's, SciPy's and faiss's
    assert found["numba"] == ["haswell", ""]  # Haswell's features, not this processor's
    assert set(found["threads"]) == {2}


def test_native_pins_nothing(tmp_path):
    make_workspace(tmp_path)
    code = "from stages import launch; launch.pin_arithmetic(); import os; print(dict(os.environ))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "MKL_CBWR" not in done.stdout


def test_settings_that_cannot_be_read_are_left_to_the_stage(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "stages.launch", "cluster", "00"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "A settings file is missing." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_processor_without_avx2_is_refused(monkeypatch):
    checks.check_arithmetic()  # this one has it
    monkeypatch.setattr(checks.platform, "machine", lambda: "aarch64")
    with pytest.raises(SettingError, match="portable arithmetic") as caught:
        checks.check_arithmetic()
    assert "found:   portable, on aarch64" in str(caught.value)


def test_two_threads_are_all_that_is_said_of_threads():
    assert {v for k, v in arithmetic.PORTABLE.items() if k.endswith("THREADS")} == {"2"}
