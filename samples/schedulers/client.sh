#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The packet scheduler says which subflow the next data takes. A kernel has one
# of its own, "default": the fastest that is free. Others are BPF programs.
set -e

say() { printf '\n== %s\n' "$*"; }

server=$1 port=$2

if ! schedulers=$(sysctl -n net.mptcp.available_schedulers 2> /dev/null); then
	# Before Linux 6.8 the choice could not be listed.
	schedulers=$(sysctl -n net.mptcp.scheduler 2> /dev/null || echo default)
fi
say "schedulers of this kernel: $schedulers"

for scheduler in $schedulers; do
	say "$scheduler: bytes on each subflow"
	sysctl -qw net.mptcp.scheduler="$scheduler" 2> /dev/null || true
	python3 talk.py call "$server" "$port" 4 &
	sleep 3
	ss -Htni state established "( dport = :$port )" | awk '
		/^[^ \t]/ { path = $3 " -> " $4 }
		{ for (i = 1; i <= NF; i++) if ($i ~ /^bytes_sent:/) print "  " path, $i }'
	wait
done
