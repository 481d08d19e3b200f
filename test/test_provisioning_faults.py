"""Connections that break during downloads and uploads, and answers of any platform."""

from __future__ import annotations

import http.client
import io
import json
import os

import pytest
import requests
from servers import Proxy, Recorder, Socket, free_port, settles
from sqlalchemy import func, select
from vendors import MODEL, fetched

from pyonep import Provision
from pyonep.exceptions import (
    OneException,
    ProvisionConnectionError,
    ProvisionException,
    ProvisionTimeout,
)
from pyonep.server.store import PIECE
from pyonep.server.store.schema import pieces


def test_a_download_that_breaks_is_resumed(w, entry, tmp_path):
    blob = os.urandom(3_000_000)
    entry(blob)
    _, cik = w.device()
    with Proxy(w.platform.port) as proxy:
        p = Provision(**proxy.connection)
        with open(tmp_path / "fw", "w+b") as file:
            for cut in (100_000, 1_000_000, 40):
                proxy.cut_after = cut
                response = p.content_download(cik, w.name, MODEL, "fw", file)
                assert response.isok
                file.seek(0)
                assert file.read() == blob
                file.truncate(1_500_000)
        assert proxy.faults == 3


def test_a_download_that_never_ends_well_says_so(w, entry):
    entry(b"x" * 100_000)
    _, cik = w.device()
    with Proxy(w.platform.port) as proxy:
        proxy.swallow = True
        p = Provision(**proxy.connection)
        with pytest.raises(ProvisionConnectionError) as caught:
            p.content_download(cik, w.name, MODEL, "fw", io.BytesIO())
        assert cik not in str(caught.value) and proxy.faults == 5
        proxy.swallow, proxy.cut_after = False, 50_000
        with pytest.raises(ProvisionConnectionError):
            p.content_download(cik, w.name, MODEL, "fw")


def test_content_that_changes_between_two_downloads(w, entry):
    """A longer file of another content is continued; a shorter one starts anew."""
    _, cik = w.device()
    entry(b"a" * 1000)
    file = io.BytesIO(b"b" * 2000)
    file.seek(0, 2)
    with pytest.raises(ProvisionException, match="416"):
        Provision(**w.platform.connection, raise_api_exceptions=True).content_download(
            cik, w.name, MODEL, "fw", file
        )


def test_an_upload_that_breaks_changes_nothing(w, entry):
    number_of_pieces = select(func.count()).select_from(pieces)

    def count():
        return w.platform.run(lambda p: p.database.run(number_of_pieces).fetchone()[0])

    entry(b"old")
    before = count()
    blob = os.urandom(3_000_000)
    with Proxy(w.platform.port) as proxy:
        proxy.cut_request_after = 1_000_000
        p = Provision(**proxy.connection)
        with pytest.raises(ProvisionConnectionError):
            p.content_upload(w.key, MODEL, "fw", io.BytesIO(blob), "x/y")
        assert fetched(w)[0] == b"old"
        assert p.content_upload(w.key, MODEL, "fw", io.BytesIO(blob), "x/y").status == 205
    assert fetched(w) == (blob, "x/y")
    settles(lambda: count() <= before - 1 + -(-len(blob) // PIECE))


def test_no_platform_there():
    for given, error in (
        ({"port": free_port()}, ProvisionConnectionError),
        ({"host": "no-such-host.invalid"}, ProvisionConnectionError),
    ):
        p = Provision(**{"host": "127.0.0.1", "https": False, **given})
        with pytest.raises(error) as caught:
            p.model_list("secret-key")
        assert isinstance(caught.value, http.client.HTTPException)
        assert isinstance(caught.value, requests.exceptions.ConnectionError)
        assert isinstance(caught.value, OneException)
        assert caught.value.__cause__ is not None and "secret-key" not in str(caught.value)
    with Socket(lambda conn: None) as dead:
        with pytest.raises(ProvisionTimeout) as caught:
            Provision(**dead.connection, httptimeout=0.1).model_list("k")
        assert isinstance(caught.value, requests.exceptions.Timeout)
        assert isinstance(caught.value, http.client.HTTPException)


def test_close_and_go_on(w):
    w.p.close()
    w.p.close()
    assert w.p.model_list(w.key).isok
    Provision().close()


def test_text_and_bytes(w, entry):
    entry("größe".encode())
    assert w.p.content_download(w.device()[1], w.name, MODEL, "fw").body == "größe"
    with Recorder(lambda _: (200, {"Content-Type": "text/plain"}, "größe".encode())) as server:
        assert Provision(**server.connection).model_list("k").body == "größe"
    with Recorder(lambda _: (200, {}, b"\xff\x00")) as server:
        response = Provision(**server.connection).model_list("k")
        assert response.body == b"\xff\x00" and repr(response) == "b'\\xff\\x00'"
        assert "200" in str(response)


def test_ranges_from_any_platform():
    """PRV-199"""
    one = {"format": "base10", "length": 4, "casing": None, "first": 0, "last": 9}
    for body in (json.dumps([one]), json.dumps({"ranges": [one]})):
        with Recorder(lambda _, body=body: (200, {}, body.encode())) as server:
            assert Provision(**server.connection).serialnumber_ranges("k", "m") == [one]


@pytest.mark.parametrize("text", ['a,x\r\nb,"y"\r\n', "a,x\nb,y", "a,x\n\nb,y\n"])
def test_lists_from_any_platform(text):
    """PRV-200"""
    with Recorder(lambda _: (200, {}, text.encode())) as server:
        rows = Provision(**server.connection).serialnumber_list("k", "m").rows()
    assert rows == [["a", "x"], ["b", "y"]]
