"""GET …/pods/{name}/log: what a container wrote, and goes on writing.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox import status
from sandbox.calls import Call
from sandbox.clock import parse_time, rfc3339_nano
from sandbox.logbook import ContainerLog, Line
from sandbox.routing import is_true
from sandbox.status import Cause
from sandbox.watching import open_stream

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    follow: bool
    timestamps: bool
    tail_lines: int | None
    limit_bytes: int | None
    since: datetime | None


async def read_log(call: Call) -> web.StreamResponse:
    pod = call.cluster.store.get(call.resource, call.namespace, call.name)
    if pod is None:
        raise status.not_found(call.resource, call.name)
    options = _options(call)
    container = _container(pod, call.query.get("container", ""))
    if not (pod.get("spec") or {}).get("nodeName"):
        return web.Response(status=204)  # nobody has been asked to run it yet
    log = _log(call, pod, container)
    first = _selected(log.lines, options)
    text = _written(first, options)[: options.limit_bytes]
    if not options.follow or options.limit_bytes is not None:
        return web.Response(body=text, content_type="text/plain")
    return await _follow(call, log, text, options)


def _container(pod: Object, asked: str) -> str:
    spec = pod.get("spec", {})
    running = [each["name"] for each in spec.get("containers", [])]
    initial = [each["name"] for each in spec.get("initContainers", [])]
    name = pod["metadata"]["name"]
    if not asked and len(running) == 1:
        return running[0]
    if not asked:
        choices = f"choose one of: [{' '.join(initial + running)}]"
        raise status.bad_request(f"a container name must be specified for pod {name}, {choices}")
    if asked not in running + initial:
        raise status.bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def _log(call: Call, pod: Object, container: str) -> ContainerLog:
    """What was written last time, or is being written; a 400 while nothing has started."""
    uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
    book = call.cluster.logbook
    if is_true(call.query, "previous"):
        previous = book.previous(uid, container)
        if previous is None:
            raise status.bad_request(
                f'previous terminated container "{container}" in pod "{name}" not found'
            )
        return previous
    waiting = _waiting_reason(pod, container)
    log = book.current(uid, container)
    if waiting and not log.written:
        earlier = book.previous(uid, container)
        if earlier is None:
            raise status.bad_request(
                f'container "{container}" in pod "{name}" is waiting to start: {waiting}'
            )
        return earlier  # between two tries the kubelet shows the one that failed
    return log


def _waiting_reason(pod: Object, container: str) -> str:
    found = pod.get("status", {})
    statuses = found.get("containerStatuses", []) + found.get("initContainerStatuses", [])
    mine = next((each for each in statuses if each["name"] == container), None)
    if mine is None:
        return (
            "" if found.get("phase") in ("Running", "Succeeded", "Failed") else "ContainerCreating"
        )
    return mine.get("state", {}).get("waiting", {}).get("reason", "")


def _options(call: Call) -> LogOptions:
    query = call.query
    if "sinceTime" in query and "sinceSeconds" in query:
        text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        about = replace(call.resource, kind="PodLogOptions")
        raise status.invalid(about, call.name, [Cause("FieldValueForbidden", "[]", text)])
    since = _moment(query["sinceTime"]) if "sinceTime" in query else None
    seconds = call.number("sinceSeconds")
    if seconds is not None:
        since = call.cluster.clock.now() - timedelta(seconds=seconds)
    return LogOptions(
        follow=is_true(query, "follow"),
        timestamps=is_true(query, "timestamps"),
        tail_lines=call.number("tailLines"),
        limit_bytes=call.number("limitBytes"),
        since=since,
    )


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        layout = "2006-01-02T15:04:05Z07:00"
        why = f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"'
        raise status.bad_request(why) from error


def _selected(lines: Iterable[Line], options: LogOptions) -> Sequence[Line]:
    found = [line for line in lines if options.since is None or line.at >= options.since]
    if options.tail_lines is None:
        return found
    return found[-options.tail_lines :] if options.tail_lines else []


def _written(lines: Sequence[Line], options: LogOptions) -> bytes:
    if options.timestamps:
        return "".join(f"{rfc3339_nano(line.at)} {line.text}\n" for line in lines).encode()
    return "".join(f"{line.text}\n" for line in lines).encode()


async def _follow(
    call: Call, log: ContainerLog, first: bytes, options: LogOptions
) -> web.StreamResponse:
    seen = log.written
    response = await open_stream(call.request, "text/plain")
    if first:
        await response.write(first)
    while not (log.is_ended and log.written == seen):
        await log.wait(seen)
        lines = log.after(seen)
        seen += len(lines) if log.written - seen == len(lines) else log.written - seen
        if lines:
            await response.write(_written(lines, options))
    await response.write_eof()
    return response
