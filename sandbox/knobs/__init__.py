"""Test knobs: break the sandbox on purpose, over HTTP, and look at what was asked of it.

Off unless the sandbox is started with `--knobs`; then `/_sandbox/…` obeys the administrator's token. Everything
happens in a middleware and in the writer of an answer, so that the API server itself knows nothing of it.
"""

from sandbox.knobs.board import Board
from sandbox.knobs.middleware import install

__all__ = ["Board", "install"]
