"""Worker side of a wish: take one Operation, carry it out, write down how it ended.

The row is the queue; messages only wake a worker. Whoever takes a row holds it by its number of attempts: a worker that
was given up can no longer end it. Asking for a wish is the business of workspaces.services.
"""

from workspaces.operations.carrying import carry_out
from workspaces.operations.sweeping import dispatch, sweep

__all__ = ["carry_out", "dispatch", "sweep"]
