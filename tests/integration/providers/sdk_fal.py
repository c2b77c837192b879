"""Drives a server with fal.ai's own client; run by ``test_sdks``, prints JSON.

Its host and key come from the environment, which it reads when it is imported.
"""

import json
import sys
from typing import Any

import fal_client


def main() -> None:
    """Submit, watch, fetch, cancel, and be refused."""
    seen: dict[str, Any] = {}
    handle = fal_client.submit(
        "fal-ai/flux/dev",
        {"prompt": "a lighthouse", "num_images": 2},
        webhook_url="https://catalog.example/hooks/n1",
    )
    seen["request"] = handle.request_id
    seen["events"] = [
        type(event).__name__ for event in handle.iter_events(interval=0.01)
    ]
    seen["result"] = handle.get()
    seen["again"] = fal_client.result("fal-ai/flux/dev", handle.request_id)
    handle.cancel()
    try:
        fal_client.submit("fal-ai/flux/dev", {})
    except fal_client.FalClientHTTPError as exc:
        seen["refusal"] = [exc.status_code, exc.response.json()["detail"][0]["type"]]
    training = fal_client.subscribe(
        "fal-ai/flux-lora-fast-training",
        {"images_data_url": "https://store.example/a.zip"},
    )
    seen["training"] = sorted(training)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
