"""The administrator's own watch, which the checker believes, misses nothing that still is when it has to begin anew."""

import pytest

from tests.faults.observing import Truth
from tests.faults.processes import wait_until
from tests.knobs import WORKSPACE_WATCHES, Knobs
from tests.servers import run_sandbox

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture
def sandbox():
    with run_sandbox(knobs=True) as running:
        yield running


def test_truth_lists_again_when_its_version_is_forgotten(sandbox):
    truth = Truth(sandbox.url, sandbox.tokens["admin"], sandbox.ssl_context).start()
    try:
        with Knobs.of(sandbox) as knobs:
            truth.make("goes")
            truth.make("stays")
            wait_until(lambda: len(truth.objects()) == 2)
            knobs.fail(503, match=WORKSPACE_WATCHES)
            knobs.cut(match=WORKSPACE_WATCHES)
            truth.remove("goes")
            truth.make("comes")
            knobs.compact()
            knobs.reset()
            wait_until(lambda: {c.name for c in truth.objects().values()} == {"stays", "comes"})
            truth.remove("stays")
            wait_until(lambda: {c.name for c in truth.objects().values()} == {"comes"})
    finally:
        truth.stop()
