# Runs the scripts of a directory with packetdrill, each over IPv4, IPv6 and IPv4 in IPv6, and prints KTAP.
# Arguments: packetdrill, the directory, and further arguments for packetdrill.
program=$1
cd "$2" || exit 1
shift 2
factor=${VMPTCP_PACKETDRILL_TOLERANCE:-1}
# What packetdrill has where a script says nothing, in microseconds.
usual=4000
limit=180
ns=packetdrill-$$
# See vmptcp.h.
! grep -q time-travel=inf-cpu /proc/cmdline || export VMPTCP_VIRTUAL_TIME=1
log=$(mktemp) || exit 1
trap 'rm -f "$log"; ip netns del "$ns" 2> /dev/null' EXIT

families() {
    case $1 in
    *v4.pkt) echo ipv4 ipv4-mapped-v6 ;;
    *v6.pkt) echo ipv6 ;;
    *) echo ipv4 ipv4-mapped-v6 ipv6 ;;
    esac
}

# packetdrill in a network namespace of its own: the addresses are those that the scripts expect.
drill() {
    family=$1 script=$2 tolerance=$3
    shift 3
    v4="--local_ip=192.168.0.2 --gateway_ip=192.168.0.1 --netmask_ip=255.255.0.0 --remote_ip=192.0.2.1/24"
    v4="$v4 -D TFO_COOKIE=de4f234f0f433a55"
    v6="--mtu=1520 --local_ip=fd3d:fa7b:d17d::0 --gateway_ip=fd3d:fa7b:d17d:8888::0 --remote_ip=2001:DB8::1/32"
    v6="$v6 -D TFO_COOKIE=6aa6ae70c288023b"
    of_v4="-D CMSG_LEVEL_IP=SOL_IP -D CMSG_TYPE_RECVERR=IP_RECVERR"
    of_v6="-D CMSG_LEVEL_IP=SOL_IPV6 -D CMSG_TYPE_RECVERR=IPV6_RECVERR"
    case $family in
    ipv4) options="--ip_version=ipv4 $v4 $of_v4" ;;
    ipv6) options="--ip_version=ipv6 $v6 $of_v6" ;;
    *) options="--ip_version=ipv4-mapped-ipv6 $v4 $of_v6" ;;
    esac
    ip netns add "$ns" && ip -n "$ns" link set lo up || return
    # The options are words without blanks.
    # shellcheck disable=SC2086
    timeout -k 5 "$limit" ip netns exec "$ns" \
        "$program" --send_omit_free $options --tolerance_usecs="$tolerance" "$@" "$script"
    status=$?
    ip netns del "$ns"
    return "$status"
}

count=0
for script in *.pkt; do
    for family in $(families "$script"); do
        count=$((count + 1))
    done
done
echo "KTAP version 1"
echo "1..$count"
number=0 failed=0
for script in *.pkt; do
    own=$(sed -n 's/^ *--tolerance_usecs=\([0-9]\{1,9\}\).*/\1/p' "$script" | head -n 1)
    for family in $(families "$script"); do
        number=$((number + 1)) result="ok" why=""
        drill "$family" "$script" $((${own:-$usual} * factor)) "$@" > "$log" 2>&1
        code=$?
        if [ "$code" -ne 0 ]; then
            result="not ok"
            [ "$code" -ne 124 ] || why=" # stopped after $limit s"
            [ -z "$VMPTCP_PACKETDRILL_FLAKY" ] || why=" # IGNORE Flaky"
            [ -n "$VMPTCP_PACKETDRILL_FLAKY" ] || failed=1
            sed 's/^/# /' "$log"
        fi
        echo "$result $number - $script ($family)$why"
    done
done
exit "$failed"
