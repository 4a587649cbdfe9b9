"""pydantic-ai against the server: only its base URL and its key are changed."""
import asyncio
import json
import os

import pydantic_ai
from pydantic_ai import Agent
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.native_tools import CodeExecutionTool
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


def native_parts(messages):
    return [
        [part.part_kind, part.tool_name, part.content if part.part_kind == "builtin-tool-return" else part.args]
        for message in messages
        for part in message.parts
        if "tool" in part.part_kind
    ]


def code_execution():
    """Two turns; the framework sends the container of the first with the second."""
    agent = Agent(MODEL, capabilities=[NativeTool(CodeExecutionTool())])
    first = agent.run_sync("Keep a number.")
    second = agent.run_sync("Add one.", message_history=first.all_messages())
    containers = [
        (message.provider_details or {}).get("container_id")
        for message in second.all_messages()
        if message.kind == "response"
    ]
    tell("code", outputs=[first.output, second.output], containers=containers,
        parts=native_parts(second.all_messages()))


async def code_streamed():
    agent = Agent(MODEL, capabilities=[NativeTool(CodeExecutionTool())])
    async with agent.run_stream("Keep a number.") as response:
        pieces = [piece async for piece in response.stream_text(delta=True, debounce_by=None)]
        parts = native_parts(response.all_messages())
    tell("code streamed", pieces=pieces, parts=parts)


client_tool()
code_execution()
asyncio.run(code_streamed())
asyncio.run(streamed())
tell("version", pydantic_ai=pydantic_ai.__version__)
