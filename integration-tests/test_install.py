"""scripts/install says what a host lacks, and leaves a kuke that works or the host as it was."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import kukeon_cli
from kuketest import traces
from kuketest.instance import Done
from kuketest.own_host import MainInstance
from kuketest.waiting import until

TOP = Path(__file__).resolve().parent.parent
INSTALL = TOP / "scripts" / "install"
FEDORA = "ID=fedora\n"
DEBIAN = "ID=ubuntu\nID_LIKE=debian\n"
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'
ARCH = "ID=arch\n"
OTHER = "ID=void\n"

HIDE_PROGRAM = """
hidden=$(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin type -aP {0} | xargs --no-run-if-empty realpath | sort -u)
for each in $hidden; do mount --bind /dev/null "$each"; done
"""
HIDE_PLUGINS = (
    "for each in /opt/cni/bin /usr/lib/cni /usr/libexec/cni; do [ ! -d $each ] || mount -t tmpfs no $each; done"
)


def install(*arguments: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Done:
    command = [*prefix, str(INSTALL), *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KUKE", "CC"))}
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        env=kept | (environment or {}),
        check=False,
    )
    return Done(" ".join(command), done.returncode, done.stdout, done.stderr)


def on_a_host_where(commands: str) -> list[str]:
    """The start of a command that runs where these were carried out, in mounts of its own."""
    return ["unshare", "--mount", "bash", "-euc", f'{commands}\nexec "$@"', "bash"]


@pytest.fixture
def host() -> Iterator[MainInstance]:
    """A host without a kukeon, and `programs` where one is to be installed. In the end nothing of it may run."""
    instance = MainInstance.make()
    instance.programs = instance.home / "bin"
    assert not instance.run_path.exists(), "the main instance of this machine is seen: this story would remove it"
    try:
        yield instance
        if instance.run_path.exists():
            instance.run("uninstall", "-y")
        assert not instance.host.processes()
        assert not traces.cgroups(instance)
    finally:
        instance.host.close()
        for cgroup in sorted(traces.cgroups(instance), reverse=True):
            Path(cgroup).rmdir()
        shutil.rmtree(instance.home)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables by which pip finds our packages, and all that they need, in a directory and nowhere else."""
    build, wheels = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("index")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    ours = [str(path.parent) for path in sorted(TOP.glob("packages/*/pyproject.toml"))]
    for command, path in (
        (["install", "--target", str(build), "hatchling>=1.25"], ""),
        (["wheel", "--no-build-isolation", "--wheel-dir", str(wheels), "hatchling>=1.25", *ours], str(build)),
    ):
        subprocess.run([*pip, *command], stdin=subprocess.DEVNULL, check=True, env=os.environ | {"PYTHONPATH": path})
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


@pytest.mark.scenario(37)
def test_check_passes_on_this_host() -> None:
    done = install("--check")
    assert done.code == 0, done
    for word in ("Linux", "processor", "Python 3.", "containerd", "runc", "bridge", "host-local", "nft", "cgroups"):
        assert any(line.startswith("ok ") and word in line for line in done.out.splitlines()), (word, done)
    assert "missing" not in done.out


@pytest.mark.scenario(37)
@pytest.mark.parametrize(
    ("without", "system", "named", "hint"),
    [
        (HIDE_PROGRAM.format("nft"), DEBIAN, "the program nft", "apt-get install nftables"),
        (HIDE_PROGRAM.format("containerd"), FEDORA, "the program containerd", "dnf install containerd"),
        (HIDE_PROGRAM.format("containerd"), ROCKY, "the program containerd", "dnf install containerd.io"),
        (HIDE_PROGRAM.format("runc"), OTHER, "the program runc", "install runc with the package manager"),
        (HIDE_PLUGINS, ARCH, "the CNI plugin host-local", "pacman -S --needed cni-plugins"),
        (HIDE_PLUGINS, DEBIAN, "the CNI plugin bridge", "apt-get install containernetworking-plugins"),
        ("umount -R -l /sys/fs/cgroup", DEBIAN, "a mounted cgroup hierarchy", "mount -t cgroup2"),
    ],
)
def test_what_is_missing_is_named_with_a_hint(tmp_path: Path, without: str, system: str, named: str, hint: str) -> None:
    release = tmp_path / "os-release"
    release.write_text(system)
    here = on_a_host_where(f"{without}\nmount --bind '{release}' /etc/os-release")
    for arguments in (("--check",), ()):
        done = install(*arguments, prefix=here, environment={"KUKE_HOME": str(tmp_path / "kukeon")})
        assert done.code == 1, done
        assert f"missing  {named}" in done.out
        assert f"hint: {hint}" in done.out
    assert list(tmp_path.iterdir()) == [release], "nothing is made on a host that lacks something"


@pytest.mark.scenario(37)
def test_a_machine_and_a_python_that_will_not_do(tmp_path: Path) -> None:
    # A 64-bit kernel tells a process that asks for it that the processor has 32 bits, setarch(8).
    other = install("--check", prefix=["linux32"])
    assert other.code == 1, other
    assert "missing  a processor that is supported: this is " in other.out

    old = tmp_path / "python-old"
    # What an interpreter older than ours does with our question: it answers, and says no.
    old.write_text("#!/bin/sh\necho 3.9.2\nexit 1\n")
    old.chmod(0o755)
    refused = install("--check", environment={"PYTHON": str(old)})
    assert refused.code == 1, refused
    assert f"missing  Python 3.11 or later: {old} is 3.9.2" in refused.out


