"""This machine as a node of a real control plane: containerd and a kubelet, beside whatever else runs here.

Needs root and, in RAFTOPS_TEST_KUBERNETES or on the path: kubelet, containerd, ctr, runc, and CNI's `bridge` and
`host-local` in /usr/lib/cni or /opt/cni/bin. Pods get addresses of a bridge that only this machine sees.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

from tests.cluster.start import program

PROGRAMS = ("kubelet", "containerd", "ctr", "runc")
PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
NAME, BRIDGE, PODS = "raftops-machine", "raftops-test0", "10.243.7.0/24"
START_SECONDS, END_SECONDS = 60, 30
PAUSE = "raftops.test/pause:1"
"""An image whose program only waits; import it with the others."""


def missing() -> list[str]:
    """What is not here."""
    absent = [name for name in PROGRAMS if not program(name)]
    absent += [] if any(Path(place, "bridge").is_file() for place in PLUGINS) else ["CNI's bridge"]
    return [*absent, *(["root"] if os.getuid() else [])]


class Machine:
    """Use it in a `with` block, around one whose control plane goes on."""

    def __init__(self, place: Path, kubeconfig: Path) -> None:
        self.place, self.kubeconfig = place, kubeconfig
        self.socket = place / "containerd.sock"
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Machine:
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "containerd.toml").write_text(self._containerd(), encoding="utf-8")
        try:
            self._start("containerd", "--config", self.place / "containerd.toml")
            self._until(lambda: self._ctr("version").returncode == 0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def load(self, archive: Path) -> None:
        """Import what `docker save` wrote."""
        done = self._ctr("images", "import", str(archive))
        assert done.returncode == 0, done.stderr

    def join(self) -> None:
        """Start the kubelet: the machine becomes a node. Its images are there by now, or are never."""
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": "127.0.0.1",
            "healthzPort": 0, "failSwapOn": False, "cgroupDriver": "cgroupfs", "imageGCHighThresholdPercent": 100,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        }  # fmt: skip
        (self.place / "kubelet.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        flags = {
            "config": self.place / "kubelet.yaml", "kubeconfig": self.kubeconfig, "hostname-override": NAME,
            "container-runtime-endpoint": f"unix://{self.socket}", "root-dir": self.place / "kubelet",
            "cert-dir": self.place / "pki", "v": 2,
        }  # fmt: skip
        told = subprocess.run([program("kubelet") or "", "--help"], capture_output=True, text=True, check=False)
        if "--container-runtime string" in told.stdout + told.stderr:  # until 1.26
            flags |= {"container-runtime": "remote", "runtime-cgroups": "/"}
        self._start("kubelet", *(f"--{flag}={value}" for flag, value in flags.items()))

    def log(self) -> str:
        """The end of what the kubelet says."""
        return (self.place / "kubelet.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def __exit__(self, *error: object) -> None:
        for process in reversed(self._running[1:]):
            self._end(process)
        if self.socket.exists():
            self._sweep()
        for process in self._running[:1]:
            self._end(process)
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
        for line in reversed(Path("/proc/mounts").read_text(encoding="utf-8").splitlines()):
            if (mounted := line.split()[1]).startswith(f"{self.place}/"):
                subprocess.run(["umount", "--lazy", mounted], capture_output=True, check=False)
        shutil.rmtree(self.place / "root", ignore_errors=True)

    def _sweep(self) -> None:
        """End every container that the kubelet left."""
        tasks = self._ctr("tasks", "list", "--quiet").stdout.split()
        for task in tasks:
            self._ctr("tasks", "kill", "--signal", "SIGKILL", task)
        time.sleep(1 if tasks else 0)
        for task in tasks:
            self._ctr("tasks", "delete", "--force", task)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()

    def _start(self, name: str, *words: object) -> None:
        path = os.pathsep.join(filter(None, [os.environ.get("RAFTOPS_TEST_KUBERNETES"), os.environ["PATH"]]))
        command = [program(name) or name, *map(str, words)]
        with (self.place / f"{name}.log").open("wb") as log:
            env = {**os.environ, "PATH": path}
            self._running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.place, env=env))

    def _ctr(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [program("ctr") or "ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _until(self, so: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not so():
            ended = [process.args for process in self._running if process.poll() is not None]
            assert not ended and time.monotonic() < end, f"see {self.place}/*.log: {ended}"
            time.sleep(0.2)

    def _containerd(self) -> str:
        """Its configuration, with the network of the pods beside it."""
        (self.place / "cni").mkdir(exist_ok=True)
        network = {
            "cniVersion": "0.4.0", "name": "raftops-test", "plugins": [
                {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True,
                 "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "dataDir": f"{self.place}/ipam"}},
            ],
        }  # fmt: skip
        (self.place / "cni" / "10-test.conflist").write_text(json.dumps(network), encoding="utf-8")
        plugins = next(place for place in PLUGINS if Path(place, "bridge").is_file())
        return f"""version = 2
root = "{self.place}/root"
state = "{self.place}/state"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{self.place}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.place}/opt"
"""
