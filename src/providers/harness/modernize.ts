/**
 * Lines of Python as a model learned them, made right for the libraries of today.
 *
 * Most code that models have read is older than pandas 2 and matplotlib 3.6. Where a call has changed its
 * meaning silently, or fails, and the old meaning is certain, it is written the new way.
 */
export function modernizeLine(line: string): string {
  return (
    line
      // pandas 2: patterns are plain text unless said otherwise.
      .replaceAll(
        /\.str\.replace\((r?(["'])((?:(?!\2).)*)\2,\s*(["'])(?:(?!\4).)*\4)\)/g,
        (call: string, args: string, _quote: string, pattern: string) =>
          /\\[dDwWsS]|\[.*\]/.test(pattern) ? `.str.replace(${args}, regex=True)` : call,
      )
      // pandas 2: columns of text are no longer left out by themselves.
      .replaceAll(/\bdf\.(mean|median|std|var|corr|skew|quantile)\(\)/g, "df.$1(numeric_only=True)")
      // matplotlib 3.6: the styles have a version in their name.
      .replaceAll(/(style\.use\(["'])seaborn(?=["'-])(?!-v0_8)/g, "$1seaborn-v0_8")
  );
}
