"""`kuke create container`: one more container for a cell that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kukeon_api import model
    from kukeon_api.model import Ref
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

IMAGE = "docker.io/library/debian:latest"

# parameter (and the end of its variable), flag, metavar, help
_MANY = (
    ("args", "--args", "ARG", "Argument of the program."),
    ("env", "--env", "KEY=VALUE", "Variable of its environment."),
    ("ports", "--port", "PORT", "Port to publish."),
    ("volumes", "--volume", "SRC:DST[:ro|rw]", "Directory or file of the host, and where it is mounted."),
    ("networks", "--network", "NAME", "Further network."),
    ("network_aliases", "--network-alias", "NAME", "Further name on the network."),
    ("labels", "--label", "KEY=VALUE", "Label."),
    ("cap_add", "--cap-add", "CAPABILITY", "Capability to add."),
    ("cap_drop", "--cap-drop", "CAPABILITY", "Capability to drop; ALL drops every one."),
    ("security_opts", "--security-opt", "OPTION", "Security option, like no-new-privileges."),
    ("tmpfs", "--tmpfs", "PATH[:OPTIONS]", "Fresh memory, like /tmp:size=64m,mode=1777."),
)
_ONE = (
    ("image", "--image", "REF", f"Image.  [default: {IMAGE}]"),
    ("command", "--command", "PROGRAM", "Program to run.  [default: the image's]"),
    ("working_dir", "--workdir", "DIRECTORY", "Where it runs.  [default: the image's]"),
    ("user", "--user", "UID[:GID]", "Who it runs as.  [default: the space's, or the image's]"),
    ("memory", "--memory", "SIZE", "Most memory: bytes, or a number with k, m or g (of 1024)."),
    ("cpu_shares", "--cpu-shares", "NUMBER", "Share of the processors, beside others' 1024."),
    ("pids_limit", "--pids-limit", "NUMBER", "Most processes."),
    ("restart_policy", "--restart-policy", "POLICY", "When it is started again."),
    ("cni_config_path", "--cni-config-path", "FILE", "Network configuration of its own."),
)
_SWITCHES = (
    ("privileged", "--privileged", "Give it all rights on the host."),
    ("root", "--root", "Make it the cell's root container."),
    ("read_only", "--read-only", "Mount its root file system read-only."),
)

LATER = frozenset({"--network", "--network-alias", "--cni-config-path"})
"""What nothing makes work yet; the help says so without asking the model, which costs time."""

PATHS = {
    "spec.image": "--image",
    "spec.command": "--command",
    "spec.workingDir": "--workdir",
    "spec.args": "--args",
    "spec.env": "--env",
    "spec.ports": "--port",
    "spec.volumes": "--volume",
    "spec.networks": "--network",
    "spec.networksAliases": "--network-alias",
    "spec.labels": "--label",
    "metadata.labels": "--label",
    "spec.capabilities.add": "--cap-add",
    "spec.capabilities.drop": "--cap-drop",
    "spec.securityOpts": "--security-opt",
    "spec.tmpfs": "--tmpfs",
    "spec.user": "--user",
    "spec.resources.memoryLimitBytes": "--memory",
    "spec.resources.cpuShares": "--cpu-shares",
    "spec.resources.pidsLimit": "--pids-limit",
    "spec.imagePullPolicy": "--image-pull-policy",
    "spec.restartPolicy": "--restart-policy",
    "spec.cniConfigPath": "--cni-config-path",
    "spec.privileged": "--privileged",
    "spec.root": "--root",
    "spec.readOnlyRootFilesystem": "--read-only",
}
"""Path in the document -> the flag that it comes from."""


def create(client: Client, doc: model.ContainerDoc, out: Output) -> None:
    """Make sure that the container is in its cell and runs; say what of it was there before."""
    from kukeon_api import model
    from kukeon_cli import creation, prefetch

    ref = model.ref_of(doc)
    prefetch.missing(client, [doc])
    result = creation.make(client, ref, lambda: client.create_container(doc), wanted=doc)
    out.result(result, creation.lines(ref, result), [f"container/{ref.name}"])


def document(ref: Ref, given: Mapping[str, Any]) -> model.ContainerDoc:
    """Return the container that the flags describe; raises `Invalid` that names the flag, and `NotSupportedYet`."""
    import msgspec

    from kukeon_api import model
    from kukeon_cli import container_flags as flags
    from kukeon_cli import resources

    bare = resources.container_document(ref)
    drop, add = given["cap_drop"], given["cap_add"]
    spec = msgspec.structs.replace(
        bare.spec,
        root=given["root"],
        image=IMAGE if given["image"] is None else given["image"],
        command=given["command"] or "",
        args=given["args"],
        working_dir=given["working_dir"] or "",
        env=flags.variables(given["env"]),
        ports=given["ports"],
        volumes=tuple(flags.volume(value) for value in given["volumes"]),
        networks=given["networks"],
        networks_aliases=given["network_aliases"],
        privileged=given["privileged"],
        user=given["user"],
        read_only_root_filesystem=True if given["read_only"] else None,
        capabilities=model.Capabilities(drop=drop, add=add) if drop or add else None,
        security_opts=given["security_opts"] or None,
        tmpfs=tuple(flags.tmpfs(value) for value in given["tmpfs"]) or None,
        resources=_limits(given),
        cni_config_path=given["cni_config_path"] or "",
        image_pull_policy=given["image_pull_policy"] or "",
        restart_policy=given["restart_policy"] or "",
    )
    labels = flags.pairs("--label", given["labels"])
    doc = model.ContainerDoc(metadata=msgspec.structs.replace(bare.metadata, labels=labels), spec=spec)
    flags.check(doc, PATHS)
    return doc


def _limits(given: Mapping[str, Any]) -> model.Resources | None:
    from kukeon_api import model
    from kukeon_cli import container_flags as flags

    if given["memory"] is None and given["cpu_shares"] is None and given["pids_limit"] is None:
        return None
    return model.Resources(
        memory_limit_bytes=None if given["memory"] is None else flags.size("--memory", given["memory"]),
        cpu_shares=_number("--cpu-shares", given["cpu_shares"]),
        pids_limit=_number("--pids-limit", given["pids_limit"]),
    )


def _number(flag: str, text: str | None) -> int | None:
    from kukeon_cli import container_flags as flags

    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise flags.wrong(flag, text, "it is no whole number")
    return int(text)


def _text(flag: str, text: str) -> str:
    return f"{text}  [not supported yet]" if flag in LATER else text


def _described(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, flag, text in reversed(_SWITCHES):
        function = click.option(flag, name, is_flag=True, help=_text(flag, text))(function)
    for name, flag, shown, text in reversed(_MANY):
        function = click.option(
            flag,
            name,
            multiple=True,
            type=options.Words(flag),
            metavar=shown,
            help=_text(flag, f"{text}  [may be repeated]"),
        )(function)
    for name, flag, shown, text in reversed(_ONE):
        complete = options.completion("image") if name == "image" else None
        function = click.option(flag, name, metavar=shown, help=_text(flag, text), shell_complete=complete)(function)
    return function


@click.command("container", cls=lazy.Command)
@options.name("container", variable="KUKE_CREATE_CONTAINER_NAME", complete=False)
@click.argument("program", metavar="[-- COMMAND [ARG...]]", nargs=-1, type=click.UNPROCESSED)
@options.scope("realm", "space", "stack", "cell")
@options.image_pull_policy
@_described
@options.output()
@click.pass_obj
def command(
    session: Session,
    /,
    name: str,
    program: tuple[str, ...],
    realm: str | None,
    space: str | None,
    stack: str | None,
    cell: str | None,
    output: str,
    **given: Any,
) -> None:
    """Add a container to a cell and start it.

    It becomes part of the cell, as if it stood in its file. What exists already is left as it is. An environment
    variable that stands in for a repeated flag has several values with spaces between them, quoted as in a shell.

    \b
        kuke create container db --cell web --image postgres:16 --env POSTGRES_DB=shop
        kuke create container log --cell web --image busybox -- tail -f /var/log/app
    """
    from kukeon_cli import resources

    if program:
        if given["command"] is not None or given["args"]:
            raise click.UsageError("give --command and --args or a command after --, not both")
        given |= {"command": program[0], "args": program[1:]}
    ref = resources.Scope(realm, space, stack, cell).at("Container", name)
    create(session.client, document(ref, given), session.output(output))
