"""Which hosts are answered, whatever the server lets through."""

import asyncio

import pytest

from pplr.serve.guard import Guarded, host_is_allowed


@pytest.mark.parametrize(
    ("asked", "served", "allowed"),
    [
        ("example.org", "example.org", True),
        ("10.0.0.1", "0.0.0.0", True),
        ("[fe80::1]:80", "::", True),
        ("example.org", "0.0.0.0", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "127.0.0.1", False),
        ("", "0.0.0.0", False),
        ("", "", False),
        ("[localhost", "127.0.0.1", False),
        ("127.0.0.1]", "127.0.0.1", False),
        ("[::1", "127.0.0.1", False),
        ("localhost:", "127.0.0.1", False),
        ("localhost:80/x", "127.0.0.1", False),
        ("evil@localhost", "127.0.0.1", False),
        ("localhost, evil", "127.0.0.1", False),
    ],
)
def test_hosts(asked, served, allowed):
    assert host_is_allowed(asked, served=served) is allowed


@pytest.mark.parametrize("hosts", [[], [b"evil", b"localhost"], [b"localhost", b"localhost"]])
def test_a_request_has_one_host(hosts):
    sent = []

    async def send(message):
        sent.append(message)

    async def app(*_):
        raise AssertionError

    scope = {"type": "http", "headers": [(b"host", host) for host in hosts]}
    asyncio.run(Guarded(app, host="127.0.0.1")(scope, None, send))
    assert sent[0]["status"] == 421
    assert b"content-security-policy" in dict(sent[0]["headers"])
