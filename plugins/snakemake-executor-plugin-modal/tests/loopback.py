"""A stand-in for Modal's servers on this machine, for the real client: built on the client's own protocol definitions.

It keeps Volumes as folders and runs a sandbox's command as a local process. What it cannot be: a sandbox here is no
container. So (1) an argument that lies below a mount path is rewritten to the Volume's folder, (2) the image is taken
as built and the command runs in this machine's environment, (3) a Volume's changes are seen at once, (4) GPU, CPU
and memory are noted and not given. Faults can be ordered: `preempt` (a sandbox ends as
terminated), `drop` (connections), `refused` (secrets), `hold` (none is scheduled), `longest` (seconds one lives).
"""

import asyncio
import codecs
import contextlib
import hashlib
import inspect
import os
import shutil
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from grpclib import GRPCError, Status
from grpclib.server import Server
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientBase

BLOCK = 8 * 1024 * 1024  # bytes, as the client cuts files
_R = api_pb2.GenericResult
TOKEN = {"MODAL_TOKEN_ID": "ak-loopback", "MODAL_TOKEN_SECRET": "as-loopback-token-secret"}


@dataclass
class Box:
    """One sandbox: what was asked for, its process, its log, its result."""

    id: str
    request: api_pb2.SandboxCreateRequest
    created: float
    process: asyncio.subprocess.Process | None = None
    log: list[tuple[int, str]] = field(default_factory=list)
    result: api_pb2.GenericResult | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def tags(self) -> dict[str, str]:
        return {tag.tag_name: tag.tag_value for tag in self.request.tags}

    def change(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class _Droppable(Server):
    def _protocol_factory(self):
        protocol = super()._protocol_factory()
        self.protocols = [*getattr(self, "protocols", []), protocol]
        return protocol


class Loopback(ModalClientBase):
    """The servers, in a thread of their own while it is entered. `environment()` is what leads the client to them."""

    def __init__(self, folder: Path, secrets: dict[str, dict[str, str]] | None = None) -> None:
        self.folder, self.secrets = folder, secrets or {}
        self.boxes: list[Box] = []
        self.images: dict[str, api_pb2.Image] = {}
        self.calls: list[str] = []
        self.refused: set[str] = set()
        self.hold = False
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

    # Volumes.

    async def VolumeGetOrCreate(self, stream):
        request = await stream.recv_message()
        self.volume(request.deployment_name).mkdir(exist_ok=True)
        name = self._id("vo", request.deployment_name)
        metadata = api_pb2.VolumeMetadata(version=api_pb2.VOLUME_FS_VERSION_V2, name=request.deployment_name)
        response = api_pb2.VolumeGetOrCreateResponse(volume_id=name, version=metadata.version, metadata=metadata)
        await stream.send_message(response)

    def _folder(self, volume_id: str) -> Path:
        (name,) = (key.partition("/")[2] for key, value in self._ids.items() if value == volume_id)
        return self.volume(name)

    async def VolumePutFiles2(self, stream):
        request = await stream.recv_message()
        response = api_pb2.VolumePutFiles2Response()
        for number, file in enumerate(request.files):
            for index, block in enumerate(file.blocks):
                digest = block.contents_sha256.hex()
                if not (self.folder / "blocks" / digest).exists():
                    response.missing_blocks.add(
                        file_index=number, block_index=index, put_url=f"{self._http}/block/{digest}"
                    )
        if not response.missing_blocks:
            for file in request.files:
                self._assemble(self._folder(request.volume_id) / file.path.lstrip("/"), file)
        await stream.send_message(response)

    def _assemble(self, target: Path, file) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        with temporary.open("wb") as out:
            for index, block in enumerate(file.blocks):
                out.seek(index * BLOCK)
                out.write((self.folder / "blocks" / block.contents_sha256.hex()).read_bytes())
            out.truncate(file.size)  # trailing zeros of a block are not sent
        temporary.replace(target)

    async def _put_block(self, request):
        data = await request.read()
        digest = hashlib.sha256(data).hexdigest()
        if digest != request.match_info["digest"]:
            return web.Response(status=400, text="these bytes have another digest")
        (self.folder / "blocks" / digest).write_bytes(data)
        return web.Response(text=digest)

    async def VolumeGetFile2(self, stream):
        request = await stream.recv_message()
        path = self._folder(request.volume_id) / request.path.lstrip("/")
        if not path.is_file():
            raise GRPCError(Status.NOT_FOUND, f"{request.path}: no such file")
        size, place = path.stat().st_size, path.relative_to(self.folder)
        urls = [f"{self._http}/read/{start}/{place}" for start in range(0, size, BLOCK)]
        await stream.send_message(api_pb2.VolumeGetFile2Response(get_urls=urls, size=size, start=0, len=size))

    async def _get_block(self, request):
        start, _, place = request.match_info["tail"].partition("/")
        with (self.folder / place).open("rb") as file:
            file.seek(int(start))
            return web.Response(body=file.read(BLOCK))

    async def VolumeListFiles2(self, stream):
        request = await stream.recv_message()
        root = self._folder(request.volume_id)
        found = (root / request.path.lstrip("/")).glob("**/*" if request.recursive else "*")
        entries = [
            api_pb2.FileEntry(
                path=path.relative_to(root).as_posix(),
                type=api_pb2.FileEntry.DIRECTORY if path.is_dir() else api_pb2.FileEntry.FILE,
                size=path.stat().st_size,
            )
            for path in sorted(found)
        ]
        await stream.send_message(api_pb2.VolumeListFiles2Response(entries=entries))

    async def VolumeRemoveFile2(self, stream):
        request = await stream.recv_message()
        path = self._folder(request.volume_id) / request.path.lstrip("/")
        if not path.exists():
            raise GRPCError(Status.NOT_FOUND, f"{request.path}: no such file")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        await stream.send_message(api_pb2.google_dot_protobuf_dot_empty__pb2.Empty())

    # Sandboxes.

    async def SandboxCreate(self, stream):
        request = await stream.recv_message()
        key = stream.metadata["x-idempotency-key"]  # the client's second try of the same call makes no second sandbox
        if key not in self._done:
            box = Box("sb-" + uuid.uuid4().hex[:22], request, time.time())
            self.boxes.append(box)
            self._done[key] = api_pb2.SandboxCreateResponse(sandbox_id=box.id)
            if not self.hold:
                await self._start(box)
        await stream.send_message(self._done[key])

    async def _start(self, box: Box) -> None:
        definition = box.request.definition
        mounts = {mount.mount_path: str(self._folder(mount.volume_id)) for mount in definition.volume_mounts}
        disk = self.folder / "disks" / box.id
        disk.mkdir(parents=True)
        hidden = ("MODAL_", "SNAKEMAKE_", "PYTEST_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        for name in definition.secret_ids:
            environment |= self._ephemeral[name]
        box.process = await asyncio.create_subprocess_exec(
            *(_placed(argument, mounts) for argument in definition.entrypoint_args),
            cwd=disk,
            env={**environment, "TMPDIR": str(disk)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        box.task = asyncio.create_task(self._watch(box, min(definition.timeout_secs, self.longest)))

    async def _watch(self, box: Box, seconds: int) -> None:
        async def read(reader, descriptor: int) -> None:
            decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
            while data := await reader.read(1 << 16):
                box.log.append((descriptor, decoder.decode(data)))
                box.change()

        reads = asyncio.gather(read(box.process.stdout, 1), read(box.process.stderr, 2))
        try:
            await asyncio.wait_for(box.process.wait(), seconds)
        except TimeoutError:
            self._end(box, _R(status=_R.GENERIC_STATUS_TIMEOUT))
        await reads
        code = box.process.returncode
        status = _R.GENERIC_STATUS_FAILURE if code else _R.GENERIC_STATUS_SUCCESS
        self._end(box, _R(status=status, exitcode=code if code >= 0 else 128 - code))

    def _end(self, box: Box, result: api_pb2.GenericResult) -> None:
        if box.result is None:
            box.result = result
        if box.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(box.process.pid, signal.SIGKILL)
        box.change()

    def _box(self, name: str) -> Box:
        for box in self.boxes:
            if box.id == name:
                return box
        raise GRPCError(Status.NOT_FOUND, f"Sandbox '{name}' not found")

    async def SandboxGetTaskId(self, stream):
        box = self._box((await stream.recv_message()).sandbox_id)
        response = api_pb2.SandboxGetTaskIdResponse()
        if box.process is not None:
            response.task_id = f"ta-{box.id}"
        elif box.result is not None:
            response.task_result.CopyFrom(box.result)
        await stream.send_message(response)

    async def SandboxWait(self, stream):
        request = await stream.recv_message()
        box, end = self._box(request.sandbox_id), time.monotonic() + request.timeout
        while box.result is None and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(box.changed.wait(), max(0.0, end - time.monotonic()))
        await stream.send_message(api_pb2.SandboxWaitResponse(result=box.result))

    async def SandboxGetLogs(self, stream):
        request = await stream.recv_message()
        box, seen = self._box(request.sandbox_id), int(request.last_entry_id or 0)
        end = time.monotonic() + request.timeout
        while time.monotonic() < end:
            changed = box.changed
            for descriptor, text in box.log[seen:]:
                seen += 1
                if descriptor == request.file_descriptor:
                    item = api_pb2.TaskLogs(data=text, file_descriptor=descriptor)
                    await stream.send_message(api_pb2.TaskLogsBatch(entry_id=str(seen), items=[item]))
            if box.result is not None and seen == len(box.log):
                await stream.send_message(api_pb2.TaskLogsBatch(entry_id=str(seen), eof=True))
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), 0.5)

    async def SandboxTerminate(self, stream):
        box = self._box((await stream.recv_message()).sandbox_id)
        response = api_pb2.SandboxTerminateResponse(existing_result=box.result)
        self._end(box, _R(status=_R.GENERIC_STATUS_TERMINATED))
        await stream.send_message(response)

    async def SandboxList(self, stream):
        request = await stream.recv_message()
        wanted = {tag.tag_name: tag.tag_value for tag in request.tags}
        response = api_pb2.SandboxListResponse()
        for box in reversed(self.boxes):
            older = not request.before_timestamp or box.created < request.before_timestamp
            if box.result is None and older and wanted.items() <= box.tags.items():
                response.sandboxes.add(id=box.id, created_at=box.created)
        await stream.send_message(response)

    async def SandboxTagsGet(self, stream):
        box = self._box((await stream.recv_message()).sandbox_id)
        await stream.send_message(api_pb2.SandboxTagsGetResponse(tags=box.request.tags))


def _placed(argument: str, mounts: dict[str, str]) -> str:
    for mount, folder in mounts.items():
        if argument == mount or argument.startswith(f"{mount}/"):
            return folder + argument[len(mount) :]
    return argument


async def _unknown(self, stream) -> None:
    raise GRPCError(Status.UNIMPLEMENTED, "the loopback does not speak this")


for _name in ModalClientBase.__abstractmethods__:
    if inspect.isabstract(Loopback) and _name not in vars(Loopback):
        setattr(Loopback, _name, _unknown)
Loopback.__abstractmethods__ = frozenset()
