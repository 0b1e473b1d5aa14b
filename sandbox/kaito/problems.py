"""Why the operator cannot go on with a workspace."""


class ReconcileError(Exception):
    """Becomes the "last reconcile error" in every condition."""


class Refused(Exception):
    """KAITO's own webhook refuses the operator's write, so nothing can be told in the status."""


class Panic(Exception):
    """A nil pointer in KAITO's code: the look is over, and the status says nothing of it."""
