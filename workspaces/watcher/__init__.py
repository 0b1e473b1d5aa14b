"""Watches every connected cluster from inside the Celery worker: one thread a watched kind, watching → mirror.

A lease in the database says which worker watches a cluster; the others stand by and take over when it ends. Nothing
here is needed for correctness but the lease's number, which fences a former holder's writes out.
"""

from workspaces.watcher.step import WatchStep

__all__ = ["WatchStep"]
