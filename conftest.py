"""What every test suite of this repository shares: which tests this machine can run, and what a skip means.

Tests say what they need with a marker (`kernel`, `host`); this file alone decides whether the machine has it and says
what is missing. `--require kernel,host` turns such a skip into a failure, so that a continuous integration run can
never be green because it ran nothing.
"""

import os
import shutil
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes is the machine's business.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

RINGS = ("kernel", "host")

# Debian, the reference plugins' own installer, Fedora: the same places kukeon-cni looks in.
PLUGIN_DIRS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default="",
        metavar="RINGS",
        help="comma list of rings (kernel, host) whose tests must run: a skip among them, or of a whole file, fails",
    )
    parser.addoption("--without-long", action="store_true", help="leave out the tests marked `long`")


def pytest_configure(config: pytest.Config) -> None:
    unknown = required(config) - set(RINGS)
    if unknown:
        raise pytest.UsageError(f"--require: unknown ring {', '.join(sorted(unknown))} (known: {', '.join(RINGS)})")


def required(config: pytest.Config) -> set[str]:
    return {ring.strip() for ring in config.getoption("--require").split(",") if ring.strip()}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--without-long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for ring, missing in (("kernel", missing_for_kernel), ("host", missing_for_host)):
        if item.get_closest_marker(ring):
            lacking = list(missing())
            if lacking:
                pytest.skip(f"{ring} tests need {', '.join(lacking)}")


def missing_for_kernel() -> Iterable[str]:
    if os.geteuid() != 0:
        yield "root (or `unshare --user --map-root-user --net --mount pytest -m kernel`)"


def missing_for_host() -> Iterable[str]:
    if os.geteuid() != 0:
        yield "root"
    for program in ("containerd", "containerd-shim-runc-v2", "runc", "nft"):
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            yield program
    if not any((Path(directory) / "bridge").exists() for directory in PLUGIN_DIRS):
        yield f"CNI plugins in one of {', '.join(PLUGIN_DIRS)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    wanted = required(item.config)
    if report.skipped and not hasattr(report, "wasxfail") and any(item.get_closest_marker(ring) for ring in wanted):
        fail(report, f"--require {','.join(sorted(wanted))}: this test must run, but: {reason(report.longrepr)}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    # A file that skips itself while it is imported hides its markers with its tests, so any ring may be in it.
    if report.skipped and required(collector.config):
        fail(report, f"--require: this file must be collected, but: {reason(report.longrepr)}")
    return report


def fail(report: pytest.TestReport | pytest.CollectReport, why: str) -> None:
    report.outcome = "failed"
    report.longrepr = why


def reason(longrepr: Any) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
