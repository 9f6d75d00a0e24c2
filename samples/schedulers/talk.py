# SPDX-License-Identifier: GPL-2.0-only
"""A connection to watch: `talk.py serve PORT`, or `talk.py call HOST PORT SECONDS`."""

import socket
import sys
import time

IPPROTO_MPTCP = getattr(socket, "IPPROTO_MPTCP", 262)


def serve(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)


def call(host, port, seconds):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as connection:
        connection.connect((host, port))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(b"x" * 4000)
            missing = 4000
            while missing:
                missing -= len(connection.recv(missing))
            time.sleep(0.1)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    call(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
