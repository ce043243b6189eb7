"""The loopback's sandboxes: local processes."""

import asyncio
import codecs
import contextlib
import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from grpclib import GRPCError, Status
from modal_proto import api_pb2

_R = api_pb2.GenericResult


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


class Sandboxes:
    """The calls about sandboxes. `folder`, `boxes`, `hold`, `longest`, `_ephemeral`, `_folder` are Loopback's."""

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
        environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the image's Python is this one
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
