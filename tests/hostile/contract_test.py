"""The short form of contract.py, with a fixed seed."""

import contract
from contract_hub import Hub
from lib.server import Server


def test_answers_are_as_the_document_says():
    server = Server()
    try:
        hub = Hub(server)
        server.start()
        seen = contract.run(hub, examples=10, seed=1, rounds=(True,))
        assert seen.failures == [], seen.failures[0]
        assert seen.cases > 3000
        assert seen.never_succeeded() == []
    finally:
        server.remove()
