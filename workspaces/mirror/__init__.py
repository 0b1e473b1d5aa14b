"""Facts come up: applies one event of a watch to our rows, in one transaction, and announces it after the commit.

Rows follow the cluster by uid and never step back to an older version, unless a complete list says so. What is gone
keeps its row and its history. Knows nothing of HTTP or threads, and never changes the cluster.
"""

from workspaces.mirror.applying import AT_ONCE, apply, known_versions, recheck

__all__ = ["AT_ONCE", "apply", "known_versions", "recheck"]
