"""The Python SDK's tool runner with a tool that only code may call: one JSON line with what happened."""
import json

import anthropic
from anthropic import beta_tool

CALLER = "code_execution_20260120"
cities = []


@beta_tool
def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: Its name.
    """
    cities.append(city)
    return f"{len(city)} degrees"


def main():
    client = anthropic.Anthropic()
    declare = get_weather.to_dict
    get_weather.to_dict = lambda: {**declare(), "allowed_callers": [CALLER]}
    runner = client.beta.messages.tool_runner(
        model="any",
        max_tokens=1024,
        messages=[{"role": "user", "content": "Go."}],
        tools=[get_weather, {"type": CALLER, "name": "code_execution"}],
    )
    final = runner.until_done()
    print("json:" + json.dumps({"cities": cities, "final": final.model_dump(mode="json", warnings=False)}, default=str))


main()
