#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The same two programs twice: as they are, and with the BPF program attached.
set -e

say() { printf '\n== %s\n' "$*"; }
mptcp() { awk '/^MPTcpExt:/ { if (!n) { split($0, name); n = 1 } else for (i in name) if (name[i] == "MPCapableSYNTX") print $i }' /proc/net/netstat; }

server=$1 port=$2

say "as it is: this is TCP"
python3 tcp_echo.py call "$server" "$port"
before=$(mptcp)

say "the kernel loads and attaches the program"
mount -t bpf bpf /sys/fs/bpf 2> /dev/null || true
bpftool prog loadall mptcpify.bpf.o /sys/fs/bpf/mptcpify autoattach

say "the same again: now this is MPTCP"
# The server makes its next socket when it has served the one before: this is the one that it made without the program.
python3 tcp_echo.py call "$server" "$port"
python3 tcp_echo.py call "$server" "$port"
after=$(mptcp)
rm -rf /sys/fs/bpf/mptcpify

say "connections that asked for MPTCP: $before before, $after after"
[ "$before" -eq 0 ] && [ "$after" -ge 1 ]
