# expect: timeout
# limit: 1
# what: what a careless model writes: a server loop that waits for ever
import asyncio


async def serve():
    queue = asyncio.Queue()
    while True:
        await queue.get()


asyncio.run(serve())
