import http.client
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from pplr.serve.app import serve
from pplr.serve.look import Look


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self):
        return self.body.decode()


@contextmanager
def served(*runs):
    """Serve runs, the second as the one compared with, and return a way to ask."""
    looks = [Look(run, root="/other" if number else "") for number, run in enumerate(runs)]
    said, listening = [], threading.Event()

    def say(address):
        said.append(address)
        listening.set()

    thread = threading.Thread(
        target=serve, args=[looks], kwargs={"host": "127.0.0.1", "port": 0, "say": say}, daemon=True
    )
    thread.start()
    assert listening.wait(600)
    port = int(said[0].strip("/").rpartition(":")[2])

    def ask(path, *, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return found

    ask.address = said[0].rstrip("/")
    yield ask


@pytest.fixture(scope="session")
def ask(run):
    with served(run) as ask:
        yield ask
