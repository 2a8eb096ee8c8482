"""Containers without an engine: bubblewrap does what the Containerfile and compose.yaml ask of one."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.processes import ROOT

FOLDER = ROOT / "deploy" / "docker"
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/ssl",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/localtime",
)
"""What an image has of its distribution; anything else of this machine is not in there."""


class Image:
    """The last stage of the Containerfile, instruction by instruction."""

    def __init__(self, path: Path) -> None:
        joined = path.read_text().replace("\\\n", " ")
        lines = [line.split(None, 1) for line in joined.splitlines() if line.strip() and not line.startswith("#")]
        last = max(place for place, (word, *_) in enumerate(lines) if word == "FROM")
        self.lines = lines
        """Of all stages: the instruction's name, and the rest of the line."""
        self.stage = lines[last:]

    def all(self, name: str) -> list[str]:
        """Give what an instruction of the last stage says, each time."""
        return [rest for word, rest in self.stage if word == name]

    def one(self, name: str) -> str:
        """Give what an instruction says that is there once."""
        (rest,) = self.all(name)
        return rest

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(word.split("=", 1) for rest in self.all("ENV") for word in shlex.split(rest))

    @property
    def programs(self) -> list[tuple[Path, str]]:
        """What COPY takes from the work tree: each file, and where it goes."""
        found = []
        for rest in self.all("COPY"):
            words = [word for word in rest.split() if not word.startswith("--")]
            if "--from" not in rest:
                found += [(ROOT / source, words[-1] + Path(source).name) for source in words[:-1]]
        return found


@dataclass
class Container:
    """One service of compose.yaml in a folder of ours. ``volumes`` and ``secrets`` say where what it names is."""

    service: Mapping[str, Any]
    folder: Path
    volumes: Mapping[str, Path]
    secrets: Mapping[str, Path]
    hosts: Path
    more: Mapping[str, str] = field(default_factory=dict)
    """Variables that neither file sets."""
    image: Image = field(default_factory=lambda: Image(FOLDER / "Containerfile"))

    @property
    def environment(self) -> dict[str, str]:
        """What its first process finds."""
        given = {**self.image.environment, **self.service["environment"], **self.more}
        given["PATH"] = given["PATH"].replace("/usr/bin", f"/usr/bin:{Path(sys.base_prefix) / 'bin'}")
        return {name: _interpolated(value) for name, value in given.items()}

    def command(self, *words: str) -> list[str]:
        """Give the command line that runs these words in it, or its own; its network is the machine's."""
        user, _, group = self.image.one("USER").partition(":")
        argv = ["bwrap", "--unshare-user", "--uid", user, "--gid", group, "--unshare-pid", "--unshare-ipc"]
        argv += ["--cap-drop", "ALL", "--die-with-parent", "--clearenv", "--proc", "/proc", "--dev", "/dev"]
        for place in SYSTEM:
            argv += ["--ro-bind-try", place, place]
        for entry in self.service["tmpfs"]:
            place, _, options = entry.partition(":")
            mode = dict(option.split("=") for option in options.split(",") if "=" in option)["mode"]
            if place == "/run/tracd-cluster":
                # The same for all that runs in it, by exec too; as open as an emptyDir of Kubernetes is.
                run = self.folder / "run"
                run.mkdir(exist_ok=True)
                run.chmod(0o777)
                argv += ["--bind", str(run), place]
            else:
                argv += ["--perms", mode, "--tmpfs", place]
        # The virtual environment is where its programs say that they are; the image's is there by another name.
        for path in {ROOT, Path(sys.prefix), Path(sys.base_prefix)}:
            argv += ["--ro-bind", str(path), str(path)]
        argv += ["--ro-bind", sys.prefix, "/opt/trac", "--ro-bind", str(self.hosts), "/etc/hosts"]
        for entry in self.service["volumes"]:
            source, place, *options = entry.split(":")
            argv += ["--ro-bind" if options == ["ro"] else "--bind", str(self.volumes[source]), place]
        for name in self.service["secrets"]:
            argv += ["--ro-bind", str(self.secrets[name]), f"/run/secrets/{name}"]
        assert self.service["read_only"] is True
        # /usr is the machine's, so what the image has in /usr/local/bin is found in a folder before it.
        for program, place in self.image.programs:
            argv += ["--ro-bind", str(program), place.replace("/usr/local/bin", "/image/bin")]
        argv += ["--remount-ro", "/", "--chdir", self.image.one("WORKDIR")]
        environment = self.environment
        environment["PATH"] = environment["PATH"].replace("/usr/local/bin", "/image/bin")
        for name, value in environment.items():
            argv += ["--setenv", name, value]
        entry_point = json.loads(self.image.one("ENTRYPOINT"))
        # Where the machine has no tini, the init of bubblewrap does.
        entry_point = entry_point if shutil.which(entry_point[0]) else entry_point[entry_point.index("--") + 1 :]
        return [
            *argv,
            "--",
            *entry_point,
            *(words or self.service.get("command") or json.loads(self.image.one("CMD"))),
        ]


def _interpolated(value: str) -> str:
    """Put the defaults of compose's variables in."""
    if value.startswith("${"):
        return value[2:-1].partition(":-")[2]
    return value


def services() -> dict[str, dict[str, Any]]:
    """Give the services of compose.yaml."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    return found
