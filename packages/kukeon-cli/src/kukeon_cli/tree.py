"""The table of commands: names, aliases and one line about each. Nothing else is imported to print the help."""

from __future__ import annotations

from kukeon_cli.lazy import Entry

COMMANDS = "kukeon_cli.commands"

ROOT = (
    Entry("init", f"{COMMANDS}.init:command", "Prepare this host and start kukeond."),
    Entry("status", f"{COMMANDS}.status:command", "Show whether kukeond, the host and the cells are well."),
    Entry("apply", f"{COMMANDS}.apply:command", "Make resources be what a manifest says."),
    Entry("get", f"{COMMANDS}.get:group", "Show one resource or many.", ("g",)),
    Entry("create", f"{COMMANDS}.create:group", "Create a realm, a space or a stack.", ("c",)),
    Entry("run", f"{COMMANDS}.run:command", "Create and start one cell from a file."),
    Entry("start", f"{COMMANDS}.start:command", "Start cells or containers.", ("sta",)),
    Entry("stop", f"{COMMANDS}.stop:command", "Stop cells or containers gracefully.", ("sto",)),
    Entry("kill", f"{COMMANDS}.kill:command", "Kill cells or containers at once.", ("k",)),
    Entry("delete", f"{COMMANDS}.delete:group", "Delete resources and what belongs to them.", ("d",)),
    Entry("log", f"{COMMANDS}.log:command", "Print what a container wrote.", ("logs",)),
    Entry("image", f"{COMMANDS}.image:group", "Load, list and delete images."),
    Entry("daemon", f"{COMMANDS}.daemon:group", "Start, stop and look into kukeond."),
    Entry("uninstall", f"{COMMANDS}.uninstall:command", "Remove everything that kukeon made on this host."),
    Entry("version", f"{COMMANDS}.version:command", "Print the versions of kuke and kukeond."),
    Entry("autocomplete", f"{COMMANDS}.autocomplete:command", "Print a completion script for a shell."),
)

GET = (
    Entry("realm", f"{COMMANDS}.get:realm", "Realms: tenants.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.get:space", "Spaces: networks of a realm.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.get:stack", "Stacks: groups of cells.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.get:cell", "Cells: groups of containers that share a network.", ("cells", "ce")),
    Entry("container", f"{COMMANDS}.get:container_command", "Containers of cells.", ("containers", "co")),
    Entry("image", f"{COMMANDS}.get:image_command", "Images loaded into realms.", ("images", "img")),
)

CREATE = (
    Entry("realm", f"{COMMANDS}.create:realm", "Create a realm.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.create:space", "Create a space with its network.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.create:stack", "Create a stack.", ("stacks", "st")),
)

DELETE = (
    Entry("realm", f"{COMMANDS}.delete:realm", "Delete realms.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.delete:space", "Delete spaces with their networks.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.delete:stack", "Delete stacks.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.delete:cell", "Stop and delete cells.", ("cells", "ce")),
    Entry("image", f"{COMMANDS}.image:delete_command", "Remove images from a realm.", ("images", "img")),
)

IMAGE = (
    Entry("load", f"{COMMANDS}.image:load_command", "Load an OCI or docker archive into a realm."),
    Entry("get", f"{COMMANDS}.get:image_command", "Images loaded into realms.", ("ls", "list")),
    Entry("delete", f"{COMMANDS}.image:delete_command", "Remove images from a realm.", ("rm", "remove")),
)

DAEMON = (
    Entry("start", f"{COMMANDS}.daemon:start_command", "Start kukeond and wait until it answers."),
    Entry("stop", f"{COMMANDS}.daemon:stop_command", "Stop kukeond; cells keep running."),
    Entry("restart", f"{COMMANDS}.daemon:restart_command", "Stop and start kukeond; cells keep running."),
    Entry("logs", f"{COMMANDS}.daemon:logs_command", "Print kukeond's own log.", ("log",)),
)
