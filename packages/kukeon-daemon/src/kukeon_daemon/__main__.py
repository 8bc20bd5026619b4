"""`kukeond`: the daemon's command line.

Nothing heavy is imported up here: `supervise` must stay small.
"""

from __future__ import annotations

import sys

HELP = """\
usage: kukeond COMMAND [options]

Serve kukeon, containers in realms, spaces, stacks and cells, on a unix socket.

commands:
  serve      serve in the foreground until SIGTERM
  supervise  run `serve` and start it again when it crashes, for hosts without a service manager
  unit       print a systemd unit that runs `serve` with the options given here
  version    print the version

`kukeond COMMAND --help` lists a command's options.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run `kukeond` and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["supervise"]:
        from kukeon_daemon import supervise

        return supervise.main(arguments[1:])
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    from kukeon_daemon import command

    return command.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
