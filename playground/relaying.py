"""Between a model and a browser: how many may ask at once, and what is recorded at the end.

One prompt is one chain of generators. Closing the outermost one closes them all, down to the connection to the
model; that is how Stop works.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from asgiref.sync import sync_to_async

from playground import dialects, inference, recording, routes
from playground.recording import Run
from playground.types import Event, Failed, Finished, InferenceError, Token, Wish

MOST_AT_ONCE = 4  # prompts of one person in one process
logger = logging.getLogger(__name__)
_open: Counter[int] = Counter()


async def relay(run: Run, wish: Wish) -> AsyncGenerator[Event, None]:
    """The events of inference.run, with at most one open answer too many refused, and the run recorded whatever happens."""
    tally, ended = inference.Tally(), False
    failure = ""
    try:
        async with aclosing(_held(run, wish, tally)) as events:
            async for event in events:
                if isinstance(event, Failed):
                    failure = event.error.reason
                ended = isinstance(event, Failed | Finished)
                yield event
    finally:
        numbers = tally.numbers(streamed=dialects.streams(run.dialect))
        record = sync_to_async(recording.record_run)
        await asyncio.shield(record(run, numbers, error=failure, stopped=not ended))


async def _held(run: Run, wish: Wish, tally: inference.Tally) -> AsyncGenerator[Event, None]:
    try:
        with _place(run.by.person.pk):
            if run.route is None:
                raise routes.no_route()
            async with aclosing(inference.run(run.route, run.dialect, wish, tally)) as events:
                async for event in events:
                    yield event
    except InferenceError as error:
        yield Failed(error, tally.numbers())
    except Exception:  # the top of the stream: the page must hear that it is over
        logger.exception("A prompt to %s failed", run.workspace)
        yield Failed(
            InferenceError("internal", "kaitoweb failed; its log says why."), tally.numbers()
        )


@contextmanager
def _place(person_pk: int) -> Iterator[None]:
    """Raises InferenceError when this person has MOST_AT_ONCE answers open."""
    if _open[person_pk] >= MOST_AT_ONCE:
        raise InferenceError(
            "too-many",
            f"You have {MOST_AT_ONCE} answers under way; wait for one, or stop one.",
        )
    _open[person_pk] += 1
    try:
        yield
    finally:
        _open[person_pk] -= 1
        if not _open[person_pk]:
            del _open[person_pk]


async def collected(events: AsyncGenerator[Event, None]) -> tuple[str, Event | None]:
    """The whole text and the last event, for a browser without JavaScript."""
    texts: list[str] = []
    last: Event | None = None
    async with aclosing(events):
        async for last in events:
            if isinstance(last, Token):
                texts.append(last.text)
    return "".join(texts), last
