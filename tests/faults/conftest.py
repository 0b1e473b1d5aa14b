"""One running program for all cases of a test process; after each case it is healed and judged."""

import time
from contextlib import contextmanager

import pytest

from tests.faults import seeds
from tests.faults.judging import assert_invariants, settle
from tests.faults.matrix import running_field
from tests.faults.stack import running


def pytest_generate_tests(metafunc):
    """A case with a `seed` runs for one in `make test`, or for as many as its marker `seeds` says; see seeds.py."""
    if "seed" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("seeds")
        numbers = seeds.seeds(marker.args[0] if marker else 1)
        metafunc.parametrize("seed", numbers, ids=str)


@pytest.fixture(scope="session")
def shared_stack():
    with running() as stack:
        yield stack


@pytest.fixture
def stack(shared_stack):
    """Healthy, with an empty cluster, an observer at the list, and judged when the case is over."""
    stack = shared_stack
    stack.begin()
    stack.observe()
    yield stack
    stack.heal()
    try:
        assert_invariants(stack)
    finally:
        stack.clear()
        settle(stack)


@pytest.fixture
def dora(stack):
    return stack.sign_in()


@pytest.fixture
def clock(record_property):
    """Times a fault until all is well again; `python -m bench faults` gathers it."""

    @contextmanager
    def measure(what):
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        record_property(f"recovery {what}", f"{seconds:.2f}")
        print(f"From the fault until all is well: {what}: {seconds:.1f} s")

    return measure


@pytest.fixture(scope="module")
def field():
    """What the failure matrix is played on."""
    with running_field() as made:
        yield made


@pytest.fixture
def ground(field):
    """The field, healed, and with all its knobs turned back when the case is over."""
    field.heal()
    yield field
    field.knobs.reset()
