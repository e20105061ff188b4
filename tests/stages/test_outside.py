"""What stages do outside their own folder: nothing."""

import ast
import pickle
import socket
from pathlib import Path

import pytest

from tests.tiny import ROOT
from tests.watching import watching


def test_stages_contact_no_host(tiny_run_seen):
    _, seen = tiny_run_seen
    assert seen.hosts == []


def test_stages_write_nothing_but_their_data(tiny_run_seen):
    """Python's and Numba's compiled code, and what is of the system, aside."""
    folder, seen = tiny_run_seen
    assert folder / "metrics.json" in {final_name(path) for path in seen.written}
    ours = (folder / "data", folder / "metrics.json")
    others = [
        path
        for path in seen.written
        if "__pycache__" not in path.parts
        and path.parts[1] not in ("dev", "proc")
        and not any(final_name(path).is_relative_to(one) for one in ours)
    ]
    assert others == []


def final_name(path):
    """Return where a file goes that is first written in `.NAME.….partial/`."""
    partial = [parent for parent in path.parents if parent.name.endswith(".partial")]
    return partial[0].parent / path.relative_to(partial[0]) if partial else path


def test_stages_unpickle_nothing_but_what_numba_has_compiled(tiny_run_seen):
    _, seen = tiny_run_seen
    others = {name: who for name, who in seen.unpickled.items() if "numba/" not in who}
    assert others == {}


# --- the watcher itself --------------------------------------------------------------------


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", b"pypi.org"])
def test_another_machine_is_refused(host):
    with watching() as seen, pytest.raises(PermissionError, match="tests contact no host"):
        socket.getaddrinfo(host, 443)
    assert len(seen.hosts) == 1


def test_a_connection_by_number_is_refused():
    with (
        watching() as seen,
        socket.socket() as one,
        pytest.raises(PermissionError, match="tests contact no host"),
    ):
        one.connect(("192.0.2.1", 443))
    assert seen.hosts == ["192.0.2.1"]


def test_what_is_written_and_unpickled_is_seen(tmp_path):
    content = pickle.dumps(Path("x"))
    with watching() as seen:
        (tmp_path / "new.txt").write_text("x")
        (tmp_path / "new.txt").read_text()
        pickle.loads(content)
    assert seen.written == {tmp_path / "new.txt"}
    assert list(seen.unpickled) == [f"{type(Path()).__module__}.{type(Path()).__name__}"]


# --- the sources ---------------------------------------------------------------------------

CODE_FROM_FILES = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}
SOURCES = [path for room in ("pplr", "stages", "demo") for path in (ROOT / room).rglob("*.py")]


def unsafe(source):
    """Return the lines of a source that could run code from a file, or by a shell."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        if isinstance(node, ast.ImportFrom):
            names = {node.module}
        if {str(name).partition(".")[0] for name in names} & CODE_FROM_FILES:
            found.append(node.lineno)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if (
                called in ("eval", "exec", "os.system", "os.popen")
                or (called == "torch.load" and options.get("weights_only") != "True")
                or {"allow_pickle", "shell"} & set(options)
                or options.get("typ") == "'unsafe'"
            ):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "YAML(typ='unsafe')",
        "eval(text)",
    ],
)
def test_what_is_unsafe_is_known(line):
    assert unsafe(line) == [1]


def test_no_source_runs_code_from_a_file():
    assert len(SOURCES) > 80
    assert {str(path): found for path in SOURCES if (found := unsafe(path.read_text()))} == {}
