"""The loopback's Volumes: folders, filled and read block by block as Modal's client does it."""

import asyncio
import hashlib
import shutil
import uuid
from pathlib import Path

from aiohttp import web
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2

BLOCK = 8 * 1024 * 1024  # bytes, as the client cuts files


class Volumes:
    """The calls about Volumes, two HTTP routes. `folder`, `slow`, `_turn`, `_ids`, `_id`, `_http` are Loopback's."""

    async def VolumeGetOrCreate(self, stream):
        request = await stream.recv_message()
        there = self.volume(request.deployment_name).is_dir()
        if not there and request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            raise GRPCError(Status.NOT_FOUND, f"Volume '{request.deployment_name}' not found")
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
        await self._wait()
        data = await request.read()
        digest = hashlib.sha256(data).hexdigest()
        if digest != request.match_info["digest"]:
            return web.Response(status=400, text="these bytes have another digest")
        (self.folder / "blocks" / digest).write_bytes(data)
        return web.Response(text=digest)

    async def _wait(self) -> None:
        if self.slow:
            async with self._turn:
                await asyncio.sleep(self.slow)

    async def VolumeGetFile2(self, stream):
        request = await stream.recv_message()
        path = self._folder(request.volume_id) / request.path.lstrip("/")
        if not path.is_file():
            raise GRPCError(Status.NOT_FOUND, f"{request.path}: no such file")
        size, place = path.stat().st_size, path.relative_to(self.folder)
        urls = [f"{self._http}/read/{start}/{place}" for start in range(0, size, BLOCK)]
        await stream.send_message(api_pb2.VolumeGetFile2Response(get_urls=urls, size=size, start=0, len=size))

    async def _get_block(self, request):
        await self._wait()
        start, _, place = request.match_info["tail"].partition("/")
        with (self.folder / place).open("rb") as file:
            file.seek(int(start))
            return web.Response(body=file.read(BLOCK))

    async def VolumeListFiles2(self, stream):
        request = await stream.recv_message()
        root = self._folder(request.volume_id)
        if not (root / request.path.lstrip("/")).exists():
            raise GRPCError(Status.NOT_FOUND, f"{request.path}: no such file or folder")
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
        await stream.send_message(Empty())
