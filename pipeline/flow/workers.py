"""Processes that share the work of one stage. With one worker everything happens in this process.

Beam's own worker processes are started anew for every pipeline, which costs more than a slice; these stay.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache, partial
from multiprocessing import forkserver, resource_tracker
from typing import Any

_pools: dict[int, ProcessPoolExecutor] = {}
_ASIDE = 0  # the pool of one process beside those that share a stage
_pid_aside: list[Future[int]] = []  # which one that is

# Source: glibc malloc.h, mallopt(3): M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD (which 32 MiB is the most for).
_MALLOC = ((-1, 512 << 20), (-2, 64 << 20), (-3, 32 << 20))


def keep_freed_memory() -> None:
    """Let the C library keep what NumPy and Arrow free, up to half a GiB, instead of asking the kernel for it again.

    Saves a sixth of a run's time in page faults; does nothing where the C library is not glibc. One pool for both takes
    less memory, too; Arrow takes it where it is first imported after this, also in processes that are started then.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for what, value in _MALLOC:
            mallopt(what, value)
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


@contextmanager
def uncollected() -> Iterator[None]:
    """Have Python's collector rest while a large library is imported: an eighth of what the import of Beam costs."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@cache
def pass_over_what_stays() -> None:
    """Have Python's collector pass over what has been imported by now, Beam's half a million objects.

    It else looks at them again and again, a twentieth of a run's time. Once in a process, given back at its end.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)


def warm(workers: int) -> None:
    """Start the processes of several workers, so that they import what they need while this process does."""
    if workers > 1:
        pool = _pool(workers)
        # a thread waits for them: until a process has answered, whoever starts it cannot go on
        threading.Thread(target=lambda: [pool.submit(int) for _ in range(workers)], daemon=True).start()


def each(workers: int, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """What each call (function, *arguments) gives, in the order given; with several workers they run side by side.

    Raises what the first call raised that failed; by then none of the others runs any more.
    """
    with handed_out(workers, calls) as results:
        yield from (result() for result in results)


@contextmanager
def handed_out(workers: int, calls: Sequence[tuple[Any, ...]]) -> Iterator[list[Callable[[], Any]]]:
    """Calls (function, *arguments) as what gives their results; with several workers all are on their way by then.

    Where the block is left with an error, none of them runs any more.
    """
    if workers == 1:
        yield [partial(function, *args) for function, *args in calls]
        return
    running = [_submit(workers, *call) for call in calls]
    try:
        yield [future.result for future in running]
    except BaseException:
        for future in running:
            future.cancel()
        wait(running)
        raise


def aside(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Have one process beside this one work; it takes one thing after the other, and ends with this one."""
    return _submit(_ASIDE, function, *arguments)


def end_aside() -> None:
    """End the process beside this one, whatever it is doing; what it has not finished raises BrokenProcessPool."""
    if (pool := _pools.pop(_ASIDE, None)) is not None:
        with suppress(BrokenProcessPool, ProcessLookupError):
            os.kill(_pid_aside[0].result(), signal.SIGKILL)
        pool.shutdown(cancel_futures=True)


def _submit(workers: int, *call: Any) -> Future[Any]:
    try:
        return _pool(workers).submit(*call)
    except BrokenProcessPool:  # one of its processes was killed, maybe in an earlier run
        _pools.pop(workers).shutdown()
        return _pool(workers).submit(*call)


def _pool(workers: int) -> ProcessPoolExecutor:
    if workers not in _pools:
        # forkserver: this process has threads of Beam, which a plain fork would copy half way through their work
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["stswatch.pipeline.flow.calls"])
        _start_deaf_to_interrupts()
        _pools[workers] = ProcessPoolExecutor(max(workers, 1), mp_context=context, initializer=_begin)
        if workers == _ASIDE:
            _pid_aside[:] = [_pools[workers].submit(os.getpid)]
        atexit.register(_pools[workers].shutdown, cancel_futures=True)
    return _pools[workers]


def _start_deaf_to_interrupts() -> None:
    """Start the process that forks the workers, and the one that takes semaphores away after us.

    Ctrl-C, and the end of a terminal, go to all at once: this process stops the others, silently.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    resource_tracker.ensure_running()  # else it is started in between, and lifts the block of SIGINT
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    forkserver.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Settle a worker process. It ends with the one it works for, which, killed outright, cannot tell it to."""
    keep_freed_memory()
    pass_over_what_stays()
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of parts of it that nobody asked for
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
