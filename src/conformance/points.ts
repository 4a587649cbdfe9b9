/**
 * The two check lists, in the numbers of the notes on the wire format that they come from: what a
 * compatible server must get right (7.6), and what running the clients brought up (7.7). Every point has
 * a case whose name begins with its number.
 */
export const POINTS: Readonly<Record<string, string>> = {
  "7.6.1": "Keys as x-api-key and as Bearer; any version header, any beta, ?beta=true.",
  "7.6.2": "A tool's input as deltas, the first visible one with a brace; results whole.",
  "7.6.3": "The container in message_delta always, in message_start when it exists already.",
  "7.6.4": "No unknown blocks, deltas or callers.",
  "7.6.5": "No null citations; token counts always; usage in every message_delta.",
  "7.6.6": "event: lines, message_stop, ping while code runs, errors as events.",
  "7.6.7": "container as a text, {id}, {skills} and {id, skills}.",
  "7.6.8": "Every block that was ever sent is taken back, also in pieces.",
  "7.6.9": "An unanswered call at the end of the messages is answered first.",
  "7.6.10": "The loop is finished rather than paused.",
  "7.7.1": "The Python SDK makes a text block of an unknown block, so it has a text.",
  "7.7.2": "An error block of the tutorial's form has an output of type text.",
  "7.7.3": "The tutorial's ragged table: the reader's error is a result; the deviation is 13.4907.",
  "7.7.4": "Threads are kept, or refused so that the tool runners fall back.",
  "7.7.5": "The container in every answer that holds a tool_use.",
  "7.7.6": "Blocks with nulls in unset fields.",
  "7.7.7": "The Python SDK 2: Bearer and version 2026-10-21.",
  "7.7.8": "Thinking blocks begin empty; the container in message_delta is never null.",
  "7.7.9": "Both versions of the AI SDK that are in use.",
};
