"""Command lines worth showing, for the reference: what each does, and the line itself. A test parses all of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (
        ("Prepare the host and start kukeond", "sudo kuke init"),
        ("One more kukeon beside the main one", "sudo kuke --run-path /srv/test init --containerd embedded"),
    ),
    "status": (
        ("Look at everything once", "kuke status"),
        ("For a monitoring program", "kuke status --json"),
    ),
    "apply": (
        ("Make a file so", "kuke apply -f web.yaml"),
        ("See what would change, in a script", "kuke apply -f web.yaml --dry-run --exit-code"),
    ),
    "diff": (("See what apply would change", "kuke diff -f web.yaml"),),
    "get": (
        ("All cells of all realms", "kuke get cells"),
        ("One cell, as a manifest that can be applied again", "kuke get cell web -o yaml"),
        ("What is there, and each cell again that changes", "kuke get cells -w"),
        ("By label, from the files of a host whose kukeond is down", "sudo kuke get cells -l tier=front --no-daemon"),
    ),
    "create": (
        ("A tenant with a network and a group of cells", "kuke create realm lab"),
        ("", "kuke create space net --realm lab"),
        ("", "kuke create stack web --realm lab --space net"),
        ("A cell out of one image", "kuke create cell hello --image busybox -- sleep 60"),
    ),
    "describe": (("Why is it not ready?", "kuke describe cell web"),),
    "events": (
        ("What happened to a cell", "kuke events --for cell/web"),
        ("For a program that goes on with it", "kuke events -f -o json"),
    ),
    "wait": (
        ("In a script, before going on", "kuke wait cell/web --for=state=Ready --timeout 1m"),
        ("Until a job has ended, however it does", "kuke wait cell/job --for=ended --timeout 0"),
    ),
    "run": (
        ("Start the cell of a file and leave it running", "kuke run -f web.yaml -d"),
        ("A program in an image, and nothing left of it", "kuke run --rm --image busybox -- sh -c 'echo hello'"),
        ("A cell of a profile in ~/.kuke/profiles.d", "kuke run -p dev --param BRANCH=main"),
        ("One that is there", "kuke run web"),
    ),
    "start": (("Start a cell again", "kuke start cell web"),),
    "stop": (("Ask the programs of a cell to end", "kuke stop cell web"),),
    "kill": (("End one container at once", "kuke kill container main --cell web"),),
    "restart": (("Stop and start a cell", "kuke restart cell web"),),
    "delete": (
        ("A cell", "kuke delete cell web"),
        ("A realm with all that is in it", "kuke delete realm lab --cascade"),
        ("What a file says, children first", "kuke delete -f web.yaml"),
    ),
    "purge": (("Clear every trace of a cell that was half made", "kuke purge cell web"),),
    "refresh": (("Have all statuses looked at now", "kuke refresh"),),
    "attach": (
        ("Type into the shell of a cell; Ctrl-] twice leaves it", "kuke attach web"),
        ("One terminal of several", "kuke attach web -c shell"),
    ),
    "exec": (
        ("A look around", "kuke exec web -- ls -l /tmp"),
        ("A shell, in one of several containers", "kuke exec -it web -c nginx -- sh"),
        ("Files into it", "tar c . | kuke exec -i web -- tar x -C /tmp"),
    ),
    "log": (
        ("Follow what a container writes", "kuke log web -c main -f"),
        ("What it said before it was started again", "kuke log web --previous --tail 50"),
        ("All containers of a cell", "kuke log web --all-containers -t --since 10m"),
    ),
    "build": (
        ("Out of the Dockerfile of this directory", "kuke build -t app:1 ."),
        ("By buildah, for a realm", "kuke build -t app:1 --builder buildah --build-arg V=3 --realm lab ."),
    ),
    "image": (
        ("From a registry", "kuke image pull registry.example/team/app:1 --realm lab"),
        ("To another one", "kuke image push busybox registry.example/team/busybox:1 --realm lab"),
        ("Load an archive into a realm", "kuke image load busybox.tar --realm lab"),
        ("All platforms of an OCI layout in a directory", "kuke image load ./layout --platform all"),
        ("An archive for elsewhere", "kuke image save busybox --to busybox.tar --realm lab"),
        ("What is in it, and how it runs", "kuke image inspect busybox --realm lab"),
        ("One more name", "kuke image tag busybox registry.example/team/busybox:1 --realm lab"),
        ("How much disk is wasted", "kuke image prune --all --dry-run --realm lab"),
        ("What is there", "kuke image get --realm lab"),
    ),
    "daemon": (
        ("Restart kukeond; cells go on", "sudo kuke daemon restart"),
        ("One that hangs", "sudo kuke daemon kill"),
        ("What it says, as it says it", "kuke daemon logs --tail 20 -f"),
    ),
    "doctor": (
        ("Check, and ask the kernel for what is not enabled", "sudo kuke doctor cgroups"),
        ("Look only, at the cgroup of one realm", "kuke doctor cgroups --no-probe --scope realm lab"),
        ("Find files that cannot be read, also while kukeond is stopped", "kuke doctor files --no-daemon"),
    ),
    "uninstall": (("Remove everything, after a question", "sudo kuke uninstall"),),
    "explain": (
        ("All fields of a kind", "kuke explain cell --recursive"),
        ("One of them", "kuke explain cell.spec.containers.volumes"),
        ("A JSON Schema for an editor", "kuke explain cell -o json"),
    ),
    "config": (("Who says what", "kuke config view --show-origin"),),
    "version": (
        ("Both versions", "kuke version"),
        ("This program's alone, for a script", "kuke version --client"),
    ),
    "autocomplete": (("In ~/.bashrc", "source <(kuke autocomplete bash)"),),
}
"""Command -> pairs of words for people and a command line; empty words go on with the line above."""
