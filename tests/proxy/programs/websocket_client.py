"""A WebSocket client: everything that the protocol can do, on one connection and on many at once.

    websocket_client.py PORT
"""

import asyncio
import os
import socket
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

CONNECTIONS = 20
port = int(sys.argv[1])


def connection(**more):
    sock = socket.create_connection(("127.0.0.1", port))
    # Host is h1, wherever that is. Nothing is to be waited for longer than a slow machine takes.
    return connect(f"ws://h1:{port}/chat?room=1", sock=sock, proxy=None, max_size=None, ping_timeout=120,
        subprotocols=["chat.v2", "chat.v1"], **more)


async def echoed(ws, message):
    await ws.send(message)
    answer = await ws.recv()
    assert type(answer) is type(message) and answer == message, (len(answer), len(message))


async def everything(**more):
    async with connection(**more) as ws:
        assert ws.subprotocol == "chat.v1", ws.subprotocol
        await echoed(ws, "text: é漢😀")
        await echoed(ws, "")
        await echoed(ws, bytes(range(256)))
        await echoed(ws, os.urandom(1 << 20))
        await echoed(ws, "x" * (1 << 20))
        await ws.send(["in ", "pie", "ces"])
        assert await ws.recv() == "one, two, three"
        await (await ws.ping(b"from the client"))
        await ws.send("ping me")
        assert await ws.recv() == "pong came"
        await ws.send("path")
        assert await ws.recv() == f"/chat?room=1 h1:{port}"
        # Many under way in both directions.
        sent = [f"{number}" * 1000 for number in range(200)]
        sender = asyncio.create_task(send_all(ws, sent))
        assert [await ws.recv() for _ in sent] == sent
        await sender
        await ws.close(4000, "enough")
        assert (ws.close_code, ws.close_reason) == (4000, "enough")


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


async def closed_by_the_member():
    async with connection() as ws:
        await ws.send("close")
        try:
            await ws.recv()
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason, closed.rcvd_then_sent) == (4001, "as you like", True), closed
        else:
            raise AssertionError("it was not closed")


async def one_of_many(number, together):
    async with connection() as ws:
        await together.wait()
        for round in range(30):
            await echoed(ws, f"{number}: {round}: " + "y" * (997 * round))


async def main():
    # Compressed, as both sides agree, and not.
    await everything()
    await everything(compression=None)
    await closed_by_the_member()
    together = asyncio.Barrier(CONNECTIONS)
    await asyncio.gather(*(one_of_many(number, together) for number in range(CONNECTIONS)))
    print(f"{CONNECTIONS} at once")


asyncio.run(asyncio.wait_for(main(), 120))
