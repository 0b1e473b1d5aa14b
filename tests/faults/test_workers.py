"""Workers that are killed, doubled, poisoned or thought dead: every wish is carried out, and once."""

import threading
import time

import pytest

from tests.faults import seeds
from tests.faults.browsing import Person
from tests.faults.building import WORKERS
from tests.faults.processes import wait_until

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

ROUNDS = 50 if seeds.is_soak() else 2
CREATIONS = {"method": "POST", "path": r"/workspaces\?(?!.*dryRun)"}
SLOW_S = 1.0  # each way, so that there is time to act between a request and its answer


def taken_by(stack, mark):
    """The worker that carries this wish out now."""
    wish = stack.wish(mark)
    if wish["status"] != "running":
        return None
    pid = int(wish["taken_by"].rpartition(":")[2])
    return next((name for name in WORKERS if stack.processes[name].pid == pid), None)


def is_made(stack, name):
    return any(change.name == name for change in stack.truth.objects().values())


def asked_while_asleep(stack, person, name, prepare):
    """The wish waits in the queue until `prepare` has been called."""
    with stack.workers_asleep():
        assert person.deploy(name).status_code == 302
        prepare()
    return person.accepted[-1]


def kill_before_it_is_sent(stack, dora, name):
    mark = asked_while_asleep(stack, dora, name, stack.api_wire.freeze)
    worker = wait_until(lambda: taken_by(stack, mark))
    stack.kill(worker)
    assert not is_made(stack, name)
    stack.api_wire.cut()
    stack.api_wire.thaw()
    return mark


def kill_before_it_is_answered(stack, dora, name):
    mark = asked_while_asleep(stack, dora, name, lambda: stack.api_wire.delay(SLOW_S))
    worker = wait_until(lambda: taken_by(stack, mark))
    wait_until(lambda: is_made(stack, name))
    stack.kill(worker)
    stack.api_wire.delay(0)
    return mark


def kill_before_it_is_written(stack, dora, name):
    mark = asked_while_asleep(stack, dora, name, lambda: stack.api_wire.delay(SLOW_S))
    worker = wait_until(lambda: taken_by(stack, mark))
    wait_until(lambda: is_made(stack, name))
    stack.wires[worker]["postgres"].freeze()
    time.sleep(2 * SLOW_S)  # by now it has its answer
    stack.kill(worker)
    stack.wires[worker]["postgres"].cut()
    stack.api_wire.delay(0)
    return mark


@pytest.mark.parametrize(
    "kill", [kill_before_it_is_sent, kill_before_it_is_answered, kill_before_it_is_written]
)
def test_killed_workers_wish_is_carried_out_by_the_other(stack, dora, clock, seed, kill):
    with stack.fault():
        mark = kill(stack, dora, f"killed-{seed.number}")
        with clock("a worker killed " + kill.__name__.removeprefix("kill_").replace("_", " ")):
            (done,) = stack.wait_ended(mark)

    assert (done["status"], done["attempts"], done["lost_workers"]) == ("succeeded", 2, 1)


def test_wish_that_kills_every_worker_is_quarantined_and_harms_no_other(stack, dora, clock, seed):
    """The pool is one of threads: what kills a thread of it kills the process, so this is the case of a killed pool too."""
    name = f"poison-{seed.number}"
    dora.deploy(name)
    wait_until(lambda: dora.client.get(dora.delete_url(name)).status_code == 200)
    form = dora.delete_form(name)
    with stack.fault():
        stack.knobs.freeze(match={"method": "DELETE", "path": f"/workspaces/{name}"})
        stack.knobs.delay(SLOW_S, match=CREATIONS)  # so that some are beside it
        with stack.workers_asleep():
            others = [dora.deploy(f"bystander-{seed.number}-{n}") for n in range(6)]
            dora.delete(name, form)
        with clock("a wish that kills its workers: to its quarantine"):
            while stack.wish(form["key"])["status"] in ("queued", "running"):
                if worker := taken_by(stack, form["key"]):
                    stack.restart(worker)
                time.sleep(0.02)
        ended = stack.wish(form["key"])
        stack.wait_ended(*dora.accepted)

    assert {answer.status_code for answer in others} == {302}
    assert (ended["status"], ended["lost_workers"]) == ("failed", 3)
    assert ended["error"].startswith("3 workers were lost while carrying this out")
    done = stack.wishes("kind = 'create' AND id::text = ANY(%s)", dora.accepted)
    assert {wish["status"] for wish in done} == {"succeeded"}


def test_messages_that_come_five_times_and_in_no_order_act_once(stack, dora, seed):
    with stack.fault():
        with stack.workers_asleep():
            for number in range(6):
                dora.deploy(f"doubled-{seed.number}-{number}")
            ids = [str(stack.wish(mark)["id"]) for mark in dora.accepted] * 5
            seed.random.shuffle(ids)
            stack.valkey.send(*ids)
        done = stack.wait_ended(*dora.accepted)

    assert {(wish["status"], wish["attempts"]) for wish in done} == {("succeeded", 1)}


def test_two_people_who_want_the_same_at_once_get_it_once(stack, dora, seed):
    """Both deploy one name, then both delete what came of it, round by round."""
    erin = stack.sign_in("erin")
    for number in range(ROUNDS):
        name = f"both-{seed.number}-{number}"
        made = both_at_once(stack, (dora, erin), lambda p, n=name: p.deploy_form(n), Person.deploy)
        wait_until(lambda n=name: dora.client.get(dora.delete_url(n)).status_code == 200)
        gone = both_at_once(stack, (dora, erin), lambda p, n=name: p.delete_form(n), Person.delete)

        assert made in (["succeeded"], ["failed", "succeeded"])
        assert gone in (["succeeded"], ["succeeded", "succeeded"])


def both_at_once(stack, people, form_of, act):
    """How their wishes ended; what is not accepted is refused in words."""
    forms = [(person, form_of(person)) for person in people]
    before = [len(person.accepted) for person in people]
    names = [form.get("name") or form["confirm"] for _, form in forms]
    answers = at_once(
        *(lambda p=p, f=f, n=n: act(p, n, f) for (p, f), n in zip(forms, names, strict=True))
    )
    told = sorted(answer.status_code for answer in answers)
    assert told in ([302, 302], [302, 422], [302, 404])  # 404: gone before the second was asked
    marks = [m for p, had in zip(people, before, strict=True) for m in p.accepted[had:]]
    return sorted(wish["status"] for wish in stack.wait_ended(*marks))


def test_form_that_is_sent_twice_at_once_and_again_later_is_one_wish(stack, dora, seed):
    form = dora.deploy_form(f"twice-{seed.number}")
    first = at_once(*[lambda: dora.deploy(form["name"], form)] * 2)
    stack.wait_ended(*dora.accepted)
    last = dora.deploy(form["name"], form)

    assert {a.headers["location"] for a in (*first, last)} == {f"/operations/{dora.accepted[0]}/"}
    assert len(stack.wishes("name = %s", form["name"])) == 1


def at_once(*acts):
    """Their answers; all begin together."""
    barrier, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(number, act):
        barrier.wait(10)
        answers[number] = act()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
