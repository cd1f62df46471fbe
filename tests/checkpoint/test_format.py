"""The bytes are those that docs/reference/checkpoint-format.md gives: read here without any of the package's code."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

from parsl_on_dask.checkpoint.store import Store


def test_a_segment_its_index_and_a_value_file(tmp_path: Path) -> None:
    with Store(tmp_path, side_limit=100) as store:
        parts = [("function", "0123456789ab", "f"), ("argument 0", "ba9876543210", "7")]
        store.put("00" * 15 + "01", "seven", app="f", identity="source", parts=parts, written=1.5)
        store.put("00" * 15 + "02", "x" * 200, app="g")
        store.remove(["00" * 15 + "01"])
        for number in range(1000):
            store.put(f"{number + 16:032x}", number, app="many")
    path = next(tmp_path.glob("*.seg"))
    data = path.read_bytes()
    assert data[:20] == b"parsl_on_dask seg 1\n"
    mark = data[20:28]
    assert mark[:4] == b"\xf7\x1a\x50\x64"
    assert struct.unpack_from("<I", data, 28) == (zlib.crc32(data[:28]),)

    found = []
    offsets: dict[bytes, int] = {}
    at = 32
    while at < len(data):
        assert data[at : at + 8] == mark
        crc, length = struct.unpack_from("<II", data, at + 8)
        end = at + 16 + length
        assert crc == zlib.crc32(mark + data[at + 12 : end])
        key, written, size, value_crc, kind, zero = struct.unpack_from("<16sdQIBB", data, at + 16)
        assert zero == 0
        texts = []
        text_at = at + 64
        for text_size in struct.unpack_from("<HHHI", data, at + 54):
            texts.append(data[text_at : text_at + text_size].decode())
            text_at += text_size
        found.append((key, written, size, value_crc, kind, *texts, data[text_at:end]))
        if kind != 3:
            offsets[key] = at | (1 << 39 if kind == 2 else 0)
        at = end
    assert at == len(data)

    one, two = bytes(15) + b"\1", bytes(15) + b"\2"
    seven = pickle.dumps("seven", 5)
    text = "function\x1f0123456789ab\x1ff\x1fargument 0\x1fba9876543210\x1f7"
    assert found[0] == (one, 1.5, len(seven), 0, 0, "f", "source", "", text, seven)
    side = next((tmp_path / "values").iterdir())
    large = side.read_bytes()
    assert pickle.loads(large) == "x" * 200
    assert side.name.startswith("00" * 15 + "02-") and side.name.endswith(".val")
    assert found[1][2:] == (len(large), zlib.crc32(large), 1, "g", "name", side.name, "", b"")
    assert found[2][0] == one and found[2][4:] == (2, "", "", "", "", b"")
    assert found[-1][4] == 3 and len(found) == 1004

    index = path.with_suffix(".idx").read_bytes()
    assert index[:28] == b"parsl_on_dask idx 1\n" + mark
    end, rows, damaged, rows_crc, crc = struct.unpack_from("<QQQII", index, 28)
    assert (end, rows, damaged) == (len(data), 1002, 0)
    assert (rows_crc, crc) == (zlib.crc32(index[60:]), zlib.crc32(index[:56]))
    assert index[60:] == b"".join(key + offsets[key].to_bytes(8, "big") for key in sorted(offsets))
    assert offsets[two] == 32 + 64 + len("fsource") + len(text) + len(seven)
