"""What a later session asks again: what can change an answer, and nothing for any other change."""

import pytest
from session_cells import Bench, responses

from aqa import models
from aqa.config import ModelFile, load_yaml, parse
from aqa.files import digest
from aqa.inference import requests
from aqa.inference.session import Plan, run
from aqa.records import Message, Request, TextPart
from openai_requests import clip, jpeg
from openai_server import Server


class World:
    """Clips and a cell that asks about them, of a model on a real HTTP server."""

    def __init__(self, folder):
        self.bench = Bench(folder)
        self.media = folder / "media"
        self.media.mkdir()
        self.clips = {f"clip-{i}": self.draw(f"clip-{i}", i) for i in range(4)}

    def draw(self, name, seed):
        return clip(self.media, name, [jpeg(seed), jpeg(seed + 100)])

    def ask(self, url, concurrency=4):
        """Render the requests and run a session; return how many it asked."""
        self.bench.write_model(concurrency, backend="openai", model="test-model", base_url=url)
        file = parse(ModelFile, load_yaml(self.bench.model_file), "model")
        settings = digest(models.create(file, models.Context(media=self.media, seed=1)).identity())
        self.cell = self.bench.cell([self.request(name, settings) for name in self.clips])
        plan = Plan("slow", self.bench.model_file, [self.cell], self.bench.journals, self.media, seed=1)
        return run(plan).asked

    def request(self, name, settings):
        messages = (Message(role="user", content=(self.clips[name], TextPart(text="How deep?"))),)
        fields = {"settings": settings, "sample_id": name, "messages": messages}
        key = requests.key(messages, settings, name)
        return Request(key=key, subject="s", exercise="e", questions=(), **fields)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_finished_run_sends_nothing_on_another_host_and_port_at_another_concurrency(world):
    with Server() as server:
        assert world.ask(server.url) == 4
    with Server() as other:
        assert world.ask(other.url.replace("127.0.0.1", "localhost"), concurrency=64) == 0
        assert other.received == []
    assert world.ask("http://nowhere.invalid:1/v1", concurrency=1) == 0
    assert len(responses(world.cell)) == 4


def test_changed_pixels_under_the_same_name_are_asked_again_and_nothing_else(world):
    with Server() as server:
        world.ask(server.url)
        world.clips["clip-2"] = world.draw("clip-2", 77)
        assert world.clips["clip-2"].file == "clip-2.zip"
        assert world.ask(server.url) == 1
        assert len(server.received) == 5
        sent = server.received[-1].frames
        world.clips["clip-2"] = world.draw("clip-2", 2)
        assert world.ask(server.url) == 0, "the old pixels have their old answer"
    assert sent not in [received.frames for received in server.received[:4]]


def test_a_clip_that_moved_keeps_its_answer(world):
    with Server() as server:
        world.ask(server.url)
        for name, part in world.clips.items():
            (world.media / part.file).rename(world.media / f"moved-{name}.zip")
            world.clips[name] = part.model_copy(update={"file": f"moved-{name}.zip"})
        assert world.ask(server.url) == 0
