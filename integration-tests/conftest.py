"""One kukeond with a containerd of its own for the whole run, and a look at the host after every story."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuketest import manifests, traces
from kuketest.instance import InProcess, Instance
from kuketest.waiting import until_equal

TOP = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.host)


@pytest.fixture(scope="session")
def image_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive of the machine's static busybox."""
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    subprocess.run([str(TOP / "scripts" / "build-image"), str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="session")
def new_instance() -> Iterator[Callable[..., Instance]]:
    """Makes instances; each is uninstalled in the end, and a trace that it leaves fails the run."""
    made: list[Instance] = []

    def make(*options: str, programs: Path | None = None) -> Instance:
        chosen = options or ("--containerd", "embedded")
        instance = Instance.make(chosen, programs) if programs else Instance.make(chosen)
        made.append(instance)
        return instance

    yield make
    for instance in made:
        instance.leave_nothing()


@pytest.fixture(scope="session")
def shared_instance(new_instance: Callable[..., Instance], image_archive: Path) -> Instance:
    instance = new_instance()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    return instance


@pytest.fixture(scope="session")
def inside_instance(image_archive: Path) -> Iterator[Instance]:
    """An instance that no kukeond serves: every `kuke` works by itself."""
    instance = InProcess.make()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    yield instance
    instance.leave_nothing()


@pytest.fixture
def kukeon(shared_instance: Instance) -> Iterator[Instance]:
    """The shared instance, running; the story that used it must leave no trace of its resources."""
    yield from told(shared_instance)


@pytest.fixture(params=["daemon", "in-process"])
def either(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """An instance whose `kuke` asks kukeond, and one whose `kuke` does the work itself: a story is told of both."""
    fixture = {"daemon": "shared_instance", "in-process": "inside_instance"}[request.param]
    yield from told(request.getfixturevalue(fixture))


def told(instance: Instance) -> Iterator[Instance]:
    """Yield `instance`, running, and fail when it has more on the host afterwards than before."""
    if instance.daemon is None:
        instance.start()
    before = traces.of_cells(instance)
    yield instance
    if instance.daemon is None:
        instance.start()

    def new_traces() -> dict[str, set[str]]:
        now = traces.of_cells(instance)
        return {what: now[what] - before[what] for what in now if now[what] - before[what]}

    # containerd collects garbage when a lease or a container goes, a moment later.
    try:
        until_equal(new_traces, {}, "traces that the story left", 10)
    except AssertionError as error:
        logs = f"kukeond's log:\n{instance.log_tail()}\ncontainerd's:\n{instance.containerd_log_tail()}"
        raise AssertionError(f"{error}\n{logs}") from None


@pytest.fixture
def server_cell(kukeon: Instance) -> Iterator[str]:
    """A running cell that serves a page."""
    kukeon.apply(manifests.server("web"))
    yield "web"
    if kukeon.daemon is None:
        kukeon.start()
    kukeon.kuke("delete", "cell", "web", code=None)


def pytest_report_header() -> str:
    return f"programs under test: {Path(sys.executable).parent}"
