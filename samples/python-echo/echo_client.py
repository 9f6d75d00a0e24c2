# SPDX-License-Identifier: GPL-2.0-only
"""Sends data to a server that echoes it, by MPTCP, and says whether it was MPTCP."""

import socket
import sys
import time

IPPROTO_MPTCP = getattr(socket, "IPPROTO_MPTCP", 262)
SOL_MPTCP, MPTCP_INFO = 284, 1

ROUNDS, LENGTH = 20, 8000


def connect(host, port):
    """As socket.create_connection(), which has no argument for the protocol."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    try:
        connection = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
    except OSError as error:
        # No MPTCP in this kernel, or it is turned off: TCP will do.
        print("no MPTCP here:", error)
        connection = socket.socket(family, socket.SOCK_STREAM)
    connection.connect(address)
    return connection


def protocol(connection):
    """What is spoken, as the kernel says: a connection falls back to TCP without an error."""
    try:
        info = connection.getsockopt(SOL_MPTCP, MPTCP_INFO, 512)
    except OSError:
        return "TCP"
    return f"MPTCP, with {info[0]} further subflows"


def main():
    with connect(sys.argv[1], int(sys.argv[2])) as connection:
        for _ in range(ROUNDS):
            connection.sendall(b"x" * LENGTH)
            missing = LENGTH
            while missing:
                data = connection.recv(missing)
                if not data:
                    sys.exit("the server went away")
                missing -= len(data)
            time.sleep(0.2)
        print("this is", protocol(connection))
        print("echoed", ROUNDS * LENGTH, "bytes")


main()
