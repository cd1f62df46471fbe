"""How the modules of workers travel."""

from __future__ import annotations

import json
import marshal
import zlib
from importlib.util import MAGIC_NUMBER
from typing import Any

import pytest

import parsl_on_dask
from parsl_on_dask import Config, python_app
from parsl_on_dask.clusters import client_plugins
from parsl_on_dask.clusters.bootstrap import MODULES, parcel
from parsl_on_dask.executors import DaskExecutor
from tests.helpers import WAIT
from tests.kernels import unload


def test_what_is_compiled_is_what_the_texts_say() -> None:
    codes = marshal.loads(zlib.decompress(parcel().codes))
    texts = json.loads(zlib.decompress(parcel().texts))
    assert parcel().magic == MAGIC_NUMBER and tuple(codes) == tuple(texts) == MODULES
    for name, text in texts.items():
        file = f"<parsl_on_dask.{name}, sent by the client>"
        assert codes[name] == compile(text, file, "exec", dont_inherit=True)
        inner = [part for part in codes[name].co_consts if hasattr(part, "co_filename")]
        assert {code.co_filename for code in (codes[name], *inner)} == {file}


@pytest.mark.parametrize("magic", [MAGIC_NUMBER, b"other"], ids=["this Python", "another Python"])
def test_workers_compile_them_where_they_must(
    magic: bytes, existing_cluster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(client_plugins, "parcel", lambda *_: parcel()._replace(magic=magic, texts=marked))
    texts = json.loads(zlib.decompress(parcel().texts))
    texts["remote.usage"] += "\nHOW = 'compiled here'\n"
    marked = zlib.compress(json.dumps(texts).encode())

    @python_app
    def how() -> str:
        from parsl_on_dask.remote import usage

        return getattr(usage, "HOW", "compiled before")

    parsl_on_dask.load(Config([DaskExecutor(existing_cluster)], run_dir=str(tmp_path)))
    try:
        assert how().result(WAIT) == ("compiled before" if magic == MAGIC_NUMBER else "compiled here")
    finally:
        unload()
