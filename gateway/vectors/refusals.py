"""What callers of vector stores are refused, in OpenAI's words."""

from __future__ import annotations

from gateway.responses.refusals import Refusal


class NoStore(Refusal):
    """Not there, or not the caller's: nobody learns ids by guessing."""

    text = "Vector store with id '{id}' not found."


class NoFile(Refusal):
    """Not in this store."""

    text = "No file found with id '{id}' in this vector store."


class NoBatch(Refusal):
    """Not of this store."""

    text = "No file batch found with id '{id}' in this vector store."


class StoreExpired(Refusal):
    """Nothing is added to a store, or found in it, whose time is over."""

    status = 400
    code = "vector_store_expired"
    text = "Vector store '{id}' has expired."


class OtherLength(Refusal):
    """What was found would be nothing: a query cannot be compared with the store's vectors."""

    status = 400
    code = "vector_store_embeddings_changed"
    text = (
        "The embeddings that vector store '{id}' gets now are of another length than those in it, so it cannot be "
        "searched. An admin can let its model lead to what embedded it; else make a new store."
    )


class Unusable(Exception):
    """An upstream's answer has not one vector of numbers for each text."""
