"""kukeond without kuke is a working installation: it makes the host ready by itself, as often as it is started."""

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

import kukeon_sdk
from kuketest import traces
from kuketest.instance import Instance
from kuketest.waiting import IN_VM

TOP = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(IN_VM, reason="installs packages, which the virtual machine has no network for")
def test_kukeond_is_enough(new_instance: Callable[..., Instance], tmp_path: Path) -> None:
    environment = tmp_path / "daemon-only"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, TOP / "scripts" / "install-packages", "kukeon-daemon"], check=True)
    assert not (environment / "bin" / "kuke").exists()

    instance = new_instance(programs=environment / "bin")
    instance.start()
    with instance.client() as client:
        assert [realm.metadata.name for realm in client.list_realms()] == ["default"]
        assert [space.metadata.name for space in client.list_spaces("default")] == ["default"]
        assert [stack.metadata.name for stack in client.list_stacks("default", "default")] == ["default"]
    assert traces.cgroups(instance)
    instance.stop()
    first = json.loads((instance.run_path / ".kukeon-instance.json").read_text())
    instance.start()
    assert json.loads((instance.run_path / ".kukeon-instance.json").read_text()) == first
    with instance.client() as client:
        assert len(client.list_realms()) == 1

    # Uninstalling is kuke's job; the instance does not care whose.
    instance.programs = Path(sys.executable).parent


def test_kukeond_bootstraps_what_kuke_would(kukeon: Instance) -> None:
    with kukeon.client() as client:
        answer = client.ping()
        assert answer.containerd_mode == "embedded"
        assert answer.run_path == str(kukeon.run_path)
        assert answer.instance_id == traces.instance_id(kukeon)
        with pytest.raises(kukeon_sdk.errors.NotFound):
            client.get_image("default", "nothing.invalid/here:1")
