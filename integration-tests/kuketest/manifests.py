"""Manifests of the stories. Everything lives in default/default/default, which kukeond makes itself."""

import json

from kukeon_api import model

IMAGE = "docker.io/library/busybox:latest"

# A page, served until somebody asks it to stop; what it says on the way is what `kuke log` must show.
SERVER = """\
trap 'echo bye; exit 0' TERM
mkdir -p /tmp/www
[ -e /tmp/www/index.html ] || echo "page of $KUKEON_CELL_NAME" >/tmp/www/index.html
echo "serving $KUKEON_CELL_NAME"
httpd -f -p 8080 -h /tmp/www &
wait $!
"""


def container(id: str, script: str, image: str = IMAGE) -> dict[str, object]:
    return {"id": id, "image": image, "command": "/bin/sh", "args": ["-c", script]}


def cell(name: str, *containers: dict[str, object], **spec: object) -> str:
    """A cell manifest. JSON is YAML, and it quotes a script without surprises."""
    document = {
        "apiVersion": "v1beta1",
        "kind": "Cell",
        "metadata": {"name": name},
        "spec": {"realmId": "default", "spaceId": "default", "stackId": "default", "containers": containers, **spec},
    }
    return json.dumps(document, indent=2) + "\n"


def server(name: str, image: str = IMAGE) -> str:
    return cell(name, container("web", SERVER, image))


def sleeper(name: str, image: str = IMAGE) -> str:
    return cell(name, container("main", "trap 'exit 0' TERM; sleep 3600 & wait $!", image))


def many(*documents: str) -> str:
    return "---\n".join(documents)


def reference(name: str) -> model.CellDoc:
    """A document that says which cell is meant, for the SDK's methods."""
    spec = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=())
    return model.CellDoc(metadata=model.Metadata(name=name), spec=spec)
