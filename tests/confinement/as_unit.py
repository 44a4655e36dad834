# SPDX-License-Identifier: ISC
"""Executes a program under the options of etc/postern.service, as far as one can without systemd: the filters of system
calls that it would install, its capabilities, what of the file system is read-only.

    as_unit.py [--filters-only] PROGRAM [ARGUMENT...]

--filters-only is what every ordinary user can have, and about what a container's runtime does. Systemd's filters are
written down here as they are described in systemd.exec(5): each option is a filter of its own, whose other calls are
allowed. An option of the unit that this file does not know is an error, so that none is added untried.
"""

import ctypes
import errno
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALLOW, ERRNO_EPERM, ERRNO_EAFNOSUPPORT = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.EAFNOSUPPORT
ERRNO_ENOSYS = 0x00050000 | errno.ENOSYS
NE, EQ, MASKED_EQ, GT = 1, 4, 7, 6
ATTRIBUTE_NO_NEW_PRIVS = 3
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_SET_NO_NEW_PRIVS = 24, 47, 4, 38
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
S_ISUID, S_ISGID, O_CREAT = 0o4000, 0o2000, 0o100
CAPABILITIES = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
                "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
                "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
                "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
                "PERFMON BPF CHECKPOINT_RESTORE").split()
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
FAMILIES_COUNT = 46


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
seccomp.seccomp_init.argtypes = [ctypes.c_uint32]
seccomp.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
seccomp.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
libc = ctypes.CDLL(None, use_errno=True)


def refuse(rules, privileged):
    """One filter: (action, call, comparison...) each, everything else allowed."""
    context = seccomp.seccomp_init(ALLOW)
    seccomp.seccomp_attr_set(context, ATTRIBUTE_NO_NEW_PRIVS, 0 if privileged else 1)
    for action, call, *comparisons in rules:
        number = seccomp.seccomp_syscall_resolve_name(call.encode("ascii"))
        array = (Comparison * len(comparisons))(*(Comparison(*words) for words in comparisons))
        if number >= 0:
            result = seccomp.seccomp_rule_add_array(context, action, number, len(comparisons), array)
            assert result == 0, f"{call}: {os.strerror(-result)}"
    result = seccomp.seccomp_load(context)
    assert result == 0, os.strerror(-result)


def calls(names):
    return [(ERRNO_EPERM, name) for name in names.split()]


def address_families(value):
    known = {FAMILIES[word] for word in value.split()}
    return [(ERRNO_EAFNOSUPPORT, "socket", (0, EQ, family, 0)) for family in range(FAMILIES_COUNT) if family not in known] + [
        (ERRNO_EAFNOSUPPORT, "socket", (0, GT, FAMILIES_COUNT - 1, 0))]


def namespaces(_):
    return [(ERRNO_EPERM, "setns"), (ERRNO_ENOSYS, "clone3")] + [
        (ERRNO_EPERM, call, (0, MASKED_EQ, flag, flag)) for call in ("unshare", "clone") for flag in NAMESPACES]


def set_ids(_):
    modes = (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2), ("mkdir", 1), ("mkdirat", 2), ("mknod", 1),
             ("mknodat", 2), ("creat", 1))
    rules = [(ERRNO_EPERM, call, (at, MASKED_EQ, bit, bit)) for call, at in modes for bit in (S_ISUID, S_ISGID)]
    opens = (("open", 1, 2), ("openat", 2, 3))
    return rules + [(ERRNO_EPERM, call, (flags, MASKED_EQ, O_CREAT, O_CREAT), (mode, MASKED_EQ, bit, bit))
                    for call, flags, mode in opens for bit in (S_ISUID, S_ISGID)] + [(ERRNO_ENOSYS, "openat2")]


# What each option of the unit refuses, by a filter of its own.
FILTERS = {
    "RestrictAddressFamilies": address_families,
    "LockPersonality": lambda _: [(ERRNO_EPERM, "personality", (0, NE, 0, 0))],
    "SystemCallArchitectures": lambda _: [],
    "RestrictRealtime": lambda _: [(ERRNO_EPERM, "sched_setscheduler", (1, EQ, policy, 0)) for policy in (1, 2, 6)] + [
        (ERRNO_EPERM, "sched_setscheduler", (1, GT, 7, 0))],
    "RestrictNamespaces": namespaces,
    "RestrictSUIDSGID": set_ids,
    "ProtectKernelModules": lambda _: calls("init_module finit_module delete_module"),
    "ProtectKernelLogs": lambda _: calls("syslog"),
    "ProtectClock": lambda _: calls("adjtimex clock_adjtime clock_settime settimeofday stime"),
    "ProtectHostname": lambda _: calls("sethostname setdomainname"),
    "PrivateDevices": lambda _: calls("ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write"),
}
# Capabilities that options take away besides.
DROPPED = {"ProtectKernelModules": "SYS_MODULE", "ProtectKernelLogs": "SYSLOG", "ProtectClock": "SYS_TIME WAKE_ALARM",
           "PrivateDevices": "MKNOD SYS_RAWIO"}
# Read-only with everything below.
READ_ONLY = {"ProtectSystem": ("/usr", "/etc"), "ProtectKernelTunables": ("/proc/sys",),
             "ProtectControlGroups": ("/sys/fs/cgroup",), "ProtectKernelModules": ()}
# Done elsewhere, or nothing that a running process could notice.
OTHER = {"ExecStart", "KillMode", "TimeoutStopSec", "Restart", "RuntimeDirectory", "RuntimeDirectoryPreserve", "LimitNOFILE",
         "OOMScoreAdjust", "CapabilityBoundingSet"}


def options():
    with open(os.path.join(TOP, "etc/postern.service"), encoding="ascii") as file:
        section = re.search(r"\[Service\]\n(.*?)\n\[", file.read(), re.DOTALL)[1]
    return dict(line.split("=", 1) for line in section.splitlines() if line and not line.startswith("#"))


def must(result, what):
    if result == -1:
        raise OSError(ctypes.get_errno(), what)


def mount_read_only(paths):
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    for path in (path.encode("ascii") for path in paths if os.path.exists(path)):
        must(libc.mount(path, path, None, MS_BIND | MS_REC, None), path)
        must(libc.mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY, None), path)


def drop_capabilities(kept):
    for number, name in enumerate(CAPABILITIES):
        if name not in kept:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def main(arguments):
    unit = options()
    unknown = set(unit) - set(FILTERS) - set(READ_ONLY) - OTHER
    assert not unknown, f"as_unit.py does not know what these do: {sorted(unknown)}"
    privileged = arguments[0] != "--filters-only"
    if privileged:
        mount_read_only(path for name, paths in READ_ONLY.items() if name in unit for path in paths)
        kept = {word.removeprefix("CAP_") for word in unit["CapabilityBoundingSet"].split()}
        drop_capabilities(kept - {word for name, words in DROPPED.items() if name in unit for word in words.split()})
    for name, make in FILTERS.items():
        if name in unit:
            refuse(make(unit[name]), privileged)
    program = arguments if privileged else arguments[1:]
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
