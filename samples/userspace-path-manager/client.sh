#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Path management in user space: the kernel adds nothing by itself. It tells
# a program what happens (ip mptcp monitor), and that program decides, for each
# connection by its token. Here a script is that program, and pm_nl_ctl of the
# kernel's selftests speaks netlink for it; a service would be mptcpd(8).
set -e

say() { printf '\n== %s\n' "$*"; }
subflows() { ss -Htni state established "( dport = :$port )" | grep -c tcp-ulp-mptcp || true; }

server=$1 port=$2
pm_nl_ctl=$VMPTCP_SELFTESTS/pm_nl_ctl
if [ ! -x "$pm_nl_ctl" ]; then
	echo "the tree's selftests have no pm_nl_ctl"
	exit 4
fi

say "from here on a program manages paths: 1 is user space"
sysctl -w net.mptcp.pm_type=1
second=$(ip -4 -o address show dev eth1 | awk '{ sub("/.*", "", $4); print $4; exit }')

say "the kernel says what happens"
ip mptcp monitor > events &
monitor=$!
trap 'kill $monitor' EXIT
sleep 1
python3 talk.py call "$server" "$port" 10 &
talk=$!
sleep 2
cat events
before=$(subflows)
token=$(sed -n 's/.*ESTABLISHED.*token=\([0-9a-f]*\).*/\1/p' events | head -n 1)
# ip(8) prints it in hexadecimal digits, pm_nl_ctl reads decimal ones.
number=$(printf %u "0x$token")
say "the endpoints are there, and the kernel leaves them alone: $before subflow"

say "the program opens a subflow from $second, for the connection $token alone"
"$pm_nl_ctl" csf lip "$second" lid 23 rip "$server" rport "$port" token "$number"
sleep 2
ss -tn state established "( dport = :$port )"
during=$(subflows)

say "and closes it"
sub=$(ss -Htn state established "( dport = :$port )" | awk -v ip="$second" '$3 ~ ip { sub(".*:", "", $3); print $3; exit }')
"$pm_nl_ctl" dsf lip "$second" lport "$sub" rip "$server" rport "$port" token "$number"
sleep 1
after=$(subflows)
cat events

wait $talk
say "$before, $during, $after subflows"
[ "$before" -eq 1 ] && [ "$during" -eq 2 ] && [ "$after" -eq 1 ]
