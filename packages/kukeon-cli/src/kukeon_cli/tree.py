"""The table of commands: names, aliases and one line about each. Nothing else is imported to print the help."""

from __future__ import annotations

from kukeon_cli.lazy import Entry

COMMANDS = "kukeon_cli.commands"

ROOT = (
    Entry("init", f"{COMMANDS}.init:command", "Prepare this host and start kukeond."),
    Entry("status", f"{COMMANDS}.status:command", "Show whether kukeond, the host and the cells are well."),
    Entry("apply", f"{COMMANDS}.apply:command", "Make resources be what a manifest says."),
    Entry("diff", f"{COMMANDS}.diff:command", "Show what `kuke apply` would change."),
    Entry("get", f"{COMMANDS}.get:group", "Show one resource or many.", ("g",)),
    Entry("describe", f"{COMMANDS}.describe:group", "Tell everything about resources.", ("desc",)),
    Entry("events", f"{COMMANDS}.events:command", "Show what happened to resources.", ("event", "ev")),
    Entry("wait", f"{COMMANDS}.wait:command", "Wait until resources are in a state."),
    Entry("create", f"{COMMANDS}.create:group", "Create a resource by its name and flags.", ("c",)),
    Entry("run", f"{COMMANDS}.run:command", "Run one cell, in the foreground or not."),
    Entry("start", f"{COMMANDS}.start:group", "Start cells or containers.", ("sta",)),
    Entry("stop", f"{COMMANDS}.stop:group", "Stop cells or containers gracefully.", ("sto",)),
    Entry("kill", f"{COMMANDS}.kill:group", "Kill cells or containers at once.", ("k",)),
    Entry("restart", f"{COMMANDS}.restart:group", "Stop and start cells or containers.", ("res",)),
    Entry("delete", f"{COMMANDS}.delete:group", "Delete resources and what belongs to them.", ("d",)),
    Entry("purge", f"{COMMANDS}.purge:group", "Delete resources and sweep up every trace of them.", ("p",)),
    Entry("refresh", f"{COMMANDS}.refresh:command", "Look at the host and bring all statuses up to date."),
    Entry("attach", f"{COMMANDS}.attach:command", "Connect this terminal with that of a container.", ("att",)),
    Entry("exec", f"{COMMANDS}.exec:command", "Run a program in a container."),
    Entry("log", f"{COMMANDS}.log:command", "Print what a container wrote.", ("logs",)),
    Entry("build", f"{COMMANDS}.build:command", "Have an image built and load it into a realm."),
    Entry("image", f"{COMMANDS}.image:group", "Pull, push, load, save, list and delete images."),
    Entry("daemon", f"{COMMANDS}.daemon:group", "Start, stop and look into kukeond."),
    Entry("doctor", f"{COMMANDS}.doctor:group", "Find out what keeps this host from running cells."),
    Entry("uninstall", f"{COMMANDS}.uninstall:command", "Remove everything that kukeon made on this host."),
    Entry("explain", f"{COMMANDS}.explain:command", "Describe a kind of manifest and its fields."),
    Entry("config", f"{COMMANDS}.config:group", "Show the settings of kuke."),
    Entry("version", f"{COMMANDS}.version:command", "Print the versions of kuke and kukeond."),
    Entry("autocomplete", f"{COMMANDS}.autocomplete:command", "Print a completion script for a shell."),
)

GET = (
    Entry("realm", f"{COMMANDS}.get:realm", "Realms: tenants.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.get:space", "Spaces: networks of a realm.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.get:stack", "Stacks: groups of cells.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.get:cell", "Cells: groups of containers that share a network.", ("cells", "ce")),
    Entry("container", f"{COMMANDS}.get:container_command", "Containers of cells.", ("containers", "co")),
    Entry("image", f"{COMMANDS}.get:image_command", "Images of realms.", ("images", "img")),
)

DESCRIBE = (
    Entry("realm", f"{COMMANDS}.describe:realm", "A realm: its namespace, state and events.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.describe:space", "A space: its network, state and events.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.describe:stack", "A stack: its state and events.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.describe:cell", "A cell: its containers, address, state and events.", ("cells", "ce")),
    Entry(
        "container",
        f"{COMMANDS}.describe:container",
        "A container: what it runs, how it ended, its restarts and events.",
        ("containers", "co"),
    ),
)

CREATE = (
    Entry("realm", f"{COMMANDS}.create:realm", "Create a realm.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.create:space", "Create a space with its network.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.create:stack", "Create a stack.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.create_cell:command", "Create a cell and start it.", ("cells", "ce")),
    Entry(
        "container",
        f"{COMMANDS}.create_container:command",
        "Add a container to a cell and start it.",
        ("containers", "co"),
    ),
    Entry(
        "registry-credential",
        f"{COMMANDS}.create_credential:command",
        "Have a realm log in to a registry.",
        ("registry-credentials", "registry-cred", "regcred"),
    ),
)

DELETE = (
    Entry("realm", f"{COMMANDS}.delete:realm", "Delete realms.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.delete:space", "Delete spaces with their networks.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.delete:stack", "Delete stacks.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.delete:cell", "Stop and delete cells.", ("cells", "ce")),
    Entry("container", f"{COMMANDS}.delete:container", "Take containers out of their cell.", ("containers", "co")),
    Entry("image", f"{COMMANDS}.image:delete_command", "Remove images from a realm.", ("images", "img")),
)

