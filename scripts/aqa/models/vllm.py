"""Backend `vllm`: open weights, behind a vLLM server that the session starts, watches and ends."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from pydantic import Field

from aqa.config import ModelFile, parse
from aqa.errors import UserError
from aqa.models import _nodes, _serve
from aqa.models._metrics import Counts, read_counts
from aqa.models._nodes import Nodes
from aqa.models._server import Launch, Server
from aqa.models.base import Context, Reply, TransientError, Unbilled
from aqa.models.openai import ClientOptions, OpenAI, check
from aqa.models.openai import Options as Endpoint
from aqa.records import Question, Request, answer_key

log = logging.getLogger("aqa.vllm")

PYTHON = "VLLM_PYTHON"
"""Environment variable that names the Python with vLLM, if it is another than the session's."""

_KEY = "key of the session's own server"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OWN_ENVIRONMENT = {"VLLM_API_KEY", "CUDA_VISIBLE_DEVICES"}

_FRAMES: dict[str, dict[str, Any]] = {
    "frames": {},
    "video_url_jpeg": {"media-io-kwargs": {"video": {"num_frames": -1}}},
    "video_url": {
        "media-io-kwargs": {"video": {"video_backend": "opencv", "num_frames": -1, "fps": -1}},
        "mm-processor-kwargs": {"do_sample_frames": False},
    },
}
"""Flags by which the server keeps every frame that it is sent: neither loader nor processor samples."""


class Options(ClientOptions):
    """Settings of the backend: `options` of a model's file."""

    model: str = Field(
        min_length=1,
        pattern=r"^[^-\s]\S*$",
        description="The weights: a name on the Hugging Face hub, or a folder.",
    )
    revision: str | None = Field(
        None, min_length=1, description="Branch, tag or commit of the weights on the hub."
    )
    trust_remote_code: bool = Field(
        False,
        description="Run the Python that comes with the weights; `revision` must then be the commit (40 "
        "hexadecimal digits) that you have reviewed.",
    )
    serve: dict[str, Any] = Field(
        default_factory=dict,
        description="Flags of `vllm serve` by their long names without dashes before them, for example "
        "{tensor-parallel-size: 8, enable-expert-parallel: true, limit-mm-per-prompt: {image: 32}}.",
    )
    command: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Program and first arguments that take these flags; null runs vLLM's own command line "
        f"with the Python of the environment variable {PYTHON}, or else with the session's.",
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Environment variables for the server, besides the session's."
    )
    launcher: tuple[str, ...] = Field(
        _nodes.SRUN,
        min_length=1,
        description="With resources.nodes: program and arguments that run the command behind them on another "
        "node, its arguments unchanged, and pass standard input on to it. {rank} is the node's number, from "
        "1, {nodes} how many there are, {job} the number of the Slurm job.",
    )
    address: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]*$",
        description="With resources.nodes: the address under which the other nodes reach the first one; null "
        "takes its host name. vLLM trusts who reaches it there: use a private network.",
    )
    guided: bool = Field(
        False,
        description="Let the server accept nothing but a JSON answer in the right form. Off in the study, "
        "which asks for the form in words; a strategy that asks for text before the answer loses it.",
    )
    start_s: float = Field(3600, gt=0, description="Seconds that the server may take to start.")
    stop_s: float = Field(5, gt=0, le=60, description="Seconds that it may take to end before it is killed.")
    restarts: int = Field(
        3, ge=0, description="Deaths in a row, without an answer in between, after which it is given up."
    )


def create(model: ModelFile, context: Context, place: str = "model") -> VLLM:
    """Return the backend of a model's file; nothing is started, and vLLM need not be there.

    Raises:
        UserError: an option or a flag is wrong, or a sampling parameter is not known.
    """
    options = parse(Options, model.options, f"{place}: options")
    check(model, options, place)
    flags = _serve.check(options.serve, place)
    for name in options.environment:
        if name in _OWN_ENVIRONMENT:
            raise UserError(f"{place}: options.environment.{name} is not yours to set; remove it")
    if options.trust_remote_code and options.revision and not _COMMIT.fullmatch(options.revision):
        raise UserError(
            f"{place}: options.revision is '{options.revision}': with trust_remote_code it must be the "
            "commit that you have reviewed, 40 hexadecimal digits"
        )
    number = _nodes.from_resources(model.resources or {}, _serve.gpus(flags), place)
    nodes = Nodes(number, options.launcher, options.address) if number > 1 else None
    if nodes is not None and flags.get("distributed-executor-backend", "mp") != "mp":
        raise UserError(
            f"{place}: options.serve.distributed-executor-backend must be mp over several nodes, which "
            "vLLM launches itself"
        )
    flags = _with_frames(flags, options.video, place)
    flags.setdefault("generation-config", "vllm")  # What `sampling` says, not what comes with the weights.
    return VLLM(model, options, flags, context, place, nodes=nodes)


def _with_frames(flags: _serve.Serve, video: str, place: str) -> _serve.Serve:
    """Return the flags with those that turn the server's own sampling of frames off."""
    merged = dict(flags)
    for name, ours in _FRAMES[video].items():
        given = flags.get(name, {})
        videos = given.get("video", {}) if isinstance(given, dict) else None
        if not isinstance(given, dict) or not isinstance(videos, dict):
            raise UserError(f"{place}: options.serve.{name} must be a mapping")
        if taken := sorted({"num_frames", "fps", "video_backend", "do_sample_frames"} & {*given, *videos}):
            raise UserError(
                f"{place}: options.serve.{name}: {taken[0]} is ours to set, since the media profile chooses "
                "the frames; remove it"
            )
        merged[name] = {
            **given,
            **ours,
            **({"video": {**videos, **ours["video"]}} if "video" in ours else {}),
        }
    return merged


