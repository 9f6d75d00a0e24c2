#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Path management in the kernel: the administrator says once which addresses
# there are and what they are for (endpoints), and how many subflows there may
# be (limits). The kernel does the rest, for each connection of every program.
set -e

say() { printf '\n== %s\n' "$*"; }
subflows() { ss -Htni state established "( dport = :$port )" | grep -c tcp-ulp-mptcp || true; }

server=$1 port=$2

say "who manages paths: 0 is the kernel"
sysctl net.mptcp.pm_type
say "what it was told: endpoints and limits"
ip mptcp endpoint show
ip mptcp limits show

say "a connection begins with one subflow; the kernel adds one from the second address"
python3 talk.py call "$server" "$port" 8 &
sleep 3
ss -tn state established "( dport = :$port )"
before=$(subflows)

say "without the endpoint its subflow goes too"
second=$(ip mptcp endpoint show | awk '$1 !~ /:/ { print $3; exit }')
ip mptcp endpoint delete id "$second"
sleep 2
ss -tn state established "( dport = :$port )"
after=$(subflows)

wait
say "$before subflows before, $after after"
[ "$before" -ge 2 ] && [ "$after" -lt "$before" ]
