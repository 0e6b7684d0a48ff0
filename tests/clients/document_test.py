"""What the hub's OpenAPI document says of the answers that the clients of this run have had. Only with
HEARTH_TEST_FRONT=witness, which puts tests/lib/witness.py between."""

import pytest


@pytest.mark.last
def test_every_answer_is_as_the_document_says(front):
    if front.name != "witness":
        pytest.skip("only with HEARTH_TEST_FRONT=witness")
    seen = front.witnessed()
    problems = sorted({problem for one in seen for problem in one["problems"]})
    assert problems == []
    checked = {one["operation"] for one in seen if one["checked"] and one["status"] < 300}
    assert len(checked) >= 25, sorted(checked)
