"""Client: what a program can ask of kukeon, each method typed and described once; `dial` returns one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import BinaryIO

    from kukeon_api import model
    from kukeon_sdk.sessions import AttachSession, ExecSession
    from kukeon_sdk.streams import Stream

DIAL_TIMEOUT_S = 5.0


def dial(address: str | None = None, *, dial_timeout: float = DIAL_TIMEOUT_S) -> Client:
    """Return a client of the kukeond at `address`: `unix:///a/path`, or an absolute path.

    None means `$KUKEON_HOST`, else unix:///run/kukeon/kukeond.sock. Nothing is connected before the first call, which
    may take `dial_timeout` seconds to get through. Raises `UnsupportedSchemeError` for other schemes, `Invalid` for
    what is no address.
    """
    from kukeon_sdk import address as addresses
    from kukeon_sdk.remote import UnixClient

    path = addresses.socket_path(addresses.default_address() if address is None else address)
    return UnixClient(path, dial_timeout=dial_timeout)


class Client(Protocol):
    """Access to the kukeon of one host.

    `timeout` is in seconds; None waits as long as it takes. When it runs out `TimedOut` is raised, and the work that
    was asked for goes on in the daemon: a timeout, like Ctrl-C, ends the waiting only. A document serves as a request
    (`get`, `start`, `stop`, `kill`, `restart`, `delete`, `purge`: its names count, the rest is ignored) and as an
    answer.

    Every method raises `Unavailable` when kukeond can't be reached, `Denied` when its socket may not be used,
    `Invalid` when the input is wrong (`problems` has every place), `HostError` when the host refuses and `Conflict`
    after `close`; what changes something raises `Denied` for the realm `kuke-system`, which is kukeon's own. What else
    one raises stands with it. All of them are in `kukeon_sdk.errors`.
    """

    def close(self) -> None:
        """Hang up. Twice is fine; other methods raise `Conflict` afterwards."""
        ...

    def __enter__(self) -> Self:
        """Return the client itself; leaving the block closes it."""
        ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the client."""
        ...

    def ping(self, *, timeout: float | None = None) -> model.PingResult:
        """Return which kukeond answers and what it found on its host."""
        ...

    # Documents: any number of resources at once.

    def apply_documents(
        self, raw_yaml: bytes, dry_run: bool = False, prune: str = "", *, timeout: float | None = None
    ) -> model.ApplyDocumentsResult:
        """Make the host match the YAML documents; each resource's outcome is in the result, failures too.

        `dry_run` changes nothing and tells what would be done. `prune` is a label selector (`app=shop,tier!=test`):
        everything that matches it and that the documents do not name is deleted afterwards, unless one of them failed.
        Raises `Invalid` with every problem of every document, and then nothing was changed.
        """
        ...

    def delete_documents(
        self, raw_yaml: bytes, cascade: bool = False, force: bool = False, *, timeout: float | None = None
    ) -> model.DeleteDocumentsResult:
        """Delete what the YAML documents name, the innermost first; each resource's outcome is in the result.

        What is not there is `not found`, which is no failure: twice is fine. Raises `Invalid` with every problem of
        every document, and then nothing was deleted.
        """
        ...

    # Create: what exists already is completed and keeps its spec (`created` tells).

    def create_realm(self, doc: model.RealmDoc, *, timeout: float | None = None) -> model.CreateRealmResult:
        """Make the realm, or complete it when it exists. Raises `Conflict` when its namespace is another's."""
        ...

    def create_space(self, doc: model.SpaceDoc, *, timeout: float | None = None) -> model.CreateSpaceResult:
        """Make the space and its network, or complete it when it exists. Raises `RealmNotFound`."""
        ...

    def create_stack(self, doc: model.StackDoc, *, timeout: float | None = None) -> model.CreateStackResult:
        """Make the stack, or complete it when it exists. Raises `RealmNotFound` and `SpaceNotFound`."""
        ...

    def create_cell(
        self, doc: model.CellDoc, no_start: bool = False, *, timeout: float | None = None
    ) -> model.CreateCellResult:
        """Make the cell and start it (not so with `no_start`), or complete it when it exists.

        Raises `RealmNotFound`, `SpaceNotFound`, `StackNotFound`, and `ImageNotFound` when the realm lacks an image.
        """
        ...

    def create_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.CreateContainerResult:
        """Add the container to its cell, and start it when the cell runs; one that exists is completed.

        Raises `CellNotFound`, and `ImageNotFound` when the realm lacks the image.
        """
        ...

    # Get and list.

    def get_realm(self, doc: model.RealmDoc, *, timeout: float | None = None) -> model.GetRealmResult:
        """Return the realm; when there is none, `metadata_exists` is False and `realm` is `doc`."""
        ...

    def get_space(self, doc: model.SpaceDoc, *, timeout: float | None = None) -> model.GetSpaceResult:
        """Return the space; when there is none, `metadata_exists` is False and `space` is `doc`."""
        ...

    def get_stack(self, doc: model.StackDoc, *, timeout: float | None = None) -> model.GetStackResult:
        """Return the stack; when there is none, `metadata_exists` is False and `stack` is `doc`."""
        ...

    def get_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.GetCellResult:
        """Return the cell; when there is none, `metadata_exists` is False and `cell` is `doc`."""
        ...

    def get_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.GetContainerResult:
        """Return the container. Raises `CellNotFound`, and `ContainerNotFound` when its cell has none of that name."""
        ...

    def list_realms(self, *, timeout: float | None = None) -> tuple[model.RealmDoc, ...]:
        """Return every realm, in the order of their names."""
        ...

    def list_spaces(self, realm_name: str = "", *, timeout: float | None = None) -> tuple[model.SpaceDoc, ...]:
        """Return the spaces of a realm; an empty name means all realms."""
        ...

    def list_stacks(
        self, realm_name: str = "", space_name: str = "", *, timeout: float | None = None
    ) -> tuple[model.StackDoc, ...]:
        """Return the stacks within; an empty name means any."""
        ...

    def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", *, timeout: float | None = None
    ) -> tuple[model.CellDoc, ...]:
        """Return the cells within, with their states; an empty name means any."""
        ...

    def list_containers(
        self,
        realm_name: str = "",
        space_name: str = "",
        stack_name: str = "",
        cell_name: str = "",
        *,
        timeout: float | None = None,
    ) -> tuple[model.ContainerSpec, ...]:
        """Return the specs of the containers within; an empty name means any. Their states are in `list_cells`."""
        ...

    # Cells and containers, running and stopped. A cell's root container goes with its cell: alone it is refused with
    # `RootContainerRefused`.

    def start_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.StartCellResult:
        """Start every container of the cell that does not run. Raises `CellNotFound`."""
        ...

    def start_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.StartContainerResult:
        """Start one container. Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`."""
        ...

    def stop_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.StopCellResult:
        """Ask the cell's programs to end (SIGTERM), and make them after their grace period. Raises `CellNotFound`."""
        ...

    def stop_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.StopContainerResult:
        """Stop one container. Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`."""
        ...

    def kill_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.KillCellResult:
        """End the cell's programs at once (SIGKILL). Raises `CellNotFound`."""
        ...

    def kill_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.KillContainerResult:
        """End one container at once. Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`."""
        ...

    def restart_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.RestartCellResult:
        """Stop what runs of the cell, and start all of it. Raises `CellNotFound`."""
        ...

    def restart_container(
        self, doc: model.ContainerDoc, *, timeout: float | None = None
    ) -> model.RestartContainerResult:
        """Stop the container if it runs, and start it. Raises `CellNotFound`, `ContainerNotFound`."""
        ...

    def attach_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.AttachContainerResult:
        """Return the socket of the container's terminal.

        Raises `CellNotFound`, `ContainerNotFound`, and `AttachNotSupported` when the container has no terminal.
        """
        ...

    def log_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.LogContainerResult:
        """Return where on the host the container's output is written. Raises `CellNotFound`, `ContainerNotFound`."""
        ...

    # Delete takes what is stored; purge also what is left of something that nobody remembers.

    def delete_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteRealmResult:
        """Delete the realm; `cascade` also deletes what is inside, `force` means the same and is kept for scripts.

        Raises `RealmNotFound`, and `ResourceHasDependencies`, counting them, when something is inside and stays.
        """
        ...

    def delete_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteSpaceResult:
        """Delete the space and its network; see `delete_realm`. Raises `SpaceNotFound`, `ResourceHasDependencies`."""
        ...

    def delete_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteStackResult:
        """Delete the stack; see `delete_realm`. Raises `StackNotFound`, `ResourceHasDependencies`."""
        ...

    def delete_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.DeleteCellResult:
        """Delete the cell: end its programs, give its address back, remove what it wrote. Raises `CellNotFound`."""
        ...

    def delete_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.DeleteContainerResult:
        """End the container and take it out of its cell.

        Raises `CellNotFound`, `ContainerNotFound`, and `RootContainerRefused` for the cell's root container.
        """
        ...

    def purge_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeRealmResult:
        """Delete the realm and sweep up what is left of it, known or not; of what never was, nothing is left.

        `deleted` lists what a delete would have, `purged` the leftovers beyond that, `warnings` trouble that did not
        matter. Raises `ResourceHasDependencies` like `delete_realm`, and what keeps the realm from going away.
        """
        ...

    def purge_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeSpaceResult:
        """Delete the space and sweep up what is left of it; see `purge_realm`."""
        ...

    def purge_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeStackResult:
        """Delete the stack and sweep up what is left of it; see `purge_realm`."""
        ...

    def purge_cell(
        self, doc: model.CellDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeCellResult:
        """Delete the cell and sweep up what is left of it; the switches change nothing. See `purge_realm`."""
        ...

    def purge_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.PurgeContainerResult:
        """Delete the container and sweep up what is left of it; see `purge_realm`. Raises `RootContainerRefused`."""
        ...

    def refresh_all(self, *, timeout: float | None = None) -> model.RefreshAllResult:
        """Look at everything and store the states found; nothing else changes, nothing is started or stopped."""
        ...

    # Images: each realm has its own.

    def load_image(
        self,
        realm: str,
        tarball: bytes | BinaryIO | Iterable[bytes],
        *,
        platform: str = "",
        timeout: float | None = None,
    ) -> model.LoadImageResult:
        """Import an OCI or docker archive, plain, in gzip or in zstd, as it is read: it need not fit into memory.

        Of an image for several platforms, that of the host is kept; with `platform` that one (`linux/arm64`), with
        `all` every one that the archive has. A directory is sent by `layout_directory.archive`.

        Hanging up before the last byte is sent leaves nothing behind. Raises `RealmNotFound`, and `InvalidArchive`
        when the archive is damaged or hostile; whatever reading `tarball` raises is raised unchanged. A file is read
        from where it stands, on another thread, and is left open.
        """
        ...

    def list_images(self, realm: str, *, timeout: float | None = None) -> model.ListImagesResult:
        """Return the images of a realm, in the order of their names. Raises `RealmNotFound`."""
        ...

    def get_image(self, realm: str, ref: str, *, timeout: float | None = None) -> model.GetImageResult:
        """Return an image with its configuration and layers. Raises `RealmNotFound` and `ImageNotFound`."""
        ...

    def delete_image(self, realm: str, ref: str, *, timeout: float | None = None) -> model.DeleteImageResult:
        """Remove an image from a realm; what only it needed is off the disk on return.

        Raises `RealmNotFound` and `ImageNotFound`.
        """
        ...

    def pull_image(
        self,
        realm: str,
        ref: str,
        *,
        platform: str = "",
        login: model.RegistryLogin | None = None,
        timeout: float | None = None,
    ) -> Stream[model.TransferEvent]:
        """Fetch an image from its registry and yield how far it is; the last event has the `result`.

        `platform` is as for `load_image`. The realm's registry credentials come first, then `login` (see
        `kukeon_api.docker_config` for what docker keeps), then the logins of kukeond's own user. Closing the stream
        ends the pull, unless somebody else waits for the same one. Raises `RealmNotFound`, `ImageNotFound` when the
        registry does not have it, and the errors whose names begin with `Registry`.
        """
        ...

    def push_image(
        self,
        realm: str,
        ref: str,
        *,
        destination: str = "",
        platform: str = "",
        login: model.RegistryLogin | None = None,
        timeout: float | None = None,
    ) -> Stream[model.TransferEvent]:
        """Send an image to the registry that its name, or `destination`, says; the last event has the `result`.

        All that the name points at has to be in the realm, or with `platform` that one, which then goes alone. Logins
        are as for `pull_image`. Raises `RealmNotFound`, `ImageNotFound`, `Conflict` for what is incomplete, and the
        errors whose names begin with `Registry`.
        """
        ...

    def save_image(
        self,
        realm: str,
        refs: Sequence[str],
        *,
        platform: str = "",
        format: str = "oci",
        timeout: float | None = None,
    ) -> Stream[model.ArchivePiece]:
        """Yield an archive of images, as it is written: `format` is `oci` or `docker`, which both load again.

        Digests are kept. Without a `platform`, everything that is there of what the names point at goes along; `all`
        refuses when part of it is missing; `linux/arm64` takes that one alone. Raises `RealmNotFound`, `ImageNotFound`,
        `Conflict` for what is incomplete.
        """
        ...

    def tag_image(self, realm: str, ref: str, name: str, *, timeout: float | None = None) -> model.TagImageResult:
        """Give the image `ref` one more name; when there is an image `name`, the name moves.

        Raises `RealmNotFound`, `ImageNotFound`, and `InvalidImage` for a name with a digest.
        """
        ...

    def prune_images(
        self, realm: str, *, all: bool = False, dry_run: bool = False, timeout: float | None = None
    ) -> model.PruneImagesResult:
        """Remove the images without a tag that no cell uses, or with `all` every one that no cell uses.

        What broken off loads and pulls have left goes, too. With `dry_run` only tell. Raises `RealmNotFound`.
        """
        ...

    # Streams: they last until somebody ends them. `timeout` is how long the whole may take.

    def events(
        self,
        realm: str = "",
        space: str = "",
        stack: str = "",
        cell: str = "",
        *,
        kinds: Sequence[str] = (),
        since: str = "",
        follow: bool = False,
        timeout: float | None = None,
    ) -> Stream[model.Event]:
        """Yield what happens to the resources within; an empty name, or no kinds, means any.

        `follow` waits for more, from now on; without it comes what kukeond remembers. `since` is the `cursor` of the
        last event that was seen: the next ones come, without a gap. Where that is no longer possible, the first event
        is of type RESYNC, and what is known of the resources has to be listed again. Use it in a `with` block, or close
        it to end it. Raises `Invalid` with the first event for what is no kind or no cursor.
        """
        ...

    def logs(
        self,
        doc: model.ContainerDoc,
        *,
        follow: bool = False,
        tail: int = -1,
        since: str = "",
        previous: bool = False,
        timeout: float | None = None,
    ) -> Stream[model.LogEntry]:
        """Yield what the container's program has written, and with `follow` what it is writing.

        `tail` limits it to the last lines, `since` to what is not older than a time (RFC 3339) or an age (`5m`),
        `previous` shows the run before the present one. Use it in a `with` block, or close it to end it. With the first
        entry come `CellNotFound`, `ContainerNotFound`, `Conflict` when nothing was written, or no run before this one
        is known, and `Invalid` for what a terminal's transcript, which has no times, does not tell.
        """
        ...

    def exec(
        self,
        doc: model.ContainerDoc,
        command: Sequence[str],
        *,
        tty: bool = False,
        env: Sequence[str] = (),
        user: str = "",
        working_dir: str = "",
        rows: int = 0,
        columns: int = 0,
        timeout: float | None = None,
    ) -> ExecSession:
        """Run a program in a running container and return the session with it; use it in a `with` block.

        The program has the container's environment, user and working directory where `env` (`KEY=VALUE`), `user`
        (`name`, `uid`, either with `:group`) and `working_dir` say nothing else. With `tty` it runs in a terminal of
        `rows` and `columns`. Its input stays open until `close_stdin`. Ending the session, or losing kukeond, ends the
        program. Raises `CellNotFound`, `ContainerNotFound`, `Conflict` when the container does not run, `Invalid` when
        there is no such program, user or directory.
        """
        ...

    def attach(
        self,
        doc: model.ContainerDoc,
        *,
        rows: int = 0,
        columns: int = 0,
        position: int = 0,
        timeout: float | None = None,
    ) -> AttachSession:
        """Connect to the container's terminal and return the session with it; use it in a `with` block.

        The same as through the socket that `attach_container` tells, for clients that cannot reach it. It begins with
        recent output, or goes on at the `position` of an earlier session, if the terminal still knows that. Raises
        like `attach_container`.
        """
        ...

    def resize_terminal(
        self, doc: model.ContainerDoc, rows: int, columns: int, *, timeout: float | None = None
    ) -> model.ResizeTerminalResult:
        """Tell the container's terminal its size. Raises like `attach_container`."""
        ...
