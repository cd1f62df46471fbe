"""Objects to bytes and back, by the names that Parsl gives to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    from parsl_on_dask.serialize.facade import (
        ParslSerializer,
        deserialize,
        pack_apply_message,
        pack_res_spec_apply_message,
        parsl_serializer,
        serialize,
        unpack_apply_message,
        unpack_res_spec_apply_message,
    )

__all__ = [
    "ParslSerializer",
    "deserialize",
    "pack_apply_message",
    "pack_res_spec_apply_message",
    "parsl_serializer",
    "serialize",
    "unpack_apply_message",
    "unpack_res_spec_apply_message",
]

# what fails between processes is imported everywhere, and must not bring cloudpickle along
__getattr__, __dir__ = lazily(__name__, dict.fromkeys(__all__, "serialize.facade"))
