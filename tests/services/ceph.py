"""Ceph with its RADOS Gateway, of Debian's packages: one monitor, one OSD on a file, one gateway; loopback only.

The gateway offers S3 and its admin API; no Swift, whose ``X-Delete-After`` destroys what object lock protects.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from tests.services.shared_service import Daemons, ServiceAbsent, free_port, guard, listens, shared, wait_for

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "ceph", "radosgw-admin", "ceph-authtool", "monmaptool")
STARTING = 90.0
_OSD_BYTES = 16 * 1024**3
_ADMIN = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")

CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{monitor}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
keyring = {folder}/$name.keyring
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
crash dir = {folder}
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
auth allow insecure global id reclaim = false
paxos propose interval = 0.05
paxos min wait = 0.01
[mon]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = bluestore
osd memory target = 939524096
osd fast shutdown = true
bluestore block size = {osd_bytes}
[client.admin]
log file = /dev/null
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1
rgw enable apis = s3, admin
rgw usage max user shards = 1
rgw enable ops log = true
rgw ops log rados = false
rgw ops log file path = {folder}/operations.log
"""


def ceph() -> dict[str, str]:
    """``endpoint``, ``access_key``, ``secret_key``, ``version``, ``configuration`` (the file that ``radosgw-admin``
    wants); raises ``ServiceAbsent``."""
    return shared("tests.services.ceph", STARTING)


def run(daemons: Daemons) -> dict[str, str]:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ServiceAbsent(f"Ceph is not installed: {', '.join(missing)}")
    folder, fsid, monitor, gateway = daemons.folder, str(uuid.uuid4()), free_port(), free_port()
    configuration = folder / "ceph.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, fsid=fsid, monitor=monitor, gateway=gateway, osd_bytes=_OSD_BYTES)
    )
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    _monitor(daemons, configuration, fsid, monitor)
    _osd(daemons, configuration)
    caps = ("mon", "allow rw", "osd", "allow rwx")
    _ceph(configuration, "auth", "get-or-create", "client.rgw", *caps, "-o", folder / "client.rgw.keyring")
    daemons.start("radosgw", "-c", configuration, "-n", "client.rgw", "-f")
    wait_for(lambda: listens(gateway), daemons, STARTING, "radosgw")
    user = json.loads(
        _output("radosgw-admin", "-c", configuration, "user", "create", "--uid=archive", "--display-name=archive")
    )
    return {
        "endpoint": f"http://127.0.0.1:{gateway}",
        "access_key": user["keys"][0]["access_key"],
        "secret_key": user["keys"][0]["secret_key"],
        "version": _output("radosgw", "--version").strip(),
        "configuration": str(configuration),
        "operations_log": str(folder / "operations.log"),
    }


def administer(configuration: str, *arguments: str) -> str:
    """Runs ``radosgw-admin``; its output."""
    return _output("radosgw-admin", "-c", configuration, *arguments)


def _monitor(daemons: Daemons, configuration: Path, fsid: str, port: int) -> None:
    folder = daemons.folder
    admin, own, names = folder / "client.admin.keyring", folder / "mon.keyring", folder / "monmap"
    _output("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin", *_ADMIN)
    _output("ceph-authtool", "--create-keyring", own, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    _output("ceph-authtool", own, "--import-keyring", admin)
    _output("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", "--fsid", fsid, names)
    _output("ceph-mon", "-c", configuration, "--mkfs", "-i", "a", "--monmap", names, "--keyring", own)
    daemons.start("ceph-mon", "-c", configuration, "-i", "a", "-f", "--keyring", own)
    wait_for(lambda: listens(port), daemons, STARTING, "ceph-mon")


def _osd(daemons: Daemons, configuration: Path) -> None:
    identity = str(uuid.uuid4())
    _ceph(configuration, "osd", "new", identity, "0")
    caps = ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *")
    _ceph(configuration, "auth", "get-or-create", "osd.0", *caps, "-o", daemons.folder / "osd.0.keyring")
    _output("ceph-osd", "-c", configuration, "--mkfs", "-i", "0", "--osd-uuid", identity)
    daemons.start("ceph-osd", "-c", configuration, "-i", "0", "-f")

    def up() -> bool:
        return int(json.loads(_ceph(configuration, "osd", "stat", "-f", "json"))["num_up_osds"]) == 1

    wait_for(up, daemons, STARTING, "ceph-osd")


def _ceph(configuration: Path, *arguments: str | Path) -> str:
    return _output("ceph", "-c", configuration, *arguments)


def _output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=STARTING)
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[-1]}: {done.stderr[-1000:]}")
    return done.stdout


if __name__ == "__main__":
    guard(run, sys.argv[1:])
