"""The window on simulated servers: steady ones lose nothing, overloaded ones are spared."""

import heapq
import random
import statistics

import pytest

from aqa.inference.window import Window


class Simulation:
    """A closed loop in virtual time: as many requests in flight as the window says.

    `service(now, number)` is how long request `number` is worked on; at most `parallel(now)` are worked on
    at once, the others queue.
    """

    def __init__(self, service, parallel=lambda now: 10_000, most=32):
        self.now = 0.0
        self.window = Window(most, lambda: self.now)
        self.service = service
        self.parallel = parallel
        self.done = []
        self.sizes = []

    def run(self, until, overload=lambda now, busy: False):
        queue, working, number = [], [], 0
        while self.now < until:
            while len(queue) + len(working) < self.window.size:
                queue.append(self.now)
            while queue and len(working) < self.parallel(self.now):
                number += 1
                heapq.heappush(working, (self.now + self.service(self.now, number), queue.pop(0)))
            end, began = heapq.heappop(working)
            self.now = end
            if overload(self.now, len(queue) + len(working) + 1):
                self.window.overloaded()
            else:
                self.done.append((self.now, self.now - began))
                self.window.answered(self.now - began, full=True)
            self.sizes.append((self.now, self.window.size))
        return self

    def rate(self, begin, end):
        return sum(begin <= moment < end for moment, _ in self.done) / (end - begin)

    def size(self, begin, end):
        return statistics.fmean(size for moment, size in self.sizes if begin <= moment < end)


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("mean", [0.05, 2.0, 60.0])
def test_a_steady_server_always_has_every_slot_in_use(mean, spread):
    draw = random.Random(1)
    steady = Simulation(lambda now, n: mean * draw.lognormvariate(0, spread)).run(mean * 400)
    assert steady.size(0, steady.now) == 32


def test_a_server_that_is_merely_slower_for_a_while_loses_two_short_rounds():
    """Longer clips, say: four times the latency at every number in flight."""
    slower = Simulation(lambda now, n: 0.2 if 30 <= now < 60 else 0.05).run(90)
    best = Simulation(lambda now, n: 0.2 if 30 <= now < 60 else 0.05)
    best.window.answered = lambda seconds, full: None
    best.run(90)
    assert min(size for _, size in slower.sizes) >= 22
    assert slower.size(36, 90) == 32, "what did not help is undone"
    assert len(slower.done) > 0.98 * len(best.done)


def test_a_server_that_can_do_less_at_once_is_spared_its_queue_and_found_again():
    """From 32 at once to 4, and back: the same is answered with a third of the queue."""
    less = Simulation(lambda now, n: 0.05, lambda now: 4 if 30 <= now < 120 else 10_000).run(180)
    assert less.size(0, 30) == 32
    assert less.size(60, 120) < 16
    assert less.rate(60, 120) == pytest.approx(4 / 0.05, rel=0.02)
    assert less.size(135, 180) > 30


def test_refusals_halve_it_once_a_second_and_answers_bring_it_back():
    storm = Simulation(lambda now, n: 0.05)
    storm.run(40, overload=lambda now, busy: 10 <= now < 10.9)
    assert storm.size(10.1, 10.9) == 16
    assert storm.size(13, 40) == 32


def test_a_provider_with_a_quota_is_asked_about_as_much_as_it_takes():
    """It refuses whatever is above 10 in flight: between half of that and a little more are asked."""
    quota = Simulation(lambda now, n: 1.0)
    quota.run(300, overload=lambda now, busy: busy > 10)
    assert 5 <= quota.size(100, 300) <= 12
    assert quota.rate(100, 300) > 6


def test_it_never_closes():
    dead = Simulation(lambda now, n: 1.0)
    dead.run(100, overload=lambda now, busy: True)
    assert dead.window.size == 1


def test_slots_that_nobody_uses_teach_nothing():
    window = Window(32, lambda: 0.0)
    for _ in range(10_000):
        window.answered(100.0, full=False)
    assert window.size == 32
