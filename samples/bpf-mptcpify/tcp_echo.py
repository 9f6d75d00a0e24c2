# SPDX-License-Identifier: GPL-2.0-only
"""An echo by TCP, which knows nothing of MPTCP: `tcp_echo.py serve PORT`, or `tcp_echo.py call HOST PORT`."""

import socket
import sys
import time


def serve(port):
    listener = None
    while True:
        # A new socket for each connection: what a socket speaks is settled when it is made.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        listener.listen()
        connection, _ = listener.accept()
        listener.close()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)


def call(host, port):
    with socket.create_connection((host, port)) as connection:
        for _ in range(10):
            connection.sendall(b"x" * 4000)
            missing = 4000
            while missing:
                missing -= len(connection.recv(missing))
            time.sleep(0.2)
    print("echoed 40000 bytes")


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    call(sys.argv[2], int(sys.argv[3]))
