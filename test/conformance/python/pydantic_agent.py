"""pydantic-ai against the server: only its base URL and its key are changed."""
import asyncio
import json
import os

import pydantic_ai
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

MODEL = AnthropicModel(
    "claude-sonnet-4-5",
    provider=AnthropicProvider(api_key="any", base_url=os.environ["ANTHROPIC_BASE_URL"]),
)


def tell(part, **values):
    print("json:" + json.dumps({"part": part, **values}, default=str))


def parts_of(messages):
    return [part.part_kind for message in messages for part in message.parts]


def client_tool():
    cities = []
    agent = Agent(MODEL)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather of a city."""
        cities.append(city)
        return "21 degrees"

    result = agent.run_sync("Use the tool get_weather for Paris.")
    tell("client tool", cities=cities, output=result.output, kinds=parts_of(result.all_messages()),
        tokens=result.usage.output_tokens)


async def streamed():
    agent = Agent(MODEL)
    pieces = []
    async with agent.run_stream("Say something in pieces.") as response:
        async for piece in response.stream_text(delta=True, debounce_by=None):
            pieces.append(piece)
    tell("streamed", pieces=pieces)


client_tool()
asyncio.run(streamed())
tell("version", pydantic_ai=pydantic_ai.__version__)
