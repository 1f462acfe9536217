"""The cluster of the tests: started once, each part when a test first needs it, stopped at the end."""

from __future__ import annotations

import http.client
import subprocess
import sys
from contextlib import closing

import pytest

from tests.cluster.standing import START_S, Standing, free_ports, listens
from tests.pipeline.sources.listen import wait
from tests.pipeline.sources.tls import certificate


@pytest.fixture(scope="session")
def standing(tmp_path_factory):
    cluster = Standing(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def flink(standing):
    """A JobManager and two TaskManagers of two slots, and the job server; all of it, whatever the test before left."""
    standing.whole()
    return standing


@pytest.fixture(scope="session")
def kafka(standing, tmp_path_factory):
    """A broker; by TLS too, at `safe_brokers`, with a certificate of its own, for the user watch."""
    folder = tmp_path_factory.mktemp("tls")
    whole, private = certificate(folder)
    store = folder / "store.pem"
    store.write_bytes(private.read_bytes() + whole.read_bytes())
    at, safe = standing.brokers, standing.safe_brokers
    (standing.folder / "kafka.more").write_text(f"""
listeners=PLAINTEXT://{at},SASL_SSL://{safe},CONTROLLER://127.0.0.1:{standing.port + 6}
advertised.listeners=PLAINTEXT://{at},SASL_SSL://{safe}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={store}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
    required user_watch="of the floor";
""")
    standing.trusted = whole
    standing.start("kafka")
    standing.answers(standing.brokers)
    return standing


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """A server of S3 with a bucket, which this process and what it starts are told of; gives the URL of the bucket."""
    folder = tmp_path_factory.mktemp("s3")
    port = free_ports(1)
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait(lambda: listens(port), START_S)
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "testing")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with closing(connection):
                connection.request("PUT", "/bucket")
                assert connection.getresponse().status == 200
            yield "s3://bucket"
        finally:
            server.terminate()
            server.wait(20)
