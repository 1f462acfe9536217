"""What TaskManagers start as `stswatch-worker`: a process that runs the transforms of a job for one of them.

Beam's own programs that start workers are containers, or hang when a worker dies; this one ends with whoever started
it: a worker that outlived its TaskManager could still write while another does its work again.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

WAIT_S = 30.0  # for the TaskManager to say where its services are
_LOOK_EVERY_S = 0.5
_CACHE_BYTES = 100 << 20  # of state and side inputs, of which our transforms have none to speak of


def main(words: Sequence[str] | None = None) -> int:
    """Run a worker to the end of its job; gives the exit code. Beam gives its id and one address of the TaskManager."""
    parser = argparse.ArgumentParser(prog="stswatch-worker", description="Started by a TaskManager of Apache Flink.")
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    given, _ = parser.parse_known_args(words)
    logging.basicConfig(level=logging.WARNING)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()

    from stswatch.pipeline.flow.workers import keep_freed_memory, pass_over_what_stays, uncollected

    keep_freed_memory()
    with uncollected():
        import grpc
        from apache_beam.portability.api import beam_provision_api_pb2 as messages
        from apache_beam.portability.api import beam_provision_api_pb2_grpc as services
        from apache_beam.runners.worker.sdk_worker import SdkHarness
        from apache_beam.runners.worker.worker_id_interceptor import WorkerIdInterceptor

        # All that it will run, before it speaks to the TaskManager: of a worker that dies between its first word and
        # its first data that hears only three minutes later (GrpcDataService of Beam), and imports take seconds.
        importlib.import_module("stswatch.pipeline.flow.engine")
    pass_over_what_stays()
    signal.signal(signal.SIGTERM, _end)  # by which a TaskManager ends its workers
    channel = grpc.intercept_channel(grpc.insecure_channel(given.provision_endpoint), WorkerIdInterceptor(given.id))
    asked = services.ProvisionServiceStub(channel).GetProvisionInfo
    info = asked(messages.GetProvisionInfoRequest(), timeout=WAIT_S).info
    where = info.control_endpoint.url
    SdkHarness(where, worker_id=given.id, state_cache_size=_CACHE_BYTES, data_buffer_time_limit_ms=-1).run()
    return 0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    _end()


def _end(*_: object) -> None:
    if there := sys.modules.get("stswatch.pipeline.flow.cluster.storage"):
        there.leave()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
