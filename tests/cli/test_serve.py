"""`pplr serve`, as a user meets it."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.tiny import ROOT, working_in


def test_it_says_where_it_is_and_ends_by_ctrl_c(tiny_run):
    command = "from pplr.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", str(tiny_run), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as answer:
        assert b"Over the alternations" in answer.read()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 0
    assert (out, err) == ("", "")


def test_a_closed_terminal_leaves_no_folder_of_a_revision(tmp_path):
    folder = tmp_path / "pplr-revision"
    command = f"""if True:
        import atexit, pathlib, shutil, signal
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where the tests run under nohup
        from pplr.runs import run
        run.link_revision = lambda root, revision, folder: []  # none is there
        run.TemporaryDirectory = lambda prefix: Folder()
        class Folder:
            name = {str(folder)!r}
            def __init__(self): pathlib.Path(self.name).mkdir()
            def cleanup(self): shutil.rmtree(self.name)
        from pplr.cli.main import main
        main()"""
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", "--rev", "a/b c", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    assert (folder / "a-b c").is_dir()
    os.kill(process.pid, signal.SIGHUP)
    process.communicate()
    assert process.returncode == 128 + signal.SIGHUP
    assert not folder.exists()


def test_mistakes_end_in_one_message(run, tiny_run, tmp_path):
    code, out, err = run("serve", tmp_path)
    assert (code, out) == (1, "")
    assert "holds no run" in err
    code, _, err = run("serve", tiny_run, "--compare", "nothing")
    assert code == 1
    assert "nothing" in err
    assert str(tiny_run) in err  # revisions are RUN's, not those of the working folder
    for words in ("01", f"{tiny_run}:01"):
        code, _, err = run("serve", tiny_run, "--compare", words)
        assert code == 1
        assert "whole runs" in err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("serve", tiny_run, "--port", port)
        assert code == 1
        assert "cannot be listened on" in err
        assert f"port {port}" in err
    for host in ("1.2.3.4", "", "a..b", "a" * 70, "\udcff"):
        code, _, err = run("serve", tiny_run, "--host", host, "--port", 0)
        assert code == 1
        assert "cannot be listened on" in err
    code, _, err = run("serve", tiny_run, "--port", 99999)
    assert code == 2
    assert "65535" in err


def test_without_the_extra_it_is_named(run, tiny_run, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name)
    )
    code, _, err = run("serve", tiny_run)
    assert code == 1
    assert "no uvicorn" in err
    assert "'.[serve]'" in err


@pytest.mark.parametrize("words", ["--rev", "--compare", "--port", "127.0.0.1"])
def test_the_help_names_the_options(run, words):
    code, out, _ = run("serve", "--help")
    assert code == 0
    assert words in out


def test_the_run_here_is_the_default(run, tmp_path):
    with working_in(tmp_path):
        code, _, err = run("serve")
    assert code == 1
    assert "holds no run" in err
