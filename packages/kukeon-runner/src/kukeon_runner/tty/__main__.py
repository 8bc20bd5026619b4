"""Entry of kuketty: `python3 -IS .../kukeon_runner/tty/__main__.py CONFIG`, with Server's arguments as JSON in CONFIG.

Crash-only: it may be killed at any moment, and the next one goes on from the records and the capture files.
"""

import json
import os
import sys
import types

if "kukeon_runner" not in sys.modules:
    # Without its __init__, which would import gRPC and the rest of the runner.
    package = types.ModuleType("kukeon_runner")
    # By os.path: pathlib is a large part of what this small process would import.
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]  # noqa: PTH100, PTH120
    sys.modules["kukeon_runner"] = package

from kukeon_runner.tty import server


def main() -> None:
    with open(sys.argv[1]) as file:
        config = json.load(file)
    server.raise_limits()
    serving = server.Server(**config)
    print(f"kuketty {config['version'][:12]} serves {config['directory']}, pid {os.getpid()}", flush=True)
    serving.run()


if __name__ == "__main__":
    main()
