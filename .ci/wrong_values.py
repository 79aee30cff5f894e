"""Options of helm that the charts must refuse."""

import copy
import json


def setting(*values):
    return [["--set", value] for value in values]


CONSUMER = setting("replicas=two", "replicaz=2", "service.typo=1", "persistence.enabled=maybe", "token.valeu=x")


def proxy(right):
    """Those of the proxy's chart; of a configuration that is right, some with one thing wrong each."""
    yield from setting(
        "replicaz=2",
        "app.typo=1",
        "app.command.timeout=0",
        "app.command.logLevel=trace",
        "app.service.type=x",
        "app.data.service.nodePort=30303",
        "app.config.proxy.listen.port=1",
        "httpRoute.enabled=true",
    )
    for config in configurations(right):
        # A mapping is judged by the schema as well, a text by the templates alone.
        yield ["--set-json", f"app.config={json.dumps(config)}"]
        yield ["--set-json", f"app.config={json.dumps(json.dumps(config))}"]
    yield ["--set-json", 'app.config="proxy: ["']


def configurations(right):
    service = right["proxy"]["services"][0]
    yield from ({}, {"proxy": []}, {"proxy": {}})
    for path, value in (
        (["listen"], None),
        (["listen", "address"], 1),
        (["listen", "port"], 70000),
        (["listen", "port"], "8080"),
        (["listen", "port"], 8000),
        (["services"], []),
        (["services"], [service, service]),
        (["services"], [service, {**service, "name": "other", "domain": service["domain"].upper()}]),
        (["services", 0, "name"], None),
        (["services", 0, "domain"], 5),
        (["services", 0, "hosts"], []),
        (["services", 0, "hosts", 0], "testero:8080"),
        (["services", 0, "hosts", 0, "address"], None),
        (["services", 0, "hosts", 0, "port"], 0),
    ):
        wrong = copy.deepcopy(right)
        place = wrong["proxy"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        yield wrong
