"""A client that posts documents as those of Elasticsearch do: many in a body of lines of JSON, again and again on one
connection; and looks at what became of each.

    bulk_client.py PORT
"""

import gzip
import hashlib
import http.client
import json
import random
import sys
import threading

POSTS = 4
DOCUMENTS = 4000
CLIENTS = 2

chance = random.Random(7)
words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz éß漢\"\\\n", k=12)) for _ in range(1000)]


def document(name, chance):
    text = " ".join(chance.choices(words, k=80))
    return {"name": name, "text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def asked(connection, method, target, body=None, fields={}, chunked=False):
    connection.request(method, target, body, {"Host": "h1", **fields}, encode_chunked=chunked)
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status in (200, 201), (response.status, answer)
    return answer


def post(client, sizes):
    chance = random.Random(client)
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    connection.connect()
    socket = connection.sock
    for round in range(POSTS):
        names = [f"{client}-{round}-{number}" for number in range(DOCUMENTS)]
        lines = []
        for name in names:
            lines.append(json.dumps({"index": {"_index": "squids", "_id": name}}))
            lines.append(json.dumps(document(name, chance), ensure_ascii=False))
        body = ("\n".join(lines) + "\n").encode()
        sizes.append(len(body))
        fields = {"Content-Type": "application/x-ndjson"}
        if round % 3 == 1:
            # Of unknown length, in pieces as they come.
            pieces = (body[at : at + 50_000] for at in range(0, len(body), 50_000))
            answer = asked(connection, "POST", "/_bulk", pieces, {**fields, "Transfer-Encoding": "chunked"}, True)
        elif round % 3 == 2:
            compressed = gzip.compress(body, 1)
            answer = asked(connection, "POST", "/squids/_bulk?refresh=false", compressed, {**fields, "Content-Encoding": "gzip"})
        else:
            answer = asked(connection, "POST", "/_bulk", body, fields)
        assert answer["errors"] is False, answer
        assert [item["index"]["_id"] for item in answer["items"]] == names
        one = document(f"{client}-{round}-alone", chance)
        answer = asked(connection, "POST", "/squids/_doc/?pretty", json.dumps(one), {"Content-Type": "application/json"})
        assert answer["result"] == "created", answer
    assert connection.sock is socket, "the connection did not last"


sizes, failed = [], []


def run(client):
    try:
        post(client, sizes)
    except BaseException as error:
        failed.append(repr(error))
        raise


threads = [threading.Thread(target=run, args=(client,)) for client in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed, failed
assert min(sizes) > 4 << 20, sizes
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
count = asked(connection, "GET", "/_count")["count"]
assert count == CLIENTS * POSTS * (DOCUMENTS + 1), count
print(f"{count} documents in bodies of {min(sizes)} bytes and more")
