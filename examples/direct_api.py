"""Python in a sandbox, without a model and without any library: the direct API.

    python examples/direct_api.py [BASE_URL [KEY]]
"""

import base64
import json
import sys
import urllib.request

BASE, KEY = (*sys.argv[1:], *("http://127.0.0.1:4242", "any")[len(sys.argv) - 1 :])

CHART = """
import pandas as pd
import matplotlib.pyplot as plt
sales = pd.read_csv("sales.csv")
total = sales["sales"].sum()
sales.plot.bar(x="month", y="sales")
print("sum:", total)
"""


def call(method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> dict:
    """Send one request and return the answer's JSON."""
    headers = {"content-type": kind, "x-api-key": KEY}
    request = urllib.request.Request(f"{BASE}{path}", data=body, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def run(container: str, code: str) -> dict:
    """Run code in a container."""
    return call("POST", f"/v1/containers/{container}/execute", json.dumps({"code": code}).encode())


container = call("POST", "/v1/containers", b"{}")["id"]
try:
    csv = b"month,sales\nJanuary,50000\nFebruary,62000\nMarch,45000\n"
    call("PUT", f"/v1/containers/{container}/files/sales.csv", csv, "application/octet-stream")

    charted = run(container, CHART)
    print(charted["stdout"], end="")
    pictures = [output["data"]["image/png"] for output in charted["outputs"] if "image/png" in output["data"]]
    with open("sales.png", "wb") as file:
        file.write(base64.b64decode(pictures[0]))
    print("Saved sales.png")

    failed = run(container, "1 / 0")
    print(failed["status"], "-", failed["error"]["name"])

    kept = run(container, "print('still here:', total)")
    print(kept["stdout"], end="")
finally:
    call("DELETE", f"/v1/containers/{container}")

if failed["status"] != "error" or kept["stdout"] != "still here: 157000\n":
    sys.exit("The session did not keep its variables.")