@pytest.mark.scenario(37)
@pytest.mark.parametrize(
    ("arguments", "environment", "word"),
    [
        (["--chekc"], {}, "--chekc"),
        (["--check", "now"], {}, "now"),
        (["--check"], {"KUKE_VERSION": "--index-url=http://example.org"}, "that is no version"),
        (["--check"], {"KUKE_VERSION": "0.1.0", "KUKE_SOURCE": str(TOP)}, "not both"),
        (["--check"], {"KUKE_SOURCE": "/usr"}, "no checkout"),
        (["--check"], {"KUKE_HOME": "lib/kukeon"}, "an absolute path"),
        (["--check"], {"KUKE_INSTALL_PREFIX": "bin"}, "an absolute path"),
    ],
)
def test_wrong_use(arguments: list[str], environment: dict[str, str], word: str) -> None:
    done = install(*arguments, environment=environment)
    assert done.code == 2, done
    assert word in done.err
    assert "hint: " in done.err


def test_only_root_installs() -> None:
    prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    able = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"]
    done = install(prefix=[*prefix, *able])
    assert done.code == 1, done
    assert "only root" in done.err
    assert "sudo" in done.err


@pytest.mark.scenario(37)
def test_installed_brought_up_to_date_and_running(host: MainInstance, index: dict[str, str]) -> None:
    library = host.home / "lib"
    kukeon = library / "kukeon"
    places = index | {"KUKE_HOME": str(kukeon), "KUKE_INSTALL_PREFIX": str(host.programs)}
    without_init = places | {"KUKE_SKIP_INIT": "1"}

    def run(environment: Mapping[str, str]) -> Done:
        return install(prefix=host.host.prefix, environment=host.environment() | environment)

    def check_versions() -> None:
        assert host.run("version", "--client").out.strip() == kukeon_cli.__version__
        ours = subprocess.run([host.programs / "kukeond", "version"], capture_output=True, text=True, check=True)
        assert ours.stdout.startswith("kukeond ")
        assert {path.name for path in library.iterdir()} == {"kukeon"}, "an installation leaves only what it installed"
        assert {path.name for path in host.programs.iterdir()} == {"kuke", "kukeond"}

    # One that was killed half-way leaves no kuke, and is no obstacle to the next.
    half = subprocess.Popen([INSTALL], stdout=subprocess.DEVNULL, env=os.environ | without_init, start_new_session=True)
    until(lambda: any(library.glob("kukeon.new.*/env/bin/pip")), "an environment that is being made", 60)
    os.killpg(half.pid, signal.SIGKILL)
    half.wait()
    assert not (host.programs / "kuke").exists()

    first = run(without_init)
    assert first.code == 0, first
    assert f"packages, from {TOP}" in first.out
    assert "kuke init" in first.out
    check_versions()
    assert not host.run_path.exists()

    # What cannot be had leaves what there is.
    before = kukeon.stat().st_ino
    refused = run(without_init | {"KUKE_VERSION": "9.9.9"})
    assert refused.code == 1, refused
    assert "hint: " in refused.err
    assert kukeon.stat().st_ino == before
    check_versions()

    # Nor do two work on the same place.
    lock = os.open(library, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    busy = run(without_init)
    os.close(lock)
    assert busy.code == 1, busy
    assert "another installation" in busy.err

    # Over it, of a release, and the host is prepared.
    kuke_init = {
        "KUKE_INIT_CONTAINERD": "embedded",
        "KUKE_INIT_CONTAINERD_NAMESPACE_SUFFIX": host.suffix,
        "KUKE_INIT_CGROUP_ROOT": host.cgroup_root,
    }
    second = run(places | kuke_init | {"KUKE_VERSION": kukeon_cli.__version__})
    assert second.code == 0, second
    assert "packages, from the package index" in second.out
    assert "kukeond is ready" in second.out
    assert kukeon.stat().st_ino != before
    check_versions()
    served = host.run("version", "--strict").out
    assert kukeon_cli.__version__ in served

    # Once more, of the newest release, and the new kukeond takes over from the one that runs.
    running = {pid for pid, command in host.host.processes().items() if "kukeon_daemon" in command}
    third = run(places | {"KUKE_SOURCE": ""})
    assert third.code == 0, third
    assert "kuke daemon restart" in third.out
    host.run("version", "--strict")
    now = {pid for pid, command in host.host.processes().items() if "kukeon_daemon" in command}
    assert now
    assert not running & now
    check_versions()


@pytest.mark.parametrize("what", ["home", "link"])
def test_what_is_not_ours_is_not_replaced(tmp_path: Path, what: str) -> None:
    home, prefix = tmp_path / "lib/kukeon", tmp_path / "bin"
    theirs = home / "letter.txt" if what == "home" else prefix / "kuke"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    done = install(environment={"KUKE_HOME": str(home), "KUKE_INSTALL_PREFIX": str(prefix), "KUKE_SKIP_INIT": "1"})
    assert done.code == 1, done
    assert "hint: remove it, or name another place" in done.err
    assert theirs.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [theirs]
