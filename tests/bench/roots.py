# SPDX-License-Identifier: ISC
"""Roots of the peers: Debian's packages unpacked into a folder each, never installed in the machine.

apt chooses the packages as if nothing were installed, dpkg-deb unpacks them, no maintainer script is run: what those
would have done (accounts, device nodes, a few files) is written here. A root is kept between runs.
"""

import enum
import fcntl
import os
import shutil
import stat
import subprocess

from process import Failure, run_command

# Raised when what is written into a root changes: older ones are then built anew.
RECIPE = 2
STAMP = ".postern-bench"
APT_SECONDS = 300
UNPACK_SECONDS = 120
MERGED_FOLDERS = ("bin", "sbin", "lib", "lib64")
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9))


class Getting(enum.Enum):
    """When packages are fetched."""

    MISSING = "a root that is not there is built"
    ANEW = "every root is built"
    NEVER = "a root that is not there is a failure"


def ensure_root(cache, package, accounts, getting, say):
    """Returns (path of the root of a Debian package, its version), building it where it is missing."""
    path = os.path.join(cache, "roots", package)
    version = None if getting is Getting.ANEW else read_stamp(path)
    if version is None and getting is Getting.NEVER:
        raise Failure(f"{path} is not there and must not be fetched")
    if version is None:
        os.makedirs(cache, exist_ok=True)
        with open(os.path.join(cache, "roots.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another test may be at it
            version = None if getting is Getting.ANEW else read_stamp(path)
            if version is None:
                say(f"unpacking {package} and what it depends on into {path}")
                version = build_root(cache, path, package, accounts)
    check_devices(path)
    return path, version


def read_stamp(path):
    try:
        with open(os.path.join(path, STAMP), encoding="ascii") as file:
            recipe, version = file.read().split()
    except (OSError, ValueError):
        return None
    return version if recipe == str(RECIPE) else None


def build_root(cache, path, package, accounts):
    archives = os.path.join(cache, "archives-" + package)
    fresh = path + ".new"
    for folder in (archives, fresh, path):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        version = download(cache, archives, package)
        unpack(archives, fresh)
        furnish(fresh, accounts)
        with open(os.path.join(fresh, STAMP), "w", encoding="ascii") as file:
            file.write(f"{RECIPE} {version}\n")
        os.rename(fresh, path)
    finally:
        shutil.rmtree(archives, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
    return version


def download(cache, archives, package):
    """Fetches the package and all it depends on. The machine's own lists are tried first, then lists of our own."""
    os.makedirs(os.path.join(archives, "partial"))
    status = os.path.join(cache, "no-packages")
    with open(status, "w", encoding="ascii"):
        pass
    options = ["-o", f"Dir::State::status={status}", "-o", f"Dir::Cache={archives}",
               "-o", f"Dir::Cache::archives={archives}", "-o", "APT::Install-Recommends=false",
               "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"]
    install = ["install", "--yes", "--download-only", package]
    try:
        run_command(["apt-get", *options, *install], APT_SECONDS)
    except Failure:
        lists = os.path.join(cache, "lists")
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        options += ["-o", f"Dir::State::lists={lists}"]
        run_command(["apt-get", *options, "update"], APT_SECONDS)
        run_command(["apt-get", *options, *install], APT_SECONDS)
    for name in os.listdir(archives):
        if name.startswith(package + "_"):
            return run_command(["dpkg-deb", "--field", os.path.join(archives, name), "Version"], 10).strip()
    raise Failure(f"apt-get did not fetch {package}")


def unpack(archives, root):
    for name in MERGED_FOLDERS:
        os.makedirs(os.path.join(root, "usr", name))
        os.symlink("usr/" + name, os.path.join(root, name))
    for name in sorted(os.listdir(archives)):
        if name.endswith(".deb"):
            unpack_one(os.path.join(archives, name), root)


def unpack_one(archive, root):
    # dpkg-deb -x would replace the links of a merged /usr by folders.
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as source:
        try:
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=source.stdout,
                           timeout=UNPACK_SECONDS, check=True)
            source.stdout.close()
            failed = source.wait(UNPACK_SECONDS) != 0
        except (subprocess.SubprocessError, OSError) as error:
            source.kill()
            raise Failure(f"{archive}: {error}") from error
    if failed:
        raise Failure(f"{archive}: dpkg-deb could not read it")


def furnish(root, accounts):
    """What a server expects to find that no package holds."""
    for name, mode in (("dev", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("run", 0o755), ("var/log", 0o755)):
        os.makedirs(os.path.join(root, name), exist_ok=True)
        os.chmod(os.path.join(root, name), mode)
    if not os.path.lexists(os.path.join(root, "var/run")):
        os.symlink("../run", os.path.join(root, "var/run"))
    for name, major, minor in DEVICES:
        path = os.path.join(root, "dev", name)
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.chmod(path, 0o666)
    users = [("root", 0, 0)] + list(accounts["users"])
    groups = [("root", 0)] + list(accounts["groups"])
    write(root, "etc/passwd", "".join(f"{name}:x:{uid}:{gid}::/:/usr/sbin/nologin\n" for name, uid, gid in users))
    write(root, "etc/group", "".join(f"{name}:x:{gid}:\n" for name, gid in groups))
    for name, gid in accounts.get("setgid", ()):
        os.chown(os.path.join(root, name), 0, gid)
        os.chmod(os.path.join(root, name), 0o2755)
    write(root, "etc/hosts", "127.0.0.1 localhost\n127.0.0.1 bench.test\n")
    write(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    write(root, "etc/mailname", "bench.test\n")


def write(root, name, text):
    with open(os.path.join(root, name), "w", encoding="ascii") as file:
        file.write(text)


def check_devices(root):
    path = os.path.join(root, "dev", "null")
    try:
        with open(path, "wb"):
            pass
    except OSError as error:
        raise Failure(f"{path}: {error}: the cache must not be on a file system mounted with nodev") from error


def file_system(path):
    """The type of the file system that holds path, as /proc/self/mountinfo names it."""
    wanted = os.stat(path).st_dev
    device = f"{os.major(wanted)}:{os.minor(wanted)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            if left.split()[2] == device:
                return right.split()[0]
    return "unknown"
