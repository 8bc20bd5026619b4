"""The settings files of kukeond and kuke, and durations."""

from __future__ import annotations

import pytest

from kukeon_api import duration, errors, manifest, model, size


def test_empty_is_no_settings() -> None:
    for text in ("", b"", "# nothing\n", "---\n"):
        assert manifest.parse_server_configuration(text) == model.ServerConfiguration()
        assert manifest.parse_client_configuration(text) == model.ClientConfiguration()


def test_everything_can_be_said() -> None:
    text = """\
apiVersion: v1beta1
kind: ServerConfiguration
metadata: {name: host}
spec:
  socket: /run/x.sock
  socketGID: 1000
  runPath: /opt/x
  containerd: embedded
  containerdSocket: /run/c.sock
  logLevel: debug
  reconcileInterval: 1m30s
  containerdNamespaceSuffix: example.org
  cgroupRoot: /x/
  podSubnetCIDR: 10.0.0.0/8
  logMaxSize: 512Ki
  logMaxFiles: 3
  defaultMemoryLimitBytes: 1073741824
  registryConfigDir: /certs.d
  diskPressureWarnPercent: 0
  diskPressureBlockPercent: 90
"""
    settings = manifest.parse_server_configuration(text)
    assert settings.spec == model.ServerConfigurationSpec(
        socket="/run/x.sock",
        socket_gid=1000,
        run_path="/opt/x",
        containerd="embedded",
        containerd_socket="/run/c.sock",
        log_level="debug",
        reconcile_interval="1m30s",
        containerd_namespace_suffix="example.org",
        cgroup_root="/x/",
        pod_subnet_cidr="10.0.0.0/8",
        log_max_size="512Ki",
        log_max_files=3,
        default_memory_limit_bytes=1073741824,
        registry_config_dir="/certs.d",
        disk_pressure_warn_percent=0,
        disk_pressure_block_percent=90,
    )
    assert manifest.parse_server_configuration(manifest.dump(settings)) == settings  # type: ignore[arg-type]


def test_an_image_of_kukeond_is_refused_until_something_runs_it() -> None:
    with pytest.raises(errors.ServerConfigurationInvalid) as caught:
        manifest.parse_server_configuration("spec:\n  kukeondImage: registry.example/kukeond:1\n", "k.yaml")
    assert [str(problem) for problem in caught.value.problems] == ["k.yaml:2: spec.kukeondImage: is not supported yet"]
    for nothing in ("''", ""):
        settings = manifest.parse_server_configuration(f"spec:\n  kukeondImage: {nothing}\n  logLevel: info\n")
        assert settings.spec.log_level == "info"


def test_the_envelope_may_be_left_out() -> None:
    for head in ("", "kind: ''\n", "apiVersion: v7\n", "kind: ClientConfiguration\n"):
        settings = manifest.parse_client_configuration(f"{head}spec: {{host: unix:///x, logLevel: }}\n")
        assert settings.spec == model.ClientConfigurationSpec(host="unix:///x")


def test_all_problems_at_once() -> None:
    text = """\
kind: ClientConfiguration
spec:
  socket: run/x
  bogus: 5
  socketGID: -1
  containerd: system1
  logLevel: loud
  reconcileInterval: soon
  containerdNamespaceSuffix: .x
  cgroupRoot: /
  podSubnetCIDR: 10.0.0.1/8
---
kind: ServerConfiguration
"""
    with pytest.raises(errors.ServerConfigurationInvalid, match=r"invalid settings 'k\.yaml': 11 problems") as caught:
        manifest.parse_server_configuration(text, "k.yaml")
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (1, "kind"),
        (3, "spec.socket"),
        (4, "spec.bogus"),
        (5, "spec.socketGID"),
        (6, "spec.containerd"),
        (7, "spec.logLevel"),
        (8, "spec.reconcileInterval"),
        (9, "spec.containerdNamespaceSuffix"),
        (10, "spec.cgroupRoot"),
        (11, "spec.podSubnetCIDR"),
        (13, ""),
    ]


@pytest.mark.parametrize("text", ["- a", "x", "spec: []", "spec: {host: [a]}", "{", b"\xff"])
def test_what_is_no_settings_file(text: str | bytes) -> None:
    with pytest.raises(errors.ClientConfigurationInvalid):
        manifest.parse_client_configuration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("1.5h", 5400), ("-1s", -1), ("0", 0), ("+2ms", 0.002), (".5s", 0.5), ("1us", 1e-6)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "1d", "1s ", "1 s", "--1s", "1e3s", "9" * 100 + "s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(errors.Invalid, match="as a duration"):
        duration.parse(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4096", 4096),
        ("512Ki", 512 * 1024),
        ("10Mi", 10 * 1024**2),
        ("10MiB", 10 * 1024**2),
        ("10 M", 10_000_000),
        ("1.5Gi", 1536 * 1024**2),
        ("2k", 2000),
        ("1TB", 10**12),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert size.parse(text) == count


@pytest.mark.parametrize("text", ["", "x", "-1Mi", "1Xi", "1e9", "9" * 30, "Mi", "1.", "1 0Mi"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(errors.Invalid, match="as a size"):
        size.parse(text)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("logMaxSize: 1Ki", "spec.logMaxSize: '1Ki' is not 4Ki to 1Ti"),
        ("logMaxSize: much", "spec.logMaxSize: cannot read 'much' as a size"),
        ("logMaxFiles: 0", "spec.logMaxFiles: 0 is not 1 to 100"),
        ("logMaxFiles: 101", "spec.logMaxFiles: 101 is not 1 to 100"),
        ("defaultMemoryLimitBytes: -1", "spec.defaultMemoryLimitBytes: -1 is no number of bytes"),
        ("registryConfigDir: certs.d", "spec.registryConfigDir: 'certs.d' is not an absolute path"),
        ("diskPressureWarnPercent: 101", "spec.diskPressureWarnPercent: 101 is not 0 to 100"),
        ("diskPressureBlockPercent: -1", "spec.diskPressureBlockPercent: -1 is not 0 to 100"),
    ],
)
def test_limits(setting: str, words: str) -> None:
    with pytest.raises(errors.ServerConfigurationInvalid) as caught:
        manifest.parse_server_configuration(f"spec:\n  {setting}\n", "k.yaml")
    assert words in str(caught.value.problems[0])
