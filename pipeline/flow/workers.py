"""Processes that share the work of one stage. With one worker everything happens in this process.

Beam's own worker processes are started anew for every pipeline, which costs more than a slice; these stay.
"""

from __future__ import annotations

import atexit
import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

_pools: dict[int, ProcessPoolExecutor] = {}


def submit(workers: int, function: Callable[..., Any], *args: Any) -> Future[Any]:
    """Start a call, or do it at once with one worker; the future holds its result or what it raised."""
    if workers > 1:
        return _pool(workers).submit(function, *args)
    future: Future[Any] = Future()
    try:
        future.set_result(function(*args))
    except Exception as error:
        future.set_exception(error)
    return future


def _pool(workers: int) -> ProcessPoolExecutor:
    if workers not in _pools:
        # forkserver: this process has threads of Beam, which a plain fork would copy half way through their work
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["stswatch.pipeline.flow.shard", "stswatch.pipeline.flow.chunk"])
        _pools[workers] = ProcessPoolExecutor(workers, mp_context=context)
        atexit.register(_pools[workers].shutdown, cancel_futures=True)
    return _pools[workers]
