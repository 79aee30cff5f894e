"""What OpenAPI cannot say of parameters: that two of them exclude one another. Loaded by schemathesis, for .ci/openapi."""

import schemathesis

# In a form the document says so itself (`not`); the parameters of a query stand each for itself.
EXCLUSIVE = [{"rate", "over"}, {"ignore", "delay"}]


@schemathesis.hook
def filter_case(context, case):
    """Valid data that is none. What is meant to be wrong may be as wrong as it likes."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return True
    query = case.query or {}
    if query.get("ignore") is False:
        query = {name: value for name, value in query.items() if name != "ignore"}
    return not any(pair <= query.keys() for pair in EXCLUSIVE)
