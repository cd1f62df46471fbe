"""The Globus services: logging in, and having files transferred."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from typing import Any

from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.remote.sidefiles import write_private

logger = logging.getLogger("parsl.data_provider.globus")

#: The application that people give leave to transfer files for them: Parsl's, so that what they gave it counts here.
CLIENT_ID = "8b8060fd-610e-4a74-885e-1051c71ad473"
REDIRECT_URI = "https://auth.globus.org/v2/web/auth-code"
SCOPES = "openid urn:globus:auth:scope:transfer.api.globus.org:all"
RESOURCE_SERVER = "transfer.api.globus.org"

#: Seconds between two looks at a transfer: the first, and the longest.
LOOK, LONGEST_LOOK = 1.0, 15.0


def sdk() -> Any:
    """The module ``globus_sdk``.

    Raises OptionalModuleMissing when it is not installed.
    """
    try:
        import globus_sdk
    except ImportError as e:
        raise OptionalModuleMissing(
            ["globus_sdk"], "GlobusStaging needs it: pip install 'parsl-on-dask[globus-transfer]'"
        ) from e
    return globus_sdk


def get_input(prompt: str) -> str:
    """Ask whoever sits in front of the terminal.

    Raises PermissionError when there is nobody to be asked.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise PermissionError(
            f"Parsl has not been allowed to transfer files: there are no tokens in {token_file()}, and nobody to be "
            "asked for them. Run python -m parsl_on_dask globus-auth in a terminal first"
        )
    return input(prompt)


def token_file() -> str:
    """Where the tokens are kept: in ``~/.parsl/.globus.json``, as Parsl does."""
    return os.path.join(os.path.expanduser("~"), ".parsl", ".globus.json")


class Globus:
    """Has files transferred on behalf of whoever gave leave. (Parsl's Globus.)

    Tokens are kept in ``~/.parsl/.globus.json``, readable by their owner only; Parsl's are taken.
    """

    authorizer: Any = None
    _lock = threading.Lock()

    @classmethod
    def init(cls) -> None:
        """Log in, unless that was done; asks in the terminal when there are no tokens.

        Raises OptionalModuleMissing when ``globus_sdk`` is not installed. Raises PermissionError when there are no
        tokens, and no terminal.
        """
        with cls._lock:
            if cls.authorizer is None:
                cls.authorizer = _authorizer()

    @classmethod
    def get_authorizer(cls) -> Any:
        """What signs requests; None before :meth:`init`."""
        return cls.authorizer

    @classmethod
    def transfer_file(
        cls, src_ep: str, dst_ep: str, src_path: str, dst_path: str, timeout: float | None = None
    ) -> None:
        """Have one file transferred, and wait for it.

        - `src_ep`, `dst_ep`: ids of the endpoints.
        - `src_path`, `dst_path`: paths on them.
        - `timeout`: seconds after which the transfer is cancelled. Default: none.

        Raises
        ------
        OSError
            With what the service said.
        """
        globus_sdk = sdk()
        what = f"the Globus transfer from {src_ep}{src_path} to {dst_ep}{dst_path}"
        client = globus_sdk.TransferClient(authorizer=cls.authorizer)
        data = globus_sdk.TransferData(source_endpoint=src_ep, destination_endpoint=dst_ep, label="parsl_on_dask")
        data.add_item(src_path, dst_path)
        try:
            task_id = client.submit_transfer(data)["task_id"]
            task = _wait(client, task_id, what, timeout)
            if task["status"] != "SUCCEEDED":
                raise OSError(f"{what} failed: {_why(client, task)}")
        except globus_sdk.GlobusAPIError as e:
            raise OSError(f"{what} was refused: {e.code}: {e.message}") from e
        except globus_sdk.GlobusError as e:
            raise OSError(f"{what} could not be asked for: {type(e).__name__}: {e}") from e


def get_globus() -> Globus:
    """Log in, if need be."""
    Globus.init()
    return Globus()


def _wait(client: Any, task_id: str, what: str, timeout: float | None) -> Any:
    deadline = None if timeout is None else time.monotonic() + timeout
    look = LOOK
    seen = None
    while True:
        task = client.get_task(task_id)
        if task["status"] not in ("ACTIVE", "INACTIVE"):
            return task
        trouble = task.get("nice_status_details") if task.get("nice_status") not in (None, "OK", "Queued") else None
        if trouble and trouble != seen:
            seen = trouble
            logger.warning("%s (task %s) goes on in spite of: %s", what, task_id, trouble)
        if deadline is not None and time.monotonic() >= deadline:
            client.cancel_task(task_id)
            raise TimeoutError(f"{what} was not done in {timeout} seconds, the provider's timeout=, and was cancelled")
        time.sleep(look if deadline is None else max(0.0, min(look, deadline - time.monotonic())))
        look = min(1.5 * look, LONGEST_LOOK)


def _why(client: Any, task: Any) -> str:
    fatal = task.get("fatal_error") or {}
    for event in client.task_event_list(task["task_id"]):
        if event.get("is_error"):
            return f"{fatal.get('description') or event.get('description')}: {event.get('details')}"
    return fatal.get("description") or task.get("nice_status_details") or f"its status is {task['status']}"


def _authorizer() -> Any:
    globus_sdk = sdk()
    client = globus_sdk.NativeAppAuthClient(client_id=CLIENT_ID)
    tokens = _known_tokens()
    if tokens is None:
        client.oauth2_start_flow(requested_scopes=SCOPES, redirect_uri=REDIRECT_URI, refresh_tokens=True)
        url = client.oauth2_get_authorize_url()
        code = get_input(f"Open this page and allow Parsl to transfer files for you:\n{url}\nEnter the code it shows: ")
        tokens = client.oauth2_exchange_code_for_tokens(code.strip()).by_resource_server
        _keep_tokens(tokens)
    mine = tokens[RESOURCE_SERVER]
    return globus_sdk.RefreshTokenAuthorizer(
        mine["refresh_token"],
        client,
        access_token=mine["access_token"],
        expires_at=mine["expires_at_seconds"],
        on_refresh=lambda response: _keep_tokens({**(_known_tokens() or {}), **response.by_resource_server}),
    )


def _known_tokens() -> dict[str, Any] | None:
    try:
        with open(token_file(), encoding="utf-8") as f:
            tokens = json.load(f)
        needed = {"refresh_token", "access_token", "expires_at_seconds"}
        return tokens if needed <= set(tokens[RESOURCE_SERVER]) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as e:
        logger.warning("The tokens in %s cannot be used (%s: %s)", token_file(), type(e).__name__, e)
        return None


def _keep_tokens(tokens: dict[str, Any]) -> None:
    try:
        os.makedirs(os.path.dirname(token_file()), mode=0o700, exist_ok=True)
        write_private(token_file(), json.dumps(tokens))
    except OSError as e:
        logger.warning("The tokens could not be kept, so you will be asked again: %s", e)
