"""The reflector: list, then watch, for ever, as a generator of what happened to one kind of objects.

Knows no Django model and stores nothing; whoever consumes it applies the events, and may stop at any time.
Its rules are those of client-go's reflector with kopf's care about silent connections, and one of its own: now and
then it compares what it told with what the cluster had, since a watch may lose an event without a sign.
https://github.com/kubernetes/client-go/blob/v0.34.0/tools/cache/reflector.go
"""

from clusters.watching.events import Alive, Gone, Listed, Seen, Stale, WatchEvent
from clusters.watching.pausing import Bell
from clusters.watching.reflector import poll, watch
from clusters.watching.timing import USUAL, Timing

__all__ = [
    "USUAL",
    "Alive",
    "Bell",
    "Gone",
    "Listed",
    "Seen",
    "Stale",
    "Timing",
    "WatchEvent",
    "poll",
    "watch",
]