PURGE = (
    Entry("realm", f"{COMMANDS}.purge:realm", "Purge realms.", ("realms", "r")),
    Entry("space", f"{COMMANDS}.purge:space", "Purge spaces.", ("spaces", "sp")),
    Entry("stack", f"{COMMANDS}.purge:stack", "Purge stacks.", ("stacks", "st")),
    Entry("cell", f"{COMMANDS}.purge:cell", "Purge cells.", ("cells", "ce")),
    Entry("container", f"{COMMANDS}.purge:container", "Purge containers.", ("containers", "co")),
)


def lifecycle(verb: str) -> tuple[Entry, ...]:
    """Return the table of `start`, `stop`, `kill` or `restart`."""
    capital = verb.capitalize()
    return (
        Entry("cell", f"{COMMANDS}.{verb}:cell", f"{capital} cells.", ("cells", "ce")),
        Entry("container", f"{COMMANDS}.{verb}:container", f"{capital} containers of a cell.", ("containers", "co")),
    )


ROOT_LATER = {
    "team": "set up teams",
    "cp": "copy files",
    "top": "show what cells use",
    "stats": "show what cells use",
}
"""Commands that nothing makes work yet, and what they would do."""

_PLACE = "kuke get cells, or kuke get containers"
ROOT_INSTEAD = {
    "help": "see: kuke --help, or kuke COMMAND --help",
    **dict.fromkeys(("ps", "ls", "list"), f"what there is: {_PLACE}"),
    "images": "what there is: kuke get images",
    **{word: f"it is about images: kuke image {word}" for word in ("pull", "push", "load", "save", "tag", "prune")},
    "rmi": "it is about images: kuke image delete",
    **dict.fromkeys(("rm", "remove"), "say what it is: kuke delete cell NAME, or kuke image delete REF"),
    "inspect": "say what it is: kuke describe cell NAME, or kuke image inspect REF",
    **dict.fromkeys(
        ("edit", "patch", "set"), "kuke get cell NAME -o yaml > FILE, and when it is changed: kuke apply -f FILE"
    ),
    **dict.fromkeys(("login", "logout"), "say which realm logs in: kuke create registry-credential"),
    "info": "how kukeond and its host are: kuke status",
    "completion": "the scripts for shells: kuke autocomplete SHELL",
}
"""Words that people know from elsewhere, and what to write here."""

GET_INSTEAD = {
    "all": f"say what it is: {_PLACE}; how everything is: kuke status",
    **dict.fromkeys(("pod", "pods", "po"), "what others call a pod is a cell: kuke get cells"),
    **dict.fromkeys(("namespace", "namespaces", "ns"), "what is kept apart is in realms: kuke get realms"),
    **dict.fromkeys(("network", "networks"), "every space has a network: kuke get spaces -o wide"),
    **dict.fromkeys(("event", "events", "ev"), "what happened: kuke events"),
}
"""Kinds that people know from elsewhere."""

DESCRIBE_INSTEAD = dict.fromkeys(("image", "images", "img"), "everything about an image: kuke image inspect REF")

LATER = {
    word: f"{words[0]}s"
    for words in (
        ("secret", "secrets", "sec"),
        ("blueprint", "blueprints", "bp"),
        ("config", "configs", "cfg"),
        ("volume", "volumes", "vol"),
    )
    for word in words
}
"""Kinds that nothing makes work yet."""

IMAGE = (
    Entry("pull", f"{COMMANDS}.image_transfer:pull_command", "Fetch images from their registries."),
    Entry("push", f"{COMMANDS}.image_transfer:push_command", "Send an image to a registry."),
    Entry("load", f"{COMMANDS}.image:load_command", "Load an OCI or docker archive into a realm."),
    Entry("save", f"{COMMANDS}.image_save:command", "Write images of a realm as an archive."),
    Entry("get", f"{COMMANDS}.get:image_command", "Images of realms.", ("ls", "list")),
    Entry("inspect", f"{COMMANDS}.image_inspect:command", "Tell everything about images.", ("describe",)),
    Entry("tag", f"{COMMANDS}.image_tag:command", "Give an image one more name."),
    Entry("delete", f"{COMMANDS}.image:delete_command", "Remove images from a realm.", ("rm", "remove")),
    Entry("prune", f"{COMMANDS}.image_prune:command", "Remove images that no cell uses."),
)

DAEMON = (
    Entry("start", f"{COMMANDS}.daemon:start_command", "Start kukeond and wait until it answers."),
    Entry("stop", f"{COMMANDS}.daemon:stop_command", "Stop kukeond; cells keep running."),
    Entry("kill", f"{COMMANDS}.daemon:kill_command", "End kukeond at once; cells keep running."),
    Entry("restart", f"{COMMANDS}.daemon:restart_command", "Stop and start kukeond; cells keep running."),
    Entry("recreate", f"{COMMANDS}.daemon:recreate_command", "Restart kukeond with nothing left of the one before."),
    Entry("reset", f"{COMMANDS}.daemon:reset_command", "Stop kukeond and remove what it leaves; cells keep running."),
    Entry("logs", f"{COMMANDS}.daemon:logs_command", "Print kukeond's own log.", ("log",)),
)

DOCTOR = (
    Entry("cgroups", f"{COMMANDS}.doctor:cgroups_command", "Check that cells can be limited by cgroups."),
    Entry("files", f"{COMMANDS}.doctor:files_command", "Check that everything that is stored can be read."),
)

CONFIG = (
    Entry("view", f"{COMMANDS}.config:view_command", "Print every setting that holds."),
    Entry("path", f"{COMMANDS}.config:path_command", "Print where the settings file is."),
)
