"""A controller in memory, and a daemon process around it: what is tested is the daemon, not the host.

Run as a program it is `kukeond serve` with this controller: `python kukeond_memory.py [options of serve]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Report:
    """What bootstrap says."""

    rows: tuple[Any, ...] = ()


class MemoryController:
    """Realms in a dict. Creating `slow` waits for `gate`, so that a test decides when work ends."""

    def __init__(self) -> None:
        self.realms: dict[str, model.RealmDoc] = {}
        self.cells: tuple[model.CellDoc, ...] = ()
        self.began = asyncio.Event()
        self.read = asyncio.Event()
        """Set when an upload was read to its end."""
        self.gate = asyncio.Event()
        self.undone = False
        self.uploads: list[str] = []
        self.received = 0
        self.passes = 0

    async def ping(self) -> model.PingResult:
        return model.PingResult(ok=True, version="test")

    async def create_realm(self, doc: model.RealmDoc) -> model.CreateRealmResult:
        name = doc.metadata.name
        if name == "slow":
            self.began.set()
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.undone = True
                raise
        created = name not in self.realms
        self.realms[name] = doc
        return model.CreateRealmResult(realm=doc, created=created)

    async def get_realm(self, doc: model.RealmDoc) -> model.GetRealmResult:
        found = self.realms.get(doc.metadata.name)
        return model.GetRealmResult(realm=found or doc, metadata_exists=found is not None)

    async def list_realms(self) -> tuple[model.RealmDoc, ...]:
        return tuple(self.realms.values())

    async def list_cells(self, realm: str, space: str, stack: str) -> tuple[model.CellDoc, ...]:
        return self.cells

    async def delete_realm(self, doc: model.RealmDoc, force: bool, cascade: bool) -> model.DeleteRealmResult:
        if doc.metadata.name not in self.realms:
            raise errors.RealmNotFound(f"cannot delete realm {doc.metadata.name!r}: no such realm", hint="look first")
        if not cascade:
            raise errors.ResourceHasDependencies(f"cannot delete realm {doc.metadata.name!r}: 2 spaces inside")
        return model.DeleteRealmResult(realm=self.realms.pop(doc.metadata.name), metadata_deleted=True)

    async def start_cell(self, doc: model.CellDoc) -> model.StartCellResult:
        raise ZeroDivisionError("a bug with secret words")

    async def apply_documents(
        self, raw_yaml: bytes, dry_run: bool = False, prune: str = ""
    ) -> model.ApplyDocumentsResult:
        if raw_yaml == b"fine":
            actions = (model.ApplyAction.CREATED, model.ApplyAction.FAILED, model.ApplyAction.UNCHANGED)
            return model.ApplyDocumentsResult(resources=tuple(model.ApplyResourceResult(action=a) for a in actions))
        count = int(raw_yaml)
        raise errors.InvalidManifest(
            f"{count} problems",
            problems=[errors.Problem(source="a.yaml", line=n, message="x" * 100) for n in range(count)],
        )

    async def load_image(self, realm: str, chunks: AsyncIterator[bytes], platform: str) -> model.LoadImageResult:
        digest = hashlib.sha256()
        try:
            async for chunk in chunks:
                self.received += len(chunk)
                self.began.set()
                digest.update(chunk)
                if chunk.startswith(b"hostile"):
                    raise errors.InvalidArchive("cannot load the image: hostile")
        except errors.Aborted:
            self.uploads.append("aborted")
            raise
        except asyncio.CancelledError:
            self.uploads.append("cancelled")
            raise
        self.read.set()
        if realm == "slow":
            await self.gate.wait()
        self.uploads.append("complete")
        return model.LoadImageResult(realm=realm, images=(digest.hexdigest(),))

    async def bootstrap(self) -> Report:
        return Report()

    async def reconcile(self) -> None:
        self.passes += 1

    async def watch_events(self) -> None:
        await asyncio.Event().wait()

    async def keep_current(self) -> None:
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def open_memory(home: Path) -> AsyncIterator[MemoryController]:
    """Yield a controller that a test steers by files: work waits until `home/gate` exists."""
    controller = MemoryController()

    async def steer() -> None:
        while not (home / "gate").exists():
            if controller.began.is_set():
                (home / "began").touch()
            await asyncio.sleep(0.01)
        controller.gate.set()

    steering = asyncio.create_task(steer())
    yield controller
    steering.cancel()
    (home / "closed").write_text(f"{sorted(controller.realms)} undone={controller.undone}")


def main() -> int:
    """Serve with a controller in memory; the run path is where the steering files are."""
    from pathlib import Path

    from kukeon_daemon import config, logs, serve

    flags = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    settings = config.load(flags, {})
    logs.configure(settings.log_level)
    serve.GRACE_S = float(flags.get("grace", "10"))
    try:
        asyncio.run(
            serve.serve(
                settings,
                lambda options: open_memory(Path(options.run_path)),
                lambda: config.load(flags, {}).log_level,
            )
        )
    except errors.KukeonError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
