# SPDX-License-Identifier: GPL-2.0-only
"""Sends back what it receives, by MPTCP."""

import socket
import sys

# Python knows the name since 3.10.
IPPROTO_MPTCP = getattr(socket, "IPPROTO_MPTCP", 262)


def main():
    port = int(sys.argv[1])
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM, IPPROTO_MPTCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # "::" takes IPv4 as well.
        listener.bind(("::", port))
        listener.listen()
        print("listening on port", port)
        connection, peer = listener.accept()
        print("connected with", peer[0])
        with connection:
            while data := connection.recv(16384):
                connection.sendall(data)


main()
