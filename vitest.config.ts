import { defineConfig } from "vitest/config";

/** Real processes, models and clients on a machine that may have two cores: one file at a time. */
const alone = { fileParallelism: false, testTimeout: 300_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/*.test.ts"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "conformance",
          include: ["test/conformance/**/*.test.ts"],
          sequence: { groupOrder: 1 },
          ...alone,
        },
      },
      {
        test: {
          name: "real",
          include: ["test/real/**/*.test.ts"],
          sequence: { groupOrder: 2 },
          ...alone,
        },
      },
    ],
  },
});
