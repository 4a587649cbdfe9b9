/** What a model can do about want of memory, told by the line that was running. */

/** Tried in order: the first that the line matches. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [
    /\bread_(csv|table|fwf)\(/,
    "Read in chunks and keep only the result of each: `for chunk in pd.read_csv(path, chunksize=100_000): ...`; usecols= and dtype= leave out what is not needed.",
  ],
  [
    /\bread_(parquet|feather|orc)\(/,
    "Read in batches: `for batch in pyarrow.parquet.ParquetFile(path).iter_batches(100_000, columns=[...]): ...`.",
  ],
  [
    /\bread_json\(/,
    "Read line by line: `for chunk in pd.read_json(path, lines=True, chunksize=100_000): ...`.",
  ],
  [
    /\bread_excel\(|\bload_workbook\(/,
    "Read row by row: `openpyxl.load_workbook(path, read_only=True).active.iter_rows(values_only=True)`.",
  ],
  [
    /\.(read|readlines|read_text|read_bytes)\(\)/,
    "Read line by line (`for line in file: ...`) or in pieces (`while piece := file.read(1 << 20): ...`).",
  ],
  [
    /\b(merge|join|concat|pivot|pivot_table|get_dummies|crosstab|explode|melt)\(/,
    "Filter and aggregate before you combine tables, keep only the columns you need, and combine one part at a time.",
  ],
  [
    /\b(zeros|ones|empty|full|arange|linspace|rand|randn|random|normal|integers|tile|repeat|outer|meshgrid|eye|array|astype)\(/,
    "Work in blocks: `for start in range(0, n, 1_000_000): part = values[start:start + 1_000_000]; ...`, with a smaller dtype (float32, int32), and change arrays in place.",
  ],
  [
    /\bfor\b.+\bin\b|\.(append|extend)\(|\+=|\brange\(|\]\s*\*|\blist\(/,
    "Use a generator instead of a list, `sum(f(x) for x in values)`, or write results to a file as they come.",
  ],
];

const ANY_FORM =
  "Work in chunks (pandas: read_csv(..., chunksize=100_000)), use smaller dtypes, or delete what is no longer needed.";

const LINE_CHARACTERS_MAX = 200;

export interface MemoryState {
  /** Source of the line that was running, empty when it is not known. */
  text: string;
  line: number | null;
  peakBytes: number;
  limitMb: number;
}

export function explainMemory({ text, line, peakBytes, limitMb }: MemoryState): string {
  const source = text.trim().slice(0, LINE_CHARACTERS_MAX);
  const form = FORMS.find(([pattern]) => pattern.test(source))?.[1] ?? ANY_FORM;
  return [
    ...(line === null ? [] : [`Running was line ${line}: ${source}`]),
    `Peak: ${Math.round(peakBytes / (1 << 20))} MiB; the limit is ${limitMb} MiB.`,
    form,
  ].join("\n");
}
