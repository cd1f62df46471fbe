"""Refuses to run what the files of other people say."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable


def distrust(path: str | os.PathLike[str]) -> str:
    """Why the content of a file or directory may be somebody else's; "" when nobody else could have put it there.

    Reading a pickle can run anything. So a file is read as one only if it belongs to this user (or to root), and nobody
    else can write to it.

    `path`: what does not exist is nobody's.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     before = distrust(folder)
    ...     os.chmod(folder, 0o777)
    ...     before, "can be written to by everybody" in distrust(folder)
    ('', True)
    """
    if not hasattr(os, "geteuid"):
        return ""
    try:
        status = os.stat(path)
        if stat.S_ISLNK(os.lstat(path).st_mode) and os.lstat(path).st_uid not in (os.geteuid(), 0):
            return f"{path} is a link that user {os.lstat(path).st_uid} has made"
    except OSError:
        return ""
    me = os.geteuid()
    if status.st_uid not in (me, 0):
        return f"{path} belongs to user {status.st_uid}, not to you ({me})"
    if status.st_mode & stat.S_IWOTH:
        return f"{path} can be written to by everybody"
    if status.st_mode & stat.S_IWGRP and not is_private_group(status.st_gid):
        return f"{path} can be written to by its group"
    return ""


def is_private_group(gid: int) -> bool:
    """Whether nobody but this user is in a group, as where each user has a group of the same name and number."""
    import grp
    import pwd

    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    same = gid == me.pw_gid == me.pw_uid or group.gr_name == me.pw_name
    return same and not set(group.gr_mem) - {me.pw_name}


def distrust_any(paths: Iterable[str | os.PathLike[str]]) -> str:
    """The first reason that :func:`distrust` has against some paths."""
    return next((reason for path in paths if (reason := distrust(path))), "")
