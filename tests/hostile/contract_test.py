"""The short form of contract.py, with a fixed seed."""

import contract
from lib.server import Server


def test_answers_are_as_the_document_says():
    server = Server()
    try:
        token = contract.prepare(server)
        server.start()
        seen = contract.run(server, token, examples=1, seed=1, rounds=(True,))
        assert seen.failures == [], seen.failures[0]
        assert seen.cases > 300
    finally:
        server.remove()
