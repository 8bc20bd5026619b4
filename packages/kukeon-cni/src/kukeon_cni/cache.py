"""What was added, remembered until it is deleted: one file per attachment (door).

`<directory>/<network>/<container id>@<interface>`: the id has no `@`, so the name is unambiguous. The files belong
under `/run`: an attachment does not survive a reboot, hence nothing is fsynced.
"""

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path

from kukeon_cni import conflist, result
from kukeon_cni.conflist import NetworkList
from kukeon_cni.errors import CniError, ErrorCode
from kukeon_cni.jsons import JsonObject, dump_object, load_object
from kukeon_cni.names import check_container_id, check_ifname, check_network_name

__all__ = ["Attachment", "ResultCache"]

_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True)
class Attachment:
    """A successful ADD with everything its DEL needs: parameters, the configuration of that time, the outcome."""

    container_id: str
    ifname: str
    netns: str
    args: tuple[tuple[str, str], ...]
    capability_args: JsonObject
    network: NetworkList
    result: result.Result


class ResultCache:
    """The attachments of one network."""

    def __init__(self, directory: Path, network: str) -> None:
        self.directory = directory / check_network_name(network)
        self._network = network

    def save(self, attachment: Attachment) -> None:
        """Write the attachment's file, whole or not at all. Raises `CniError`."""
        path = self._path(attachment.container_id, attachment.ifname)
        content = dump_object(
            {
                "containerId": attachment.container_id,
                "ifName": attachment.ifname,
                "netns": attachment.netns,
                "args": attachment.args,
                "capabilityArgs": attachment.capability_args,
                "network": load_object(conflist.to_json(attachment.network), "network list"),
                "result": attachment.result.raw,
            }
        )
        # Not a name `list` accepts, and the same each time, so a crash leaves one file that the next try replaces.
        temporary = path.with_name(f".{path.name}")
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(content)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _io_error("write", path, error) from error

    def find(self, container_id: str, ifname: str) -> Attachment | None:
        """Return the attachment, None when there is none; `CniError` when its file can not be understood."""
        path = self._path(container_id, ifname)
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _io_error("read", path, error) from error
        top = load_object(data, f"cached result '{path}'")
        try:
            return _attachment(top, container_id, ifname)
        except (KeyError, TypeError, ValueError) as error:
            raise CniError(
                ErrorCode.UNDECODABLE, f"cannot read cached result '{path}': not written by us", repr(error)[:200]
            ) from error

    def list(self) -> list[tuple[str, str]]:
        """Return container id and interface name of every attachment, sorted."""
        try:
            names = sorted(path.name for path in self.directory.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _io_error("list", self.directory, error) from error
        pairs = (name.partition("@") for name in names if not name.startswith("."))
        return [(container_id, ifname) for container_id, _, ifname in pairs if ifname]

    def delete(self, container_id: str, ifname: str) -> None:
        """Remove the attachment's file; it may be gone already."""
        path = self._path(container_id, ifname)
        try:
            path.unlink(missing_ok=True)
            path.with_name(f".{path.name}").unlink(missing_ok=True)
        except OSError as error:
            raise _io_error("remove", path, error) from error

    def wipe(self) -> None:
        """Remove every attachment's file and the directory; files of others stay and make it a `CniError`."""
        try:
            for path in list(self.directory.iterdir()):
                if "@" in path.name:
                    path.unlink(missing_ok=True)
            self.directory.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _io_error("remove", self.directory, error) from error

    def _path(self, container_id: str, ifname: str) -> Path:
        return self.directory / f"{check_container_id(container_id)}@{check_ifname(ifname)}"


def _attachment(top: JsonObject, container_id: str, ifname: str) -> Attachment:
    network, raw, args, capability_args = top["network"], top["result"], top["args"], top["capabilityArgs"]
    if not isinstance(network, dict) or not isinstance(raw, dict) or not isinstance(capability_args, dict):
        raise TypeError("'network', 'result' and 'capabilityArgs' must be objects")
    if not isinstance(args, list):
        raise TypeError("'args' must be a list")
    version = str(raw["cniVersion"])
    if version not in conflist.VERSIONS:
        raise ValueError(f"result of version {version!r}")
    return Attachment(
        container_id=container_id,
        ifname=ifname,
        netns=str(top["netns"]),
        args=tuple((str(key), str(value)) for key, value in args),
        capability_args=capability_args,
        network=_network(dump_object(network)),
        result=result.parse(raw, version),
    )


@functools.lru_cache(maxsize=64)
def _network(text: bytes) -> NetworkList:
    """The configuration in `text`: that of one network is the same in the file of each of its attachments."""
    return conflist.parse(text)


def _io_error(verb: str, path: Path, error: OSError) -> CniError:
    return CniError(ErrorCode.IO_FAILURE, f"cannot {verb} '{path}': {error.strerror or error}")
