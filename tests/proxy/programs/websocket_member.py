"""A WebSocket server that sends back what it gets, and does what some words tell it to. Its port is the first line on stdout."""

import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def visit(connection):
    try:
        await echo(connection)
    except ConnectionClosed:
        pass


async def echo(connection):
    async for message in connection:
        if message == "ping me":
            await (await connection.ping(b"from the member"))
            await connection.send("pong came")
        elif message == "in pieces":
            await connection.send(piece for piece in ["one, ", "two, ", "three"])
        elif message == "close":
            await connection.close(4001, "as you like")
        elif message == "path":
            await connection.send(f"{connection.request.path} {connection.request.headers['Host']}")
        else:
            await connection.send(message)


async def main():
    async with serve(visit, "127.0.0.1", 0, subprotocols=["chat.v1"], max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
