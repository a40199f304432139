"""Signatures of deliveries by the Standard Webhooks specification (standardwebhooks.com, version 1.0.0)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def signed(delivery_id: str, timestamp: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """The headers of a delivery; `keys` are the bytes of secrets, each of which makes a signature.

    Without keys there is no signature.
    """
    headers = {"webhook-id": delivery_id, "webhook-timestamp": str(timestamp)}
    content = f"{delivery_id}.{timestamp}.".encode() + body
    signatures = [hmac.new(key, content, hashlib.sha256).digest() for key in keys]
    if signatures:
        headers["webhook-signature"] = " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        )
    return headers
