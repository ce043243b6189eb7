"""A stand-in for Modal's servers on this machine, for the real client: built on the client's own protocol definitions.

It keeps Volumes as folders and runs a sandbox's command as a local process. What it cannot be: a sandbox here is no
container. So (1) an argument that lies below a mount path is rewritten to the Volume's folder, (2) the image is taken
as built and the command runs in this machine's environment, (3) a Volume's changes are seen at once, (4) GPU, CPU
and memory are noted and not given. Faults can be ordered: `preempt` (a sandbox ends as terminated), `drop`
(connections), `refused` (secrets), `hold` (none is scheduled), `longest` (seconds one lives), `slow` (seconds that a
block of a Volume takes, one at a time).
"""

import asyncio
import contextlib
import hashlib
import threading
import uuid
from pathlib import Path

from aiohttp import web
from grpclib import GRPCError, Status
from grpclib.server import Server
from loopback_sandboxes import Box, Sandboxes
from loopback_volumes import BLOCK, Volumes
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientBase

_R = api_pb2.GenericResult
TOKEN = {"MODAL_TOKEN_ID": "ak-loopback", "MODAL_TOKEN_SECRET": "as-loopback-token-secret"}


class _Droppable(Server):
    def _protocol_factory(self):
        protocol = super()._protocol_factory()
        self.protocols = [*getattr(self, "protocols", []), protocol]
        return protocol


class Loopback(Sandboxes, Volumes, ModalClientBase):
    """The servers, in a thread of their own while it is entered. `environment()` is what leads the client to them."""

    def __init__(self, folder: Path, secrets: dict[str, dict[str, str]] | None = None) -> None:
        self.folder, self.secrets = folder, secrets or {}
        self.boxes: list[Box] = []
        self.images: dict[str, api_pb2.Image] = {}
        self.refused: set[str] = set()
        self.hold = False
        self.slow = 0.0
        self._turn = asyncio.Lock()
        self.longest = 24 * 3600
        self._ids: dict[str, str] = {}
        self._ephemeral: dict[str, dict[str, str]] = {}
        self._done: dict[str, api_pb2.SandboxCreateResponse] = {}
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        (folder / "blocks").mkdir(parents=True, exist_ok=True)
        (folder / "volumes").mkdir(exist_ok=True)

    def __enter__(self) -> "Loopback":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def environment(self) -> dict[str, str]:
        return {**TOKEN, "MODAL_SERVER_URL": f"http://127.0.0.1:{self._port}"}

    def volume(self, name: str = "snakemake") -> Path:
        return self.folder / "volumes" / name

    def running(self) -> list[Box]:
        """The sandboxes that have not ended."""
        return [box for box in self.boxes if box.result is None]

    def asked(self) -> str:
        """All that sandboxes and image builds were asked to be, as text: command lines, tags, resources."""
        return "\n".join(str(part) for part in [*(box.request for box in self.boxes), *self.images.values()])

    def preempt(self, box: Box, status: int = _R.GENERIC_STATUS_TERMINATED) -> None:
        """Ends a sandbox as Modal's own doing."""
        self._loop.call_soon_threadsafe(self._end, box, _R(status=status, exception="preempted"))

    def drop(self) -> None:
        """Cuts every connection that clients hold."""

        def cut() -> None:
            for protocol in self._server.protocols:
                with contextlib.suppress(AttributeError):
                    protocol.connection._transport.abort()

        self._loop.call_soon_threadsafe(cut)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._server = _Droppable([self])
        await self._server.start("127.0.0.1", 0)
        self._port = self._server._server.sockets[0].getsockname()[1]
        app = web.Application(client_max_size=2 * BLOCK)
        app.router.add_put("/block/{digest}", self._put_block)
        app.router.add_get("/read/{tail:.+}", self._get_block)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._http = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        for box in self.running():
            self._end(box, _R(status=_R.GENERIC_STATUS_TERMINATED))
        self._server.close()
        await runner.cleanup()

    # Names and images.

    def _id(self, prefix: str, name: str) -> str:
        return self._ids.setdefault(f"{prefix}/{name}", f"{prefix}-{uuid.uuid4().hex[:22]}")

    async def ClientHello(self, stream):
        await stream.recv_message()
        await stream.send_message(api_pb2.ClientHelloResponse())

    async def AppGetOrCreate(self, stream):
        request = await stream.recv_message()
        known = f"ap/{request.app_name}" in self._ids
        if not known and request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            raise GRPCError(Status.NOT_FOUND, f"App '{request.app_name}' not found")
        await stream.send_message(api_pb2.AppGetOrCreateResponse(app_id=self._id("ap", request.app_name)))

    async def EnvironmentGetOrCreate(self, stream):
        await stream.recv_message()
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
        await stream.send_message(api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata))

    async def ImageGetOrCreate(self, stream):
        request = await stream.recv_message()
        name = self._id("im", hashlib.sha256(request.image.SerializeToString(deterministic=True)).hexdigest())
        self.images[name] = request.image
        done = _R(status=_R.GENERIC_STATUS_SUCCESS)
        await stream.send_message(api_pb2.ImageGetOrCreateResponse(image_id=name, result=done))

    async def SecretGetOrCreate(self, stream):
        request = await stream.recv_message()
        if not request.deployment_name:  # made by the client from values
            name = self._id("st", uuid.uuid4().hex)
            self._ephemeral[name] = dict(request.env_dict)
        elif request.deployment_name in self.refused:
            raise GRPCError(Status.PERMISSION_DENIED, f"no access to Secret '{request.deployment_name}'")
        elif request.deployment_name not in self.secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{request.deployment_name}' not found")
        else:
            name = self._id("st", request.deployment_name)
            self._ephemeral[name] = self.secrets[request.deployment_name]
        await stream.send_message(api_pb2.SecretGetOrCreateResponse(secret_id=name))


async def _unknown(self, stream) -> None:
    raise GRPCError(Status.UNIMPLEMENTED, "the loopback does not speak this")


for _name in ModalClientBase.__abstractmethods__:
    if getattr(getattr(Loopback, _name), "__isabstractmethod__", False):
        setattr(Loopback, _name, _unknown)
Loopback.__abstractmethods__ = frozenset()
