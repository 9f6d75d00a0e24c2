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

say "the same with the program attached: now this is MPTCP"
# The server makes its next socket when it has served the one before: for the first call it has one from before.
./attach mptcpify.bpf.o sh -e -c '
    python3 tcp_echo.py call "$1" "$2"
    python3 tcp_echo.py call "$1" "$2"
' sh "$server" "$port"
after=$(mptcp)

say "connections that asked for MPTCP: $before before, $after after"
[ "$before" -eq 0 ] && [ "$after" -ge 1 ]
