"""Classes that say which arguments they take."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class _OfConstructor:
    """The signature of a class: that of ``__init__``, where some versions of Python show that of ``__new__``."""

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        signature = inspect.signature(owner.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class SaysWhatItTakes:
    """Has a class say what to write instead of an argument that it does not take."""

    __signature__ = _OfConstructor()

    # Arguments of the past, which are not proposed, and are shown only when they were given.
    _legacy_arguments: ClassVar[frozenset[str]] = frozenset()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            from parsl_on_dask.common.misspelt import check_keywords
            from parsl_on_dask.common.raising import hide_this_frame

            try:
                check_keywords(cls, kwargs)
            except TypeError as e:
                hide_this_frame(e)
                raise
        made = super().__new__
        return made(cls) if made is object.__new__ else made(cls, *args, **kwargs)
