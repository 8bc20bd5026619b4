"""Find and run one CNI plugin: environment and stdin in, JSON back (door).

A plugin is trusted to configure the network, and with nothing else: its answer is bounded and checked, its words are
made printable, it sees no environment of ours but PATH, and it never outlives the call.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kukeon_cni import execution, result
from kukeon_cni.errors import CniError, ErrorCode, InvalidName, PluginNotFound, PluginTimeout, printable
from kukeon_cni.jsons import JsonObject, dump_object, load_object
from kukeon_cni.names import check_plugin_type

__all__ = ["DEFAULT_PLUGIN_DIRS", "TIMEOUT_S", "find_plugin", "plugin_path", "run_plugin", "supported_versions"]

# Where upstream, Debian and Fedora put them.
DEFAULT_PLUGIN_DIRS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
TIMEOUT_S = 60.0
_STDOUT_LIMIT = 1 << 20
_STDERR_LIMIT = 8 << 10
# The bridge plugin looks for iptables when asked to masquerade.
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What VERSION said, by the identity of the file, so that an upgraded plugin is asked again.
_versions: dict[tuple[str, int, int, int, int], tuple[str, ...]] = {}


def find_plugin(type_: str, dirs: Sequence[str | os.PathLike[str]] = DEFAULT_PLUGIN_DIRS) -> Path:
    """Return the first executable file called `type_` in `dirs`; raise `PluginNotFound` naming what was searched."""
    check_plugin_type(type_)
    for directory in dirs:
        path = Path(directory, type_)
        if path.is_file() and os.access(path, os.X_OK):
            return path
    searched = ", ".join(os.fspath(directory) for directory in dirs) or "no directory"
    raise PluginNotFound(
        None,
        f"cannot find CNI plugin {type_!r}: looked in {searched}",
        hint="install the CNI plugins (package containernetworking-plugins) or name their directory",
    )


def plugin_path(dirs: Sequence[str | os.PathLike[str]]) -> str:
    """Return CNI_PATH for `dirs`; raise `InvalidName` when one is relative or contains the separator."""
    texts = [os.fspath(directory) for directory in dirs]
    for text in texts:
        if not text.startswith("/") or ":" in text:
            raise InvalidName(None, f"cannot search {text!r} for plugins: an absolute path without ':' is needed")
    return ":".join(texts)


async def run_plugin(
    path: Path,
    command: str,
    config: JsonObject,
    environment: Mapping[str, str],
    *,
    timeout_s: float = TIMEOUT_S,
) -> JsonObject | None:
    """Run the plugin at `path` for `command` and return what it printed, None for nothing.

    `environment` holds the CNI_* parameters beside CNI_COMMAND. Raises `PluginTimeout` after `timeout_s` seconds and
    `CniError` for everything else: not startable, killed, an error of the plugin (its code, message, details and the
    end of its standard error), an answer that is not a JSON object or exceeds a mebibyte. The plugin and whatever
    it started are gone when this returns or raises, cancelled or not.
    """
    env = {"PATH": os.environ.get("PATH") or _DEFAULT_PATH, "CNI_COMMAND": command, **environment}
    name = path.name
    try:
        ended = await execution.run(
            [os.fspath(path)],
            dump_object(config),
            env,
            timeout_s=timeout_s,
            stdout_limit=_STDOUT_LIMIT,
            stderr_limit=_STDERR_LIMIT,
        )
    except OSError as error:
        raise CniError(
            ErrorCode.IO_FAILURE, f"cannot start plugin '{path}': {error.strerror or error}", hint="reinstall it"
        ) from error
    stderr = printable(ended.stderr.decode(errors="replace"), _STDERR_LIMIT)
    if ended.outcome == "timed out":
        raise PluginTimeout(None, f"cannot {command} with plugin {name!r}: killed after {timeout_s:g} s", stderr)
    if ended.outcome == "too much output":
        raise CniError(
            ErrorCode.UNDECODABLE,
            f"cannot {command} with plugin {name!r}: killed, it printed more than {_STDOUT_LIMIT} bytes",
            stderr,
        )
    if ended.returncode != 0:
        raise _failure(name, command, ended, stderr)
    if not ended.stdout.strip():
        return None
    try:
        return load_object(ended.stdout, f"the answer of plugin {name!r} to {command}")
    except CniError as error:
        raise CniError(error.code, error.message, _joined(error.details, stderr)) from error


async def supported_versions(path: Path, *, timeout_s: float = TIMEOUT_S) -> tuple[str, ...]:
    """Return the CNI versions the plugin at `path` supports, asked once per file."""
    key = _identity(path)
    if key not in _versions:
        # Older plugins want the version in the configuration, and the other parameters set though without meaning.
        dummies = {"CNI_CONTAINERID": "dummy", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy"}
        answer = await run_plugin(path, "VERSION", {"cniVersion": "1.0.0"}, dummies, timeout_s=timeout_s)
        _versions[key] = result.parse_versions(answer or {})
    return _versions[key]


def _identity(path: Path) -> tuple[str, int, int, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise PluginNotFound(None, f"cannot use plugin '{path}': {error.strerror}") from error
    return os.fspath(path), stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


def _failure(name: str, command: str, ended: execution.Ended, stderr: str) -> CniError:
    if ended.returncode is None:
        how = "it can not be killed"
    elif ended.returncode < 0:
        how = f"killed by signal {-ended.returncode}"
    else:
        how = f"exit code {ended.returncode}"
    try:
        error = result.parse_error(load_object(ended.stdout, "error"), name, command)
    except CniError:
        # The specification wants an error object; a crashed plugin has none, so its own words must do.
        said = printable(ended.stdout.decode(errors="replace"))
        return CniError(ErrorCode.INTERNAL, f"cannot {command} with plugin {name!r}: {how}", _joined(said, stderr))
    error.details = _joined(error.details, stderr)
    return error


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