class VLLM(Unbilled):
    """One model behind a server of the session's own."""

    remote = False

    def __init__(
        self,
        model: ModelFile,
        options: Options,
        flags: _serve.Serve,
        context: Context,
        place: str,
        *,
        nodes: Nodes | None = None,
    ) -> None:
        self._options = options
        self._nodes = nodes
        self._flags = flags
        self._place = place
        self._logs = context.logs
        self._server: Server | None = None
        shared = {name: getattr(options, name) for name in ClientOptions.model_fields}
        endpoint = Endpoint(
            **shared,
            base_url="http://127.0.0.1/v1",
            api_key_env=_KEY,
            keep_frames="server",
            serve=_serve.counted(flags),
        )
        self._secrets = dict(context.secrets)
        context = Context(context.media, context.seed, context.training, secrets=self._secrets)
        self._client = _Client(model, endpoint, context, place, guided=options.guided)

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer."""
        guided = {"guided": True} if self._options.guided else {}
        return {**self._client.identity(), "backend": "vllm", **guided}

    async def __aenter__(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            UserError: something is missing, or the server did not start.
        """
        options = self._options
        self._check_machine()
        server = Server(
            Launch(
                command=self._command(),
                flags=self._arguments(),
                model=options.model,
                environment={"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **options.environment},
                patience_s=options.start_s,
                grace_s=options.stop_s,
                restarts=options.restarts,
                nodes=self._nodes,
            ),
            self._logs,
        )
        server.on_start = self._client.move
        self._secrets[_KEY] = server.key
        try:
            await server.start()
            await self._client.__aenter__()
        except BaseException as error:
            await server.stop()
            if isinstance(error, UserError):
                raise UserError(f"{self._place}: {error}") from None
            raise
        self._server = server
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._client.__aexit__(kind, error, trace)
        finally:
            if self._server is not None:
                await self._server.stop()

    async def ask(self, request: Request) -> Reply:
        """Ask once, when the server is there; see `Backend`."""
        server = self._server
        assert server is not None
        await server.ready()
        try:
            reply = await self._client.ask(request)
        except TransientError as error:
            if not error.throttled:
                server.doubt()
            raise
        server.answered()
        return reply

    def facts(self) -> dict[str, Any]:
        """Return the server's version, command and restarts, and how much it took from its caches."""
        server = self._server
        if server is None:
            return {}
        counts = sum(map(read_counts, server.past), self._counts(server))
        version = None
        try:
            version = orjson.loads(server.get("/version").body)["version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the model server did not say its version (%s)", error)
        return {
            "server": "vllm",
            "version": version,
            "command": [*self._command(), *self._arguments()],
            "nodes": self._nodes.number if self._nodes else 1,
            "restarts": server.causes,
            **counts.report(),
        }

    def _counts(self, server: Server) -> Counts:
        try:
            return read_counts(server.get("/metrics").body.decode("utf-8", "replace"))
        except OSError as error:
            log.warning("the model server did not tell its counts (%s)", error)
            return Counts()

    def _command(self) -> list[str]:
        if self._options.command is not None:
            return list(self._options.command)
        python = os.environ.get(PYTHON) or sys.executable
        return [python, "-m", "vllm.entrypoints.cli.main", "serve"]

    def _arguments(self) -> list[str]:
        options = self._options
        own = [f"--model={options.model}", f"--served-model-name={options.model}"]
        if options.revision:
            own += [f"--{name}revision={options.revision}" for name in ("", "tokenizer-", "code-")]
        if options.trust_remote_code:
            own.append("--trust-remote-code")
        return own + _serve.arguments(self._flags)

    def _check_machine(self) -> None:
        options = self._options
        if options.trust_remote_code and not options.revision:
            raise UserError(
                f"{self._place}: options.trust_remote_code runs Python that comes with the weights: review "
                "it, then state the commit that you have reviewed in options.revision"
            )
        program = self._command()[0]
        if "/" in program and not Path(program).is_file():
            raise UserError(f"{self._place}: no program '{program}' (options.command, or {PYTHON})")
        if self._nodes is not None:
            self._nodes.check(self._place)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        needed = _serve.gpus(self._flags) // (self._nodes.number if self._nodes else 1)
        if visible and len(visible.split(",")) < needed:
            raise UserError(
                f"{self._place}: the server needs {needed} GPUs, but CUDA_VISIBLE_DEVICES is '{visible}'; "
                "ask the scheduler for more (resources.gpu), or lower the parallel sizes in options.serve"
            )


class _Client(OpenAI):
    """Chat completions that can be held to the form of the answer."""

    def __init__(
        self, model: ModelFile, options: Endpoint, context: Context, place: str, *, guided: bool
    ) -> None:
        super().__init__(model, options, context, place)
        self._guided = guided

    def fields(self, request: Request) -> dict[str, Any]:
        """Return the schema of the request's answer, where answers are guided."""
        if not self._guided or not request.questions:
            return {}
        return {"structured_outputs": {"json": schema(request)}}


def schema(request: Request) -> dict[str, Any]:
    """Return the JSON schema of a request's answer."""
    answers = {answer_key(question): _kind(question) for question in request.questions}
    return {
        "type": "object",
        "properties": answers,
        "required": list(answers),
        "additionalProperties": False,
    }


def _kind(question: Question) -> dict[str, Any]:
    if question.options is None:
        return {"type": "number", "minimum": question.minimum, "maximum": question.maximum}
    if set(question.options) == {"true", "false"}:
        return {"type": "boolean"}
    return {"type": "string", "enum": list(question.options)}
