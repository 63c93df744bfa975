"""OpenSSH's server of Debian's package, on a high port of the loopback interface: SFTP with one user's key, no more."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.services.absence import absent
from tests.services.shared_service import Daemons, ServiceAbsent, free_port, guard, listens, shared, wait_for
from zdda.storage.sftp_files import SftpAddress

_STARTING = 30.0
_PROGRAM = "/usr/sbin/sshd"
_SEPARATED = Path("/run/sshd")
"""Where a server that runs as root wants an empty folder; the init script makes it, which nobody runs here."""

CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp
"""


@cache
def sshd() -> dict[str, str]:
    """``host``, ``port``, ``user``, ``key`` (file), ``host_key``, ``folder``, ``version``; skips the test where the
    programs are absent, which in CI is a failure."""
    try:
        return shared("tests.services.sshd", _STARTING)
    except ServiceAbsent as error:
        absent(str(error))


def run(daemons: Daemons) -> dict[str, str]:
    if not Path(_PROGRAM).exists() or shutil.which("ssh-keygen") is None:
        raise ServiceAbsent("OpenSSH's server is not installed")
    if os.getuid() == 0:
        _SEPARATED.mkdir(mode=0o755, exist_ok=True)
    folder, port = daemons.folder, free_port()
    for name in ("host", "user"):
        if not (folder / name).exists():
            command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name)
            subprocess.run(command, check=True, timeout=_STARTING)
    (folder / "data").mkdir(exist_ok=True)
    configuration = folder / "sshd.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
    daemons.start(_PROGRAM, "-D", "-e", "-f", configuration)
    wait_for(lambda: listens(port), daemons, _STARTING, "sshd")
    version = subprocess.run([_PROGRAM, "-V"], capture_output=True, text=True, timeout=_STARTING).stderr
    return {
        "host": "127.0.0.1",
        "port": str(port),
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "key": str(folder / "user"),
        "host_key": " ".join((folder / "host.pub").read_text().split()[:2]),
        "folder": str(folder / "data"),
        "version": f"sshd {version.splitlines()[0].split(',')[0] if version else '(unknown)'}",
    }


def sftp_folder(said: Mapping[str, str] | None = None) -> SftpAddress:
    """A new folder of a server's; of the shared one where none is named."""
    said = said or sshd()
    folder = Path(said["folder"]) / uuid.uuid4().hex
    folder.mkdir()
    return SftpAddress(
        said["host"],
        int(said["port"]),
        said["user"],
        str(folder),
        (said["host_key"],),
        Path(said["key"]),
        connect_seconds=5.0,
        read_seconds=20.0,
    )


class OwnServer:
    """A server that one test kills and starts again, on the same port each time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._daemons = Daemons(folder)
        try:
            self.said = run(self._daemons)
        except ServiceAbsent as error:
            absent(str(error))

    def kill(self) -> None:
        """The server with all its sessions, at once."""
        for process in self._daemons.running:
            for each in (process.pid, *_descendants(process.pid)):
                os.kill(each, signal.SIGKILL)
            process.wait()
        self._daemons.running.clear()

    def start(self) -> None:
        self._daemons.start(_PROGRAM, "-D", "-e", "-f", self._daemons.folder / "sshd.conf")
        wait_for(lambda: listens(int(self.said["port"])), self._daemons, _STARTING, "sshd")


def _descendants(process: int) -> list[int]:
    try:
        children = [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *_descendants(child))]


@contextmanager
def mounted(mount: Path, said: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A new folder of a server's (of the shared one where none is named), mounted there with sshfs; the folder where
    the server has it."""
    for program in ("sshfs", "fusermount3"):
        if shutil.which(program) is None:
            absent(f"{program} is not installed")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        absent("this machine has no /dev/fuse")
    said = said or sshd()
    behind = Path(said["folder"]) / uuid.uuid4().hex
    behind.mkdir()
    mount.mkdir()
    known = mount.with_name(mount.name + ".known")
    known.write_text(f"[{said['host']}]:{said['port']} {said['host_key']}\n")
    wanted = {
        "ssh_command": "ssh -F /dev/null",
        "port": said["port"],
        "IdentityFile": said["key"],
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
    }
    options = [part for name, value in wanted.items() for part in ("-o", f"{name}={value}")]
    source = f"{said['user']}@{said['host']}:{behind}"
    done = subprocess.run(["sshfs", *options, source, mount], capture_output=True, text=True, timeout=_STARTING)
    if done.returncode:
        absent(f"sshfs does not mount: {done.stderr.strip()}")
    try:
        yield behind
    finally:
        subprocess.run(["fusermount3", "-u", "-z", mount], capture_output=True, timeout=_STARTING)


if __name__ == "__main__":
    guard(run, sys.argv[1:])
